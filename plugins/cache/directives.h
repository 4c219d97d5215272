#pragma once
// What Cache-Control says (RFC 9111 section 5.2), and how long a response may be kept by a cache
// that many share. Pure: text in, numbers out. What cannot be understood makes nothing fresher.

#include <cstdint>
#include <optional>
#include <string_view>

namespace cache {

/// Seconds of a directive; more than these are as many.
constexpr uint64_t kSecondsMost = 31'536'000;

struct Directives {
    bool no_store = false;
    bool no_cache = false;
    bool is_private = false;
    bool is_public = false;
    bool must_revalidate = false;
    bool only_if_cached = false;
    std::optional<uint64_t> max_age;
    std::optional<uint64_t> shared_max_age;
    std::optional<uint64_t> min_fresh;
};

/// A directive said twice counts in its stricter form; a number that is none is 0.
void read_directives(std::string_view value, Directives& out);

/// Seconds since 1970 of a date as section 5.6.7 of RFC 9110 prefers it; nothing for other forms.
[[nodiscard]] std::optional<int64_t> parse_date(std::string_view text);

/// Calls `visit(member)` for each member of a comma-separated list; quoted text is one.
template <typename Visit>
void each_member(std::string_view list, Visit visit) {
    while (!list.empty()) {
        size_t end = 0;
        bool quoted = false;
        for (; end < list.size() && (quoted || list[end] != ','); ++end) {
            if (quoted && list[end] == '\\') {
                ++end;
            } else if (list[end] == '"') {
                quoted = !quoted;
            }
        }
        end = end < list.size() ? end : list.size();
        std::string_view member = list.substr(0, end);
        list.remove_prefix(end < list.size() ? end + 1 : list.size());
        while (!member.empty() && (member.front() == ' ' || member.front() == '\t'))
            member.remove_prefix(1);
        while (!member.empty() && (member.back() == ' ' || member.back() == '\t'))
            member.remove_suffix(1);
        if (!member.empty()) visit(member);
    }
}

}  // namespace cache
