#pragma once
// The blob an automaton is compiled to: written by automaton_compiler.cpp, read by automaton.cpp.
// All offsets count bytes from the header.

#include <cstdint>

#include "route/automaton.h"

namespace ringtime::route::code {

/// Common to both forms; byte classes stand right behind it.
struct Header {
    AutomatonKind kind = AutomatonKind::table;
    uint16_t states = 0;      ///< Table: states. Positions: bits of a set in use.
    uint16_t classes = 0;
    uint16_t start = 0;       ///< Table: first state.
    uint16_t absorbing = 0;   ///< Table: states from here on never change.
    uint16_t unused = 0;
    uint32_t moves = 0;  ///< Table: uint16_t[classes][states]. Positions:
                         ///< uint64_t[classes][2][words]: those that move up, those that stay.
    uint32_t pairs = 0;  ///< Table: uint16_t[classes][classes][states], two bytes at once; 0: none.
    uint32_t accepting = 0;  ///< Table: uint16_t[states], index of a set. Positions: uint64_t rows.
    uint32_t sets = 0;        ///< Table: AcceptSet[]. Positions: uint16_t member of each position.
    uint32_t accepts = 0;  ///< Table: Accept[] of the sets. Positions: uint16_t methods per member.
    uint32_t bytes = 0;       ///< The whole blob.
    uint32_t unused_end = 0;
};
static_assert(sizeof(Header) == 40);

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

}  // namespace ringtime::route::code
