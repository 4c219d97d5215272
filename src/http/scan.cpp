#include "http/scan.h"

#include <bit>

#include "http/syntax.h"
#include "http/words.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ringtime::http {
namespace {

TargetScan portable_target(const char* data, size_t from, size_t size) {
    size_t end = words::find(data, from, size, words::not_target,
                             [](char c) { return !is_class(c, kTargetChar); });
    size_t query = words::find(data, from, end, [](uint64_t w) { return words::equal(w, '?'); },
                               [](char c) { return c == '?'; });
    return {end, query};
}

bool portable_path_is_plain(const char* data, size_t size) {
    char previous = 0;
    for (size_t i = 0; i < size; ++i) {
        char c = data[i];
        if (!is_class(c, kPathRawChar) || (c == '.' && previous == '/')) return false;
        previous = c;
    }
    return true;
}

#if defined(__x86_64__)

#define RINGTIME_AVX2 __attribute__((target("avx2")))

/// For each low nibble, the set of high nibbles (bit n for 0xn_) with which it forms a member. Bytes
/// above 0x7f find nothing: the shuffle yields 0 for them.
struct NibbleTable {
    alignas(32) uint8_t rows[32] = {};
};

constexpr NibbleTable rows_of(uint8_t classes) {
    NibbleTable table;
    for (unsigned c = 0; c < 128; ++c) {
        if ((detail::kClasses[c] & classes) == 0) continue;
        table.rows[c & 15] = static_cast<uint8_t>(table.rows[c & 15] | 1U << (c >> 4));
        table.rows[16 + (c & 15)] = table.rows[c & 15];
    }
    return table;
}

/// The complement, within the lower half.
constexpr NibbleTable rows_without(uint8_t classes) {
    NibbleTable table = rows_of(classes);
    for (uint8_t& row : table.rows) row = static_cast<uint8_t>(~row);
    return table;
}

constexpr NibbleTable kTokenRows = rows_of(kTokenChar);
constexpr NibbleTable kNoValueRows = rows_without(kValueChar);
constexpr NibbleTable kTargetRows = rows_of(kTargetChar);
constexpr NibbleTable kPathRows = rows_of(kPathRawChar);
alignas(32) constexpr uint8_t kRowBits[32] = {1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0,
                                              1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0};

using Bytes = __m256i;

RINGTIME_AVX2 inline Bytes load_aligned(const uint8_t* from) {
    return _mm256_load_si256(reinterpret_cast<const Bytes*>(from));
}
RINGTIME_AVX2 inline Bytes load(const char* from) {
    return _mm256_loadu_si256(reinterpret_cast<const Bytes*>(from));
}
RINGTIME_AVX2 inline Bytes row_bits(Bytes bytes) {
    Bytes high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(0x0f));
    return _mm256_shuffle_epi8(load_aligned(kRowBits), high);
}
/// A bit for each byte that is no member of the table.
RINGTIME_AVX2 inline uint32_t outside(Bytes bytes, Bytes bits, const NibbleTable& table) {
    Bytes rows = _mm256_shuffle_epi8(load_aligned(table.rows), bytes);
    Bytes member = _mm256_and_si256(rows, bits);
    return static_cast<uint32_t>(
        _mm256_movemask_epi8(_mm256_cmpeq_epi8(member, _mm256_setzero_si256())));
}

struct HalfMasks {
    uint32_t not_token;
    uint32_t not_value;
};
RINGTIME_AVX2 inline HalfMasks classify_half(Bytes bytes) {
    Bytes bits = row_bits(bytes);
    return {outside(bytes, bits, kTokenRows), ~outside(bytes, bits, kNoValueRows)};
}

RINGTIME_AVX2 inline BlockMasks classify_block(const char* block) {
    HalfMasks low = classify_half(load(block));
    HalfMasks high = classify_half(load(block + 32));
    return {low.not_token | static_cast<uint64_t>(high.not_token) << 32,
            low.not_value | static_cast<uint64_t>(high.not_value) << 32};
}

