#pragma once
// Field lines that have arrived whole and break no rule, in one pass: nearly all there are. It ends
// at the first that is unfinished, unusual or to be refused, for the careful reader of FieldSection
// to look at byte by byte. Private to the parsers.

#include <cstddef>
#include <string_view>

#include "http/fields.h"
#include "http/scan.h"

namespace ringtime::http::detail {

struct LineRules {
    unsigned fields_max;
    bool refuse_aliases;  ///< Of protected fields; requests do.
};

struct WholeLines {
    size_t end;  ///< Behind the lines that were taken.
    bool all;    ///< The empty line stands there, both bytes of it.
};

/// Adds the lines of `text` from `line` on, offsets counted from the text's beginning.
[[nodiscard]] WholeLines take_whole_lines(const ScanPath& scan, const LineRules& rules,
                                          std::string_view text, size_t line,
                                          FieldTable& table) noexcept;

}  // namespace ringtime::http::detail
