// Whatever a request says about codings, versions and ranges: the coding chosen is one there is, a
// condition that is decided does not depend on one it overrides, and an independent reading of tag
// lists agrees. The input is field lines, one per line of text; its first byte says which codings
// there are.

#include <cctype>
#include <string>
#include <vector>

#include "check.h"
#include "site/negotiate.h"
#include "site/range.h"
#include "site/validators.h"

namespace {

using namespace ringtime;
using namespace ringtime::site;
using http::FieldId;

constexpr int64_t kNow = 1'700'000'000;

/// Fields as a parser would leave them.
class Request {
  public:
    explicit Request(std::string_view text) : text_(text) {
        table_.base = text_.data();
        size_t begin = 0;
        while (begin < text_.size() && table_.size() < 16) {
            size_t end = std::min(text_.find('\n', begin), text_.size());
            add(begin, end);
            begin = end + 1;
        }
        draft_.begin(table_);
    }
    http::FieldDraft& fields() { return draft_; }

  private:
    void add(size_t begin, size_t end) {
        size_t colon = text_.find(": ", begin);
        if (colon >= end || colon == begin) return;
        http::Field field;
        field.id = http::intern(std::string_view(text_).substr(begin, colon - begin));
        field.name_offset = static_cast<uint16_t>(begin);
        field.name_size = static_cast<uint16_t>(colon - begin);
        field.value_offset = static_cast<uint16_t>(colon + 2);
        field.value_size = static_cast<uint16_t>(end - colon - 2);
        table_.add(field);
    }

    std::string text_;
    http::FieldTable table_;
    http::FieldDraft draft_;
};

/// RFC 9110 §8.8.3 read letter by letter: tags up to the first mistake.
bool reference_holds(std::string_view list, std::string_view etag, bool strong) {
    size_t at = 0;
    auto skip = [&] {
        while (at < list.size() && (list[at] == ' ' || list[at] == '\t')) ++at;
    };
    skip();
    std::string_view rest = list.substr(at);
    while (!rest.empty() && (rest.back() == ' ' || rest.back() == '\t')) rest.remove_suffix(1);
    if (rest == "*") return true;
    for (;;) {
        skip();
        if (at == list.size()) return false;
        if (list[at] == ',') {
            ++at;
            continue;
        }
        bool weak = list.substr(at, 2) == "W/";
        at += weak ? 2 : 0;
        if (at == list.size() || list[at] != '"') return false;
        size_t end = list.find('"', at + 1);
        if (end == std::string_view::npos) return false;
        if (list.substr(at, end - at + 1) == etag && !(weak && strong)) return true;
        at = end + 1;
    }
}

void check_codings(Request& request, CodingSet available) {
    AcceptedCodings accepted(request.fields());
    Coding chosen = accepted.best_of(available);
    CodingSet alone = coding_bit(Coding::identity) | coding_bit(chosen);
    CHECK((available | coding_bit(Coding::identity)) & coding_bit(chosen));
    // What was not chosen does not matter.
    CHECK(accepted.best_of(alone) == chosen);
    CHECK(accepted.best_of(coding_bit(Coding::identity)) == Coding::identity);
    if (!request.fields().has(FieldId::accept_encoding)) CHECK(chosen == Coding::identity);
}

void check_conditions(Request& request) {
    constexpr std::string_view tag = "\"b-1\"";
    const Validators current{tag, 784111777};
    http::FieldDraft& fields = request.fields();
    fields.for_each([&](std::string_view, std::string_view value, FieldId) {
        bool strong = list_holds(value, tag, Comparison::strong);
        bool weak = list_holds(value, tag, Comparison::weak);
        CHECK(!strong || weak);
        CHECK(strong == reference_holds(value, tag, true));
        CHECK(weak == reference_holds(value, tag, false));
    });
    Precondition verdict = evaluate_preconditions(fields, current, kNow);
    bool holds = if_range_holds(fields, current, kNow);
    if (fields.get(FieldId::if_range) == tag) CHECK(holds);
    RangeSet ranges = resolve_ranges(fields.get(FieldId::range), 1000);
    CHECK(ranges.count <= site::limits::ranges_max);
    // If-Match and If-None-Match take the place of their dates (RFC 9110 §13.2.2).
    if (fields.has(FieldId::if_match)) fields.remove(FieldId::if_unmodified_since);
    if (fields.has(FieldId::if_none_match)) fields.remove(FieldId::if_modified_since);
    CHECK(evaluate_preconditions(fields, current, kNow) == verdict);
    bool conditional = fields.has(FieldId::if_match) || fields.has(FieldId::if_none_match) ||
                       fields.has(FieldId::if_modified_since) ||
                       fields.has(FieldId::if_unmodified_since);
    if (!conditional) CHECK(verdict == Precondition::proceed);
    (void)wants_html(fields);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0 || size > 4096) return 0;
    Request request(fuzz::text_of(data + 1, size - 1));
    check_codings(request, static_cast<CodingSet>((data[0] & 15) | 1));
    check_conditions(request);
    return 0;
}
