#pragma once
// Comparing many bytes at once. How long a text is is random to the branch predictor, so fixed
// widths are read and what is too much is masked away. Such a read may go behind the text but never
// behind the page it begins on; where a sanitizer watches, callers read what is theirs alone.

#include <cstddef>
#include <cstdint>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif
#if defined(__has_feature)
#define RINGTIME_HAS_ASAN __has_feature(address_sanitizer)
#else
#define RINGTIME_HAS_ASAN 0
#endif
#if defined(__SSE2__) && !defined(__SANITIZE_ADDRESS__) && !RINGTIME_HAS_ASAN
#define RINGTIME_WIDE_READS 1
#endif

namespace ringtime::route {

/// Whether `width` bytes can be read at `text`, whose first byte can.
template <size_t width>
[[nodiscard]] inline bool may_read_wide(const char* text) noexcept {
    constexpr uintptr_t page = 4096;
    return (reinterpret_cast<uintptr_t>(text) & (page - 1)) <= page - width;
}

/// Bit i: byte i of `a` and of `b` are the same. Both have `width` bytes to read.
template <size_t width>
[[nodiscard]] inline uint64_t equal_bytes(const char* a, const char* b) noexcept {
    static_assert(width % 16 == 0 && width <= 64);
    uint64_t bits = 0;
#if defined(__SSE2__)
    for (size_t at = 0; at < width; at += 16) {
        __m128i left = _mm_loadu_si128(reinterpret_cast<const __m128i*>(a + at));
        __m128i right = _mm_loadu_si128(reinterpret_cast<const __m128i*>(b + at));
        auto equal = static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(left, right)));
        bits |= uint64_t{equal} << at;
    }
#else
    for (size_t at = 0; at < width; ++at) bits |= uint64_t{a[at] == b[at]} << at;
#endif
    return bits;
}

/// Bit i: byte i of `text`, which has `width` to read, is `byte`.
template <size_t width>
[[nodiscard]] inline uint64_t find_bytes(const char* text, char byte) noexcept {
    static_assert(width % 16 == 0 && width <= 64);
    uint64_t bits = 0;
#if defined(__SSE2__)
    __m128i wanted = _mm_set1_epi8(byte);
    for (size_t at = 0; at < width; at += 16) {
        __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + at));
        auto equal = static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(block, wanted)));
        bits |= uint64_t{equal} << at;
    }
#else
    for (size_t at = 0; at < width; ++at) bits |= uint64_t{text[at] == byte} << at;
#endif
    return bits;
}

/// Bits 2i and 2i + 1: word i of the eight at `words`, on a cache line, is `wanted`.
[[nodiscard]] inline unsigned equal_words(const uint32_t* words, uint32_t wanted) noexcept {
#if defined(__SSE2__)
    __m128i all = _mm_set1_epi32(static_cast<int>(wanted));
    auto half = [words, all](size_t at) noexcept {
        __m128i block = _mm_load_si128(reinterpret_cast<const __m128i*>(words + at));
        return _mm_cmpeq_epi32(block, all);
    };
    return static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi32(half(0), half(4))));
#else
    unsigned bits = 0;
    for (unsigned at = 0; at < 8; ++at) bits |= (words[at] == wanted ? 3U : 0U) << 2 * at;
    return bits;
#endif
}

}  // namespace ringtime::route
