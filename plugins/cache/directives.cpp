#include "directives.h"

#include <algorithm>
#include <ctime>
#include <string>

#include "../shared/ascii.h"

namespace cache {
namespace {

uint64_t seconds(std::string_view text) {
    if (text.size() >= 2 && text.front() == '"' && text.back() == '"')
        text = text.substr(1, text.size() - 2);
    uint64_t out = 0;
    if (text.empty()) return 0;
    for (char c : text) {
        if (c < '0' || c > '9') return 0;
        out = std::min(out * 10 + static_cast<uint64_t>(c - '0'), kSecondsMost);
    }
    return out;
}

void at_most(std::optional<uint64_t>& kept, uint64_t value) {
    kept = std::min(kept.value_or(value), value);
}

}  // namespace

void read_directives(std::string_view value, Directives& out) {
    each_member(value, [&](std::string_view member) {
        std::string name = shared::lower(member.substr(0, member.find('=')));
        std::string_view argument =
            name.size() < member.size() ? member.substr(name.size() + 1) : std::string_view();
        if (name == "no-store") out.no_store = true;
        // With names of fields these are about those only; the stricter reading is allowed.
        if (name == "no-cache") out.no_cache = true;
        if (name == "private") out.is_private = true;
        if (name == "public") out.is_public = true;
        if (name == "must-revalidate") out.must_revalidate = true;
        if (name == "only-if-cached") out.only_if_cached = true;
        if (name == "max-age") at_most(out.max_age, seconds(argument));
        if (name == "s-maxage") at_most(out.shared_max_age, seconds(argument));
        if (name == "min-fresh")
            out.min_fresh = std::max(out.min_fresh.value_or(0), seconds(argument));
    });
}

std::optional<int64_t> parse_date(std::string_view text) {
    std::tm parts{};
    std::string zeroed(text);
    const char* end = strptime(zeroed.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    if (!end || *end != 0 || zeroed.size() != text.size()) return std::nullopt;
    return timegm(&parts);
}

}  // namespace cache
