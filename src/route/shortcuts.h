#pragma once
// Shortcuts into the tree: a directory of the bases up to 63 bytes by hash. A walk that begins at
// the longest base known to take the path has one or two nodes left to look at instead of one for
// each place where bases part. Buckets are of one cache line and a key stands in its own or in
// none: what does not fit is walked to from the root, like longer bases. So a shortcut saves steps
// and decides nothing, the work for a hostile path is bounded, and no key set can make building
// fail.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "route/radix.h"
#include "route/wide.h"

namespace ringtime::route {

/// Longest key of a directory, in bytes.
inline constexpr size_t shortcut_bytes_max = 63;

/// One step of a checksum over whole words: a key's hash has to be cheap for each of its
/// beginnings. Who finds keys with the same one gains nothing, since every hit is compared.
#if defined(__x86_64__)
// Every x86-64 CPU since 2008 has it, as it has the counting of bits.
[[nodiscard, gnu::target("sse4.2")]] inline uint32_t mix(uint32_t state, uint64_t word) noexcept {
    return static_cast<uint32_t>(__builtin_ia32_crc32di(state, word));
}
#else
[[nodiscard]] inline uint32_t mix(uint32_t state, uint64_t word) noexcept {
    uint64_t mixed = (word ^ uint64_t{state} << 21) * 0x9e37'79b9'7f4a'7c15;
    return static_cast<uint32_t>(mixed >> 32 ^ mixed) + state;
}
#endif

/// The beginnings of a text below `width` bytes: where segments end, the hash of each, and whether
/// a key is one of them. What is done for all of them is done once.
template <size_t width>
class Beginnings {
  public:
    explicit Beginnings(std::string_view text) noexcept : bytes_(text.data()), size_(text.size()) {
#ifdef RINGTIME_WIDE_READS
        if (size_ == 0 || !may_read_wide<width>(bytes_)) [[unlikely]]
            take_copy();
#else
        take_copy();
#endif
        hashes_[0] = 0;
        for (size_t i = 1; i < width / 8; ++i) hashes_[i] = mix(hashes_[i - 1], word(i - 1));
    }
    Beginnings(const Beginnings&) = delete;
    Beginnings& operator=(const Beginnings&) = delete;

    /// Bit n: the first n bytes are whole segments.
    [[nodiscard]] uint64_t boundaries() const noexcept {
        uint64_t slashes = find_bytes<width>(bytes_, '/');
        uint64_t end = size_ < width ? uint64_t{1} << (size_ & (width - 1)) : 0;
        return (slashes & (end - 1)) | end;
    }

    /// Of the first `size` bytes: the same for the same bytes, whatever stands behind them.
    [[nodiscard]] uint32_t hash(size_t size) const noexcept {
        uint64_t mask = (uint64_t{1} << (size % 8 * 8)) - 1;
        return mix(hashes_[size / 8], word(size / 8) & mask);
    }

    /// Whether the first `size` bytes are those of `key`, which has `readable` bytes to read.
    template <size_t readable>
    [[nodiscard]] bool have(const char* key, size_t size) const noexcept {
        uint64_t unlike = ~equal_bytes<readable>(bytes_, key);
        return (unlike & ((uint64_t{1} << size) - 1)) == 0;
    }

  private:
    [[nodiscard]] uint64_t word(size_t index) const noexcept {
        uint64_t word = 0;
        std::memcpy(&word, bytes_ + index * 8, sizeof word);
        return word;
    }
    void take_copy() noexcept {
        if (size_ >= width) return;
        std::memset(copy_, 0, width);
        if (size_ != 0) std::memcpy(copy_, bytes_, size_);
        bytes_ = copy_;
    }

    const char* bytes_;
    size_t size_;
    uint32_t hashes_[width / 8];
    alignas(16) char copy_[width];  ///< Where the text itself must not be read so far.
};

/// The hash of the whole of `text`, which is at most shortcut_bytes_max long.
[[nodiscard]] inline uint32_t hash_of(std::string_view text) noexcept {
    return Beginnings<shortcut_bytes_max + 1>(text).hash(text.size());
}

/// A bucket: full as to the key's tag, then the value.
struct alignas(64) Bucket {
    static constexpr size_t size = 8;
    uint32_t tags[size] = {};  ///< 0: nothing.
    uint32_t values[size] = {};
};
static_assert(sizeof(Bucket) == 64, "a cache line");

struct Shortcut {
    uint32_t hash = 0;
    uint32_t value = 0;
};

/// A key's hash with that of the space it belongs to.
[[nodiscard]] inline uint32_t spread(uint32_t hash, uint32_t space) noexcept {
    return hash ^ space * 0x9e37'79b9U;
}

[[nodiscard]] inline size_t bucket_of(uint32_t hash, size_t buckets) noexcept {
    return hash * uint64_t{buckets} >> 32;
}
[[nodiscard]] inline uint32_t tag_of(uint32_t hash) noexcept { return hash | 1; }

/// Half full, which leaves out one key in a hundred.
[[nodiscard]] std::vector<Bucket> build_shortcuts(std::span<const Shortcut> keys);

/// The value of the key with `hash` that `is_key(value)` confirms; none if it has no shortcut.
template <typename IsKey>
[[nodiscard]] inline uint32_t find_shortcut(std::span<const Bucket> buckets, uint32_t hash,
                                            IsKey&& is_key) noexcept {
    const Bucket& bucket = buckets[bucket_of(hash, buckets.size())];
    for (unsigned hits = equal_words(bucket.tags, tag_of(hash)); hits != 0;) {
        auto at = static_cast<unsigned>(std::countr_zero(hits)) / 2;
        if (is_key(bucket.values[at])) return bucket.values[at];
        hits &= ~(3U << 2 * at);
    }
    return none;
}

}  // namespace ringtime::route
