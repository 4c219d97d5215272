#pragma once
// Eight bytes at a time in a plain register: searches for the machine without vectors. Unless it
// says otherwise a test yields 0x80 in exactly the bytes that match (no carries between bytes), so
// the lowest set bit is the first match.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ringtime::http::words {

static_assert(std::endian::native == std::endian::little, "the first byte must be the lowest");

constexpr uint64_t kOnes = 0x0101010101010101ULL;
constexpr uint64_t kLow7 = 0x7f * kOnes;
constexpr uint64_t kHigh = 0x80 * kOnes;

[[nodiscard]] inline uint64_t load(const char* from) noexcept {
    uint64_t word;
    std::memcpy(&word, from, sizeof word);
    return word;
}

/// Bytes equal to `byte` (below 0x80).
[[nodiscard]] constexpr uint64_t equal(uint64_t word, uint8_t byte) noexcept {
    uint64_t difference = word ^ (byte * kOnes);
    return ~(((difference & kLow7) + kLow7) | difference) & kHigh;
}

/// CTL and DEL, quickly: misses none, and no byte before the first that is marked is one of them;
/// but a marked byte may be another, and is looked at again.
[[nodiscard]] constexpr uint64_t maybe_control(uint64_t word) noexcept {
    return ((word - 0x20 * kOnes) | (word + kOnes)) & ~word & kHigh;
}

/// CTL, SP, DEL, `#` and the 8-bit half.
[[nodiscard]] constexpr uint64_t not_target(uint64_t word) noexcept {
    uint64_t low = word & kLow7;
    return ((~(low + 0x5f * kOnes) | (low + kOnes) | word) & kHigh) | equal(word, '#');
}

/// First position in [from, size) where a byte matches, else `size`. `in_word` and `in_byte` are
/// the same test.
template <typename InWord, typename InByte>
[[nodiscard]] inline size_t find(const char* data, size_t from, size_t size, InWord in_word,
                                 InByte in_byte) noexcept {
    size_t at = from;
    for (; at + 8 <= size; at += 8) {
        if (uint64_t hits = in_word(load(data + at)); hits != 0) {
            return at + static_cast<size_t>(std::countr_zero(hits)) / 8;
        }
    }
    while (at < size && !in_byte(data[at])) ++at;
    return at;
}

}  // namespace ringtime::http::words
