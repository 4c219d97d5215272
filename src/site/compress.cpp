#include "site/compress.h"

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstdlib>

#include "base/assert.h"

namespace ringtime::site {
namespace {

// The last levels before time grows faster than what is saved: each does 10 to 40 MB/s on text.
constexpr int kGzipLevel = 9;
constexpr int kBrotliQuality = 9;
constexpr int kZstdLevel = 12;

constexpr size_t kSliceBytes = 64 * 1024;

enum class Step : uint8_t { more, done, failed };

/// zlib's gzip form: no name, no time, so that equal files stay equal.
class Gzip {
 public:
    explicit Gzip(size_t /*size*/) noexcept {
        constexpr int gzip_window = 15 + 16;
        constexpr int memory_level = 9;
        open_ = deflateInit2(&state_, kGzipLevel, Z_DEFLATED, gzip_window, memory_level,
                             Z_DEFAULT_STRATEGY) == Z_OK;
    }
    ~Gzip() {
        if (open_) deflateEnd(&state_);
    }
    Gzip(const Gzip&) = delete;
    Gzip& operator=(const Gzip&) = delete;

    Step step(std::string_view& in, bool last, char*& out, size_t& room) noexcept {
        if (!open_) return Step::failed;
        state_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
        state_.avail_in = static_cast<uInt>(in.size());
        state_.next_out = reinterpret_cast<Bytef*>(out);
        state_.avail_out = static_cast<uInt>(room);
        int result = deflate(&state_, last ? Z_FINISH : Z_NO_FLUSH);
        in.remove_prefix(in.size() - state_.avail_in);
        out = reinterpret_cast<char*>(state_.next_out);
        room = state_.avail_out;
        if (result == Z_STREAM_END) return Step::done;
        return result == Z_OK && room > 0 ? Step::more : Step::failed;
    }

 private:
    z_stream state_{};
    bool open_ = false;
};

class Brotli {
 public:
    explicit Brotli(size_t size) noexcept
        : state_(BrotliEncoderCreateInstance(nullptr, nullptr, nullptr)) {
        if (!state_) return;
        BrotliEncoderSetParameter(state_, BROTLI_PARAM_QUALITY, kBrotliQuality);
        BrotliEncoderSetParameter(state_, BROTLI_PARAM_SIZE_HINT, static_cast<uint32_t>(size));
    }
    ~Brotli() {
        if (state_) BrotliEncoderDestroyInstance(state_);
    }
    Brotli(const Brotli&) = delete;
    Brotli& operator=(const Brotli&) = delete;

    Step step(std::string_view& in, bool last, char*& out, size_t& room) noexcept {
        const auto* next_in = reinterpret_cast<const uint8_t*>(in.data());
        auto* next_out = reinterpret_cast<uint8_t*>(out);
        size_t left = in.size();
        auto operation = last ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_PROCESS;
        if (!state_ || !BrotliEncoderCompressStream(state_, operation, &left, &next_in, &room,
                                                    &next_out, nullptr))
            return Step::failed;
        in.remove_prefix(in.size() - left);
        out = reinterpret_cast<char*>(next_out);
        if (BrotliEncoderIsFinished(state_)) return Step::done;
        return room > 0 ? Step::more : Step::failed;
    }

 private:
    BrotliEncoderState* state_;
};

class Zstd {
 public:
    explicit Zstd(size_t size) noexcept : state_(ZSTD_createCCtx()) {
        if (!state_) return;
        ZSTD_CCtx_setParameter(state_, ZSTD_c_compressionLevel, kZstdLevel);
        ZSTD_CCtx_setPledgedSrcSize(state_, size);
    }
    ~Zstd() { ZSTD_freeCCtx(state_); }
    Zstd(const Zstd&) = delete;
    Zstd& operator=(const Zstd&) = delete;

    Step step(std::string_view& in, bool last, char*& out, size_t& room) noexcept {
        if (!state_) return Step::failed;
        ZSTD_inBuffer from{in.data(), in.size(), 0};
        ZSTD_outBuffer to{out, room, 0};
        size_t left = ZSTD_compressStream2(state_, &to, &from, last ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left)) return Step::failed;
        in.remove_prefix(from.pos);
        out += to.pos;
        room -= to.pos;
        if (last && left == 0) return Step::done;
        return room > 0 ? Step::more : Step::failed;
    }

 private:
    ZSTD_CCtx* state_;
};

/// What does not fit in `room` is not worth having.
template <typename Coder>
size_t code(std::string_view bytes, char* out, size_t room,
            const std::atomic<bool>& stop) noexcept {
    Coder coder(bytes.size());
    size_t capacity = room;
    for (;;) {
        if (stop.load(std::memory_order_relaxed)) return 0;
        std::string_view slice = bytes.substr(0, kSliceBytes);
        bool last = slice.size() == bytes.size();
        size_t before = slice.size();
        Step step = coder.step(slice, last, out, room);
        bytes.remove_prefix(before - slice.size());
        if (step == Step::failed) return 0;
        if (step == Step::done) return capacity - room;
    }
}

}  // namespace

Compressed compress(std::string_view bytes, Coding coding,
                    const std::atomic<bool>& stop) noexcept {
    size_t room = bytes.size() - bytes.size() / 8;
    auto* out = static_cast<char*>(std::malloc(room ? room : 1));
    if (!out) return {};
    size_t size = 0;
    switch (coding) {
        case Coding::gzip: size = code<Gzip>(bytes, out, room, stop); break;
        case Coding::br: size = code<Brotli>(bytes, out, room, stop); break;
        case Coding::zstd: size = code<Zstd>(bytes, out, room, stop); break;
        case Coding::identity:
        case Coding::count_: ASSERT(coding != Coding::identity); break;
    }
    if (size > 0) {
        // The rest of the room is given back.
        if (auto* fitted = static_cast<char*>(std::realloc(out, size))) return {fitted, size};
        return {out, size};
    }
    std::free(out);
    return {};
}

}  // namespace ringtime::site
