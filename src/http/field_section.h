#pragma once
// Field lines up to the empty line (RFC 9110 §5, RFC 9112 §5): the part that requests and responses
// share. A step machine over a growing text, which it searches with one of find.h.

#include <cstddef>
#include <cstdint>

#include "base/limits.h"
#include "http/fields.h"
#include "http/refusal.h"

namespace ringtime::http {

/// Whether a name turns, once `_` is read as `-`, into one of framing, of forwarding or of the gateway's
/// own: CGI and its descendants cannot tell the two apart (RFC 3875 §4.1.18).
[[nodiscard]] bool is_alias_of_protected_field(std::string_view name) noexcept;

namespace detail {

enum class Step : uint8_t { more, next, refused };

class FieldSection {
 public:
    enum class Aliases : uint8_t { refuse, pass };

    /// `begin`: offset of the first field line, not 0.
    void start(uint32_t begin) noexcept {
        line_ = scan_ = begin;
        colon_ = 0;
    }
    /// No search of the next advance() begins before it.
    [[nodiscard]] uint32_t resume_offset() const noexcept { return scan_; }

    template <typename Finder>
    Step advance(Finder& find, const char* data, size_t size, FieldTable& table) noexcept;

    uint32_t fields_max = limits::fields_max;
    Aliases aliases = Aliases::refuse;
    Refusal refusal = Refusal::none;  ///< When refused.
    uint32_t end = 0;                 ///< When done: offset behind the empty line.

 private:
    Step refused(Refusal why) noexcept {
        refusal = why;
        return Step::refused;
    }
    Step pause(size_t line, size_t colon, size_t scan) noexcept {
        line_ = static_cast<uint32_t>(line);
        colon_ = static_cast<uint32_t>(colon);
        scan_ = static_cast<uint32_t>(scan);
        return Step::more;
    }
    /// Why the byte that ends a name is no colon, or the name is empty.
    static Refusal name_fault(char byte, size_t name_size, unsigned fields_before) noexcept;

    uint32_t line_ = 0;   ///< Where the unfinished line begins.
    uint32_t colon_ = 0;  ///< Its colon once seen; else 0, where no field's colon can stand.
    uint32_t scan_ = 0;   ///< Bytes before it need no second look.
};

/// Offsets of the value between `begin` and `end` without the blanks around it.
inline Field field_at(const char* data, size_t line, size_t colon, size_t end) noexcept {
    size_t begin = colon + 1;
    while (begin < end && (data[begin] == ' ' || data[begin] == '\t')) ++begin;
    while (end > begin && (data[end - 1] == ' ' || data[end - 1] == '\t')) --end;
    Field field;
    field.name_offset = static_cast<uint16_t>(line);
    field.name_size = static_cast<uint16_t>(colon - line);
    field.value_offset = static_cast<uint16_t>(begin);
    field.value_size = static_cast<uint16_t>(end - begin);
    field.id = intern({data + line, colon - line});
    return field;
}

template <typename Finder>
Step FieldSection::advance(Finder& find, const char* data, size_t size, FieldTable& table) noexcept {
    size_t line = line_;
    size_t colon = colon_;
    size_t scan = scan_;
    for (;;) {
        if (colon == 0) {
            if (line >= size) return pause(line, 0, scan);
            if (data[line] == '\r') {
                if (line + 1 >= size) return pause(line, 0, scan);
                if (data[line + 1] != '\n') return refused(Refusal::bare_cr);
                end = static_cast<uint32_t>(line + 2);
                return Step::next;
            }
            if (table.size() >= fields_max) return refused(Refusal::fields_too_many);
            colon = find.not_token(scan);
            if (colon >= size) return pause(line, 0, size);
            if (data[colon] != ':' || colon == line) {
                return refused(name_fault(data[colon], colon - line, table.size()));
            }
            if constexpr (!Finder::kSearchesAreIndependent) scan = colon + 1;
        }
        size_t line_end = find.not_value(scan);
        if (line_end >= size) return pause(line, colon, size);
        if (data[line_end] != '\r') {
            return refused(data[line_end] == '\n' ? Refusal::bare_lf : Refusal::field_value_byte);
        }
        if (line_end + 1 >= size) return pause(line, colon, line_end);
        if (data[line_end + 1] != '\n') return refused(Refusal::bare_cr);

        Field field = field_at(data, line, colon, line_end);
        if (field.id == FieldId::other && aliases == Aliases::refuse &&
            is_alias_of_protected_field({data + line, colon - line})) {
            return refused(Refusal::field_name_alias);
        }
        table.add(field);
        line = scan = line_end + 2;
        colon = 0;
    }
}

}  // namespace detail
}  // namespace ringtime::http