/// Fewer than 64 bytes in all: two overlapping loads, or single bytes below 32.
RINGTIME_AVX2 BlockMasks classify_short(const char* data, size_t size) {
    uint64_t beyond = ~uint64_t{0} << size;
    if (size >= 32) {
        HalfMasks low = classify_half(load(data));
        HalfMasks high = classify_half(load(data + size - 32));
        unsigned shift = static_cast<unsigned>(size - 32);
        return {low.not_token | static_cast<uint64_t>(high.not_token) << shift | beyond,
                low.not_value | static_cast<uint64_t>(high.not_value) << shift | beyond};
    }
    BlockMasks masks{beyond, beyond};
    for (size_t i = 0; i < size; ++i) {
        masks.not_token |= static_cast<uint64_t>(!is_class(data[i], kTokenChar)) << i;
        masks.not_value |= static_cast<uint64_t>(!is_class(data[i], kValueChar)) << i;
    }
    return masks;
}

RINGTIME_AVX2 void avx2_classify(const char* data, size_t size, size_t first, size_t count,
                                 BlockMasks* masks) {
    for (size_t i = first; i < first + count; ++i) {
        size_t begin = i * 64;
        if (begin + 64 <= size) [[likely]] {
            masks[i] = classify_block(data + begin);
        } else if (size >= 64) {
            // The last 64 bytes of the text, shifted so that bit 0 is this block's first byte.
            BlockMasks last = classify_block(data + size - 64);
            auto used = static_cast<unsigned>(size - begin);
            uint64_t beyond = ~uint64_t{0} << used;
            masks[i] = {last.not_token >> (64 - used) | beyond,
                        last.not_value >> (64 - used) | beyond};
        } else {
            masks[i] = classify_short(data, size);
        }
    }
}

RINGTIME_AVX2 TargetScan avx2_target(const char* data, size_t from, size_t size) {
    size_t query = size;
    size_t at = from;
    for (; at + 32 <= size; at += 32) {
        Bytes bytes = load(data + at);
        uint32_t stops = outside(bytes, row_bits(bytes), kTargetRows);
        auto marks = static_cast<uint32_t>(
            _mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('?'))));
        if (query == size && marks != 0) query = at + static_cast<size_t>(std::countr_zero(marks));
        if (stops != 0) {
            size_t end = at + static_cast<size_t>(std::countr_zero(stops));
            return {end, query < end ? query : end};
        }
    }
    for (; at < size && is_class(data[at], kTargetChar); ++at) {
        if (query == size && data[at] == '?') query = at;
    }
    return {at, query < at ? query : at};
}

RINGTIME_AVX2 inline uint32_t path_stops(Bytes bytes, Bytes before) {
    Bytes hidden = _mm256_and_si256(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('.')),
                                    _mm256_cmpeq_epi8(before, _mm256_set1_epi8('/')));
    return outside(bytes, row_bits(bytes), kPathRows) |
           static_cast<uint32_t>(_mm256_movemask_epi8(hidden));
}

RINGTIME_AVX2 bool avx2_path_is_plain(const char* data, size_t size) {
    if (size < 33) return portable_path_is_plain(data, size);
    // The first byte has no predecessor and is checked by itself.
    if (!is_class(data[0], kPathRawChar)) return false;
    size_t at = 1;
    for (; at + 32 <= size; at += 32) {
        if (path_stops(load(data + at), load(data + at - 1)) != 0) return false;
    }
    return path_stops(load(data + size - 32), load(data + size - 33)) == 0;
}

constexpr ScanPath kAvx2 = {"avx2", avx2_classify, avx2_target, avx2_path_is_plain};

#endif

constexpr ScanPath kPortable = {"portable", nullptr, portable_target, portable_path_is_plain};

}  // namespace

const ScanPath& portable_scan() noexcept { return kPortable; }

const ScanPath* avx2_scan() noexcept {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") ? &kAvx2 : nullptr;
#else
    return nullptr;
#endif
}

const ScanPath& best_scan() noexcept {
    const ScanPath* fast = avx2_scan();
    return fast ? *fast : kPortable;
}

}  // namespace ringtime::http
