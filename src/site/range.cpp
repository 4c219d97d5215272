#include "site/range.h"

#include <algorithm>
#include <optional>

#include "http/fields.h"
#include "http/syntax.h"

namespace ringtime::site {
namespace {

/// 1*DIGIT, saturating: positions beyond any file behave alike. Nothing for anything else.
std::optional<uint64_t> parse_position(std::string_view text) noexcept {
    if (text.empty()) return {};
    uint64_t value = 0;
    for (char c : text) {
        if (c < '0' || c > '9') return {};
        auto digit = static_cast<uint64_t>(c - '0');
        bool full = value > (UINT64_MAX - digit) / 10;
        value = full ? UINT64_MAX : value * 10 + digit;
    }
    return value;
}

struct Spec {
    bool valid = false;
    bool satisfiable = false;
    ByteRange range;
};

/// Precondition: size > 0.
Spec resolve_spec(std::string_view text, uint64_t size) noexcept {
    size_t dash = text.find('-');
    if (dash == std::string_view::npos) return {};
    std::string_view before = text.substr(0, dash);
    std::string_view after = text.substr(dash + 1);
    if (before.empty()) {
        auto suffix = parse_position(after);
        if (!suffix) return {};
        if (*suffix == 0) return {true, false, {}};
        return {true, true, {size - std::min(*suffix, size), size - 1}};
    }
    auto first = parse_position(before);
    if (!first) return {};
    uint64_t last = size - 1;
    if (!after.empty()) {
        auto wanted = parse_position(after);
        // A last position below the first makes the whole field invalid (§14.1.1).
        if (!wanted || *wanted < *first) return {};
        last = std::min(*wanted, size - 1);
    }
    if (*first >= size) return {true, false, {}};
    return {true, true, {*first, last}};
}

bool touch(const ByteRange& a, const ByteRange& b) noexcept {
    // last + 1 cannot wrap: positions are below a file's size.
    return a.first <= b.last + 1 && b.first <= a.last + 1;
}

/// Adds a range, swallowing every one it touches; the union stands where the earliest of them
/// stood.
void merge(RangeSet& set, ByteRange range) noexcept {
    unsigned at = set.count;
    bool grown = true;
    while (grown) {
        grown = false;
        for (unsigned i = 0; i < set.count; ++i) {
            if (!touch(set.items[i], range)) continue;
            range = {std::min(range.first, set.items[i].first),
                     std::max(range.last, set.items[i].last)};
            std::copy(set.items + i + 1, set.items + set.count, set.items + i);
            --set.count;
            at = std::min(at, i);
            grown = true;
            break;
        }
    }
    at = std::min(at, set.count);
    std::copy_backward(set.items + at, set.items + set.count, set.items + set.count + 1);
    set.items[at] = range;
    ++set.count;
}

}  // namespace

RangeSet resolve_ranges(std::string_view value, uint64_t size) noexcept {
    constexpr std::string_view unit = "bytes=";
    if (size == 0 || value.size() < unit.size() ||
        !http::equal_ignoring_case(value.substr(0, unit.size()), unit))
        return {};
    RangeSet set;
    unsigned specs = 0;
    http::ListElements elements(value.substr(unit.size()));
    for (std::string_view text; elements.next(text);) {
        Spec spec = resolve_spec(text, size);
        if (!spec.valid || ++specs > limits::ranges_max) return {};
        if (spec.satisfiable) merge(set, spec.range);
    }
    if (specs == 0) return {};
    set.kind = set.count ? RangeSet::Kind::partial : RangeSet::Kind::unsatisfiable;
    return set;
}

}  // namespace ringtime::site
