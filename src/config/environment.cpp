#include "config/environment.h"

#include <cstring>

namespace ringtime::config {

Environment Environment::from_process(const char* const* entries) {
    Variables variables;
    for (; entries && *entries; ++entries) {
        const char* equals = std::strchr(*entries, '=');
        if (!equals || equals == *entries) continue;
        variables.emplace(std::string(*entries, equals), std::string(equals + 1));
    }
    return Environment(std::move(variables));
}

std::optional<std::string_view> Environment::get(std::string_view name) const {
    auto found = variables_.find(name);
    if (found == variables_.end() || found->second.empty()) return std::nullopt;
    return found->second;
}

std::vector<std::string> split_path_list(std::string_view text) {
    std::vector<std::string> parts;
    while (!text.empty()) {
        size_t colon = text.find(':');
        std::string_view part = text.substr(0, colon);
        text.remove_prefix(colon == std::string_view::npos ? text.size() : colon + 1);
        while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
        while (!part.empty() && part.back() == ' ') part.remove_suffix(1);
        if (!part.empty()) parts.emplace_back(part);
    }
    return parts;
}

}  // namespace ringtime::config
