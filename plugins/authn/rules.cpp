#include "rules.h"

#include <algorithm>

namespace authn {
namespace {

/// The 3 characters at `at` are an escape of `/` or `\`.
bool is_separator_escape(std::string_view path, size_t at) {
    if (path[at] != '%' || at + 2 >= path.size()) return false;
    char high = path[at + 1];
    char low = path[at + 2];
    return (high == '2' && (low == 'F' || low == 'f')) ||
           (high == '5' && (low == 'C' || low == 'c'));
}

bool has_separator_escape(std::string_view path) {
    for (size_t at = path.find('%'); at != path.npos; at = path.find('%', at + 1)) {
        if (is_separator_escape(path, at)) return true;
    }
    return false;
}

bool shares(const std::vector<std::string>& one, const std::vector<std::string>& other) {
    return std::any_of(one.begin(), one.end(), [&](const std::string& role) {
        return std::find(other.begin(), other.end(), role) != other.end();
    });
}

}  // namespace

std::string decoded_separators(std::string_view path) {
    std::string plain;
    for (size_t at = 0; at < path.size(); ++at) {
        bool escape = is_separator_escape(path, at);
        plain += escape ? '/' : path[at];
        if (escape) at += 2;
    }
    std::string out;
    for (size_t at = 0; at < plain.size();) {
        size_t end = std::min(plain.find('/', at + 1), plain.size());
        std::string_view segment = std::string_view(plain).substr(at, end - at);
        if (segment == "/..") {
            out.resize(out.empty() ? 0 : out.rfind('/'));
        } else if (segment != "/." && (segment != "/" || end == plain.size())) {
            out += segment;
        }
        at = end;
    }
    return out.empty() ? "/" : out;
}

Rules::Answer Rules::ask(std::string_view path, std::string_view method,
                         const Identity* identity) const {
    Answer answer = ask_once(path, method, identity);
    if (answer != Answer::yes || !has_separator_escape(path)) return answer;
    return ask_once(decoded_separators(path), method, identity);
}

Rules::Answer Rules::ask_once(std::string_view path, std::string_view method,
                              const Identity* identity) const {
    for (const Rule& rule : rules_) {
        if (!rule.where.holds(path, method)) continue;
        if (rule.access == Access::anyone) return Answer::yes;
        if (rule.access == Access::nobody) return Answer::no;
        if (!identity) return Answer::who_are_you;
        bool may = rule.roles.empty() || shares(rule.roles, identity->roles);
        return may ? Answer::yes : Answer::no;
    }
    return identity ? Answer::yes : Answer::who_are_you;
}

}  // namespace authn
