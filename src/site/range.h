#pragma once
// Byte ranges of a request, resolved against a file's size. RFC 9110 §14. Pure.

#include <cstdint>
#include <string_view>

#include "site/limits.h"

namespace ringtime::site {

struct ByteRange {
    uint64_t first = 0;
    uint64_t last = 0;  ///< Inclusive.

    [[nodiscard]] uint64_t size() const noexcept { return last - first + 1; }
    friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

struct RangeSet {
    enum class Kind : uint8_t {
        whole,          ///< No Range, one that is not understood, or one not worth honouring: 200.
        partial,        ///< 206 with `count` ranges.
        unsatisfiable,  ///< 416.
    };
    Kind kind = Kind::whole;
    unsigned count = 0;
    ByteRange items[limits::ranges_max];
};

/// Resolves the value of a Range field for a representation of `size` bytes. Ranges that overlap or
/// touch become one, so that no answer is longer than the file and its part heads, whatever was
/// asked for; the others keep the order of the request (RFC 9110 §15.3.7.2). An unknown unit, a
/// syntax error, more than limits::ranges_max ranges and any range of an empty file mean the whole.
[[nodiscard]] RangeSet resolve_ranges(std::string_view value, uint64_t size) noexcept;

}  // namespace ringtime::site
