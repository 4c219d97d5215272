#include "site/validators.h"

#include <optional>

#include "http/date.h"
#include "http/syntax.h"

namespace ringtime::site {
namespace {

using http::FieldDraft;
using http::FieldId;

/// Lines of one field add up to one list (RFC 9110 §5.3).
bool any_line_holds(const FieldDraft& fields, FieldId id, std::string_view etag,
                    Comparison comparison) noexcept {
    bool found = false;
    fields.for_each([&](std::string_view, std::string_view value, FieldId field) {
        found = found || (field == id && list_holds(value, etag, comparison));
    });
    return found;
}

/// The date of a field, if it has one that can be read: §13.1.3 and §13.1.4 ignore any other.
std::optional<int64_t> date_of(const FieldDraft& fields, FieldId id, int64_t now) noexcept {
    std::string_view value = fields.get(id);
    int64_t seconds = 0;
    if (!value.data() || !http::parse_http_date(value, now, seconds)) return {};
    return seconds;
}

}  // namespace

bool list_holds(std::string_view list, std::string_view etag, Comparison comparison) noexcept {
    list = http::trim(list);
    if (list == "*") return true;
    while (!list.empty()) {
        if (list[0] == ',' || list[0] == ' ' || list[0] == '\t') {
            list.remove_prefix(1);
            continue;
        }
        bool weak = list.starts_with("W/");
        if (weak) list.remove_prefix(2);
        if (!list.starts_with('"')) return false;
        size_t end = list.find('"', 1);
        if (end == std::string_view::npos) return false;
        bool counts = !weak || comparison == Comparison::weak;
        if (counts && list.substr(0, end + 1) == etag) return true;
        list.remove_prefix(end + 1);
    }
    return false;
}

Precondition evaluate_preconditions(const FieldDraft& fields, const Validators& current,
                                    int64_t now) noexcept {
    if (fields.has(FieldId::if_match)) {
        if (!any_line_holds(fields, FieldId::if_match, current.etag, Comparison::strong))
            return Precondition::failed;
    } else if (auto date = date_of(fields, FieldId::if_unmodified_since, now);
               date && current.last_modified >= 0) {
        if (current.last_modified > *date) return Precondition::failed;
    }
    if (fields.has(FieldId::if_none_match)) {
        bool known = any_line_holds(fields, FieldId::if_none_match, current.etag, Comparison::weak);
        return known ? Precondition::not_modified : Precondition::proceed;
    }
    if (auto date = date_of(fields, FieldId::if_modified_since, now);
        date && current.last_modified >= 0 && current.last_modified <= *date)
        return Precondition::not_modified;
    return Precondition::proceed;
}

bool if_range_holds(const FieldDraft& fields, const Validators& current, int64_t now) noexcept {
    std::string_view value = fields.get(FieldId::if_range);
    if (!value.data()) return true;
    if (value.starts_with('"')) return value == current.etag;
    if (value.starts_with("W/")) return false;
    auto date = date_of(fields, FieldId::if_range, now);
    // A date is a strong validator only when the file has rested for a second since (§8.8.2.2):
    // within one second a file may change twice.
    return date && *date == current.last_modified && current.last_modified < now - 1;
}

}  // namespace ringtime::site
