#pragma once
// Classes of 32 bytes at once. A byte belongs to a class when the table of its low nibble has the
// bit of its high one: two shuffles, whatever the class. Only for functions that run where
// avx2_scan() is not null. Private to the folder.

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstdint>

#include "http/syntax.h"

/// Every CPU with AVX2 has the shifts and counts of BMI.
#define RINGTIME_AVX2 __attribute__((target("avx2,bmi,bmi2")))

namespace ringtime::http::avx2 {

/// Which bit stands for a high nibble in the tables below. Rows 0 and 1, the controls, are in no
/// table and mark themselves with the sign bit; row 7 takes the bit that is free for that.
constexpr uint8_t row_bit(unsigned row) {
    if (row < 2) return 0x80;
    if (row == 7) return 1;
    return static_cast<uint8_t>(row < 7 ? 1U << row : 0U);
}

struct Table {
    alignas(32) uint8_t entries[32] = {};
};

constexpr Table make_row_bits() {
    Table table;
    for (unsigned i = 0; i < 32; ++i) table.entries[i] = row_bit(i & 15);
    return table;
}

/// For each low nibble, the rows in which it is a member. Bytes above 0x7f find nothing: a shuffle
/// yields 0 for them.
constexpr Table make_members(uint8_t classes) {
    Table table;
    for (unsigned c = 0x20; c < 0x80; ++c) {
        if ((detail::kClasses[c] & classes) == 0) continue;
        table.entries[c & 15] = static_cast<uint8_t>(table.entries[c & 15] | row_bit(c >> 4));
        table.entries[16 + (c & 15)] = table.entries[c & 15];
    }
    return table;
}

inline constexpr Table kRowBits = make_row_bits();
inline constexpr Table kTokens = make_members(kTokenChar);
inline constexpr Table kTargets = make_members(kTargetChar);
inline constexpr Table kPaths = make_members(kPathRawChar);
inline constexpr Table kHosts = make_members(kHostChar);

using Bytes = __m256i;

RINGTIME_AVX2 inline Bytes load(const char* from) {
    return _mm256_loadu_si256(reinterpret_cast<const Bytes*>(from));
}
RINGTIME_AVX2 inline uint32_t bits_of(Bytes bytes) {
    return static_cast<uint32_t>(_mm256_movemask_epi8(bytes));
}
RINGTIME_AVX2 inline Bytes look_up(const Table& table, Bytes indexes) {
    return _mm256_shuffle_epi8(_mm256_load_si256(reinterpret_cast<const Bytes*>(table.entries)),
                               indexes);
}
RINGTIME_AVX2 inline Bytes rows_of(Bytes bytes) {
    return look_up(kRowBits, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(15)));
}
/// A bit for each byte that is no member of the table.
RINGTIME_AVX2 inline uint32_t outside(Bytes bytes, Bytes rows, const Table& table) {
    Bytes member = _mm256_and_si256(look_up(table, bytes), rows);
    return bits_of(_mm256_cmpeq_epi8(member, _mm256_setzero_si256()));
}

}  // namespace ringtime::http::avx2

#endif
