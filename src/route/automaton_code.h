#pragma once
// The blob an automaton is compiled to: written by automaton_compiler.cpp, read by automaton.cpp.
// All offsets count bytes from the header.

#include <cstdint>

#include "route/automaton.h"

namespace ringtime::route::code {

/// Common to both forms; byte classes stand right behind it.
struct Header {
    AutomatonKind kind = AutomatonKind::table;
    uint16_t states = 0;      ///< Table: states. Positions: words of a set.
    uint16_t classes = 0;
    uint16_t start = 0;       ///< Table: first state.
    uint16_t absorbing = 0;   ///< Table: states from here on never change.
    uint16_t unused = 0;
    uint32_t moves = 0;       ///< Table: uint16_t[classes][states]. Positions: uint64_t[classes][words].
    uint32_t accepting = 0;   ///< Table: uint16_t[states], index of a set. Positions: uint64_t rows.
    uint32_t sets = 0;        ///< Table: AcceptSet[]. Positions: uint16_t member of each position.
    uint32_t accepts = 0;     ///< Table: Accept[] of the sets. Positions: uint16_t methods per member.
    uint32_t bytes = 0;       ///< The whole blob.
};
static_assert(sizeof(Header) == 32);

struct AcceptSet {
    uint16_t first = 0;
    uint16_t count = 0;
    uint16_t methods = 0;
};

/// Rows of the fallback, each `words` wide, in this order at `accepting`.
enum Row : unsigned { row_start, row_skip, row_stay_segment, row_stay_any, row_ends, row_count };

inline constexpr uint32_t classes_offset = sizeof(Header);

}  // namespace ringtime::route::code
