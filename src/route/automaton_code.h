#pragma once
// The blob an automaton is compiled to: written by automaton_compiler.cpp, read by automaton.cpp.
// All offsets count bytes from the header.

#include <cstdint>

#include "route/automaton.h"

namespace ringtime::route::code {

/// Common to both forms; byte classes stand right behind it.
struct Header {
    AutomatonKind kind = AutomatonKind::table;
    uint16_t states = 0;  ///< Table: states. Positions: bits of a set in use.
    uint16_t classes = 0;
    uint16_t start = 0;      ///< Table: first state.
    uint16_t absorbing = 0;  ///< Table: states from here on never change.
    uint16_t unused = 0;
    uint32_t moves = 0;  ///< Table: uint16_t[classes][states]. Positions:
                         ///< uint64_t[classes][2][words]: those that move up, those that stay.
    uint32_t pairs = 0;  ///< Table: uint16_t[classes][classes][states], two bytes at once; 0: none.
    uint32_t accepting = 0;  ///< Table: uint16_t[states], index of a set. Positions: uint64_t rows.
    uint32_t sets = 0;       ///< Table: AcceptSet[]. Positions: uint16_t member of each position.
    uint32_t accepts = 0;  ///< Table: Accept[] of the sets. Positions: uint16_t methods per member.
    uint32_t bytes = 0;    ///< The whole blob.
    uint32_t unused_end = 0;
    /// Classes the last byte of an accepted text may have, and the one before it; all from 63 on
    /// are one bit.
    uint64_t ends[2] = {0, 0};
};
static_assert(sizeof(Header) == 56);

inline constexpr unsigned end_classes = 64;
[[nodiscard]] constexpr uint64_t end_bit(unsigned of) noexcept {
    return uint64_t{1} << (of < end_classes ? of : end_classes - 1);
}

struct AcceptSet {
    uint16_t first = 0;
    uint16_t count = 0;
    uint16_t methods = 0;
};

/// Rows of the fallback, each `words` wide, in this order at `accepting`.
enum Row : unsigned { row_start, row_ends, row_count };

/// A set of positions, and the two of them a class of bytes has.
inline constexpr size_t position_words = 4;
inline constexpr size_t move_words = 2 * position_words;
static_assert(position_words * 64 == positions_max);

/// A table of pairs is made up to this size: the chain of loads is then half as long, and it stays
/// in the first cache.
inline constexpr size_t pairs_bytes_max = 16 * 1024;

inline constexpr uint32_t classes_offset = sizeof(Header);

/// Whether the automaton may accept `text`: false tells of most texts that it does not, without a
/// run. Globs that begin with a wildcard are asked about every path, and are mostly told apart by
/// how they end.
[[nodiscard]] inline bool may_accept(const uint64_t* blob, std::string_view text) noexcept {
    if (text.size() < 2) return true;
    const auto* header = reinterpret_cast<const Header*>(blob);
    const auto* classes = reinterpret_cast<const uint8_t*>(header) + classes_offset;
    const auto* end = reinterpret_cast<const uint8_t*>(text.data() + text.size());
    uint64_t last = header->ends[0] & end_bit(classes[end[-1]]);
    uint64_t before = header->ends[1] & end_bit(classes[end[-2]]);
    return last != 0 && before != 0;
}

}  // namespace ringtime::route::code
