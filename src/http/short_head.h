#pragma once
// A whole request head of 32 to 63 bytes, as health checks and small clients send it: classified at
// once, one word per class, and read from there; nothing of a parser's state is made or kept. Only
// on the AVX2 path. Private to the parser.

#include <cstddef>

#include "http/head.h"
#include "http/scan.h"

namespace ringtime::http {

struct HeadLimits;

namespace detail {

inline constexpr size_t short_head_min = 32;
/// The bits behind the text end every search: there is one at least.
inline constexpr size_t short_head_max = 63;

/// Bytes of the head, with `out` filled in; 0 when this is not a whole head that breaks no rule, in
/// the usual form, with one Host that is a plain name: the parser then reads it from the beginning.
using ReadShortHead = size_t (*)(const HeadLimits& limits, const char* data, size_t size,
                                 RequestHead& out) noexcept;
/// Null where `scan` is not the AVX2 path.
[[nodiscard]] ReadShortHead short_head_reader(const ScanPath& scan) noexcept;

}  // namespace detail
}  // namespace ringtime::http
