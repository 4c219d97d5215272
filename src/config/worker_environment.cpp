#include "config/worker_environment.h"

#include <algorithm>
#include <array>

namespace ringtime::config {
namespace {

char upper(char c) noexcept { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }

bool starts_with(std::string_view name, std::string_view upper_prefix) noexcept {
    if (name.size() < upper_prefix.size()) return false;
    return std::equal(upper_prefix.begin(), upper_prefix.end(), name.begin(),
                      [](char expected, char c) { return expected == upper(c); });
}

bool ends_with(std::string_view name, std::string_view upper_suffix) noexcept {
    return name.size() >= upper_suffix.size() &&
           starts_with(name.substr(name.size() - upper_suffix.size()), upper_suffix);
}

}  // namespace

bool is_sensitive_name(std::string_view name) noexcept {
    static constexpr std::array<std::string_view, 7> owners{
        "DATABASE_", "DB_", "AWS_", "GITHUB_", "OPENAI_", "ANTHROPIC_", "STRIPE_"};
    static constexpr std::array<std::string_view, 3> endings{"_TOKEN", "_SECRET", "_PASSWORD"};
    static constexpr std::array<std::string_view, 4> keys{"API", "AUTH", "SECRET", "PRIVATE"};
    for (std::string_view prefix : owners) {
        if (starts_with(name, prefix)) return true;
    }
    for (std::string_view suffix : endings) {
        if (ends_with(name, suffix)) return true;
    }
    for (std::string_view key : keys) {
        if (!starts_with(name, key)) continue;
        std::string_view rest = name.substr(key.size());
        if (starts_with(rest, "KEY") || starts_with(rest, "_KEY")) return true;
    }
    return false;
}

bool is_gateway_variable(std::string_view name) noexcept {
    static constexpr std::array<std::string_view, 9> own{"APP_DIR",
                                                         "ENTRYPOINT",
                                                         "NODE_ENV",
                                                         "RUNTIME_API_URL",
                                                         "RUNTIME_LOG_LEVEL",
                                                         "RUNTIME_PLUGIN_DIRS",
                                                         "RUNTIME_WORKER_DIRS",
                                                         "WORKER_CONFIG",
                                                         "WORKER_ID"};
    return std::find(own.begin(), own.end(), name) != own.end();
}

bool is_variable_name(std::string_view name) noexcept {
    if (name.empty() || (name.front() >= '0' && name.front() <= '9')) return false;
    return std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               c == '_';
    });
}

FilteredEnvironment filter_worker_environment(const Variables& wanted) {
    FilteredEnvironment result;
    for (const auto& variable : wanted) {
        if (is_sensitive_name(variable.first)) {
            result.blocked.push_back(variable.first);
        } else {
            result.kept.push_back(variable);
        }
    }
    return result;
}

}  // namespace ringtime::config
