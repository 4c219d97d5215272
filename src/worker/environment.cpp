#include "worker/environment.h"

#include <algorithm>

namespace ringtime::worker {
namespace {

bool starts_with_any(std::string_view name, std::initializer_list<std::string_view> prefixes) {
    return std::any_of(prefixes.begin(), prefixes.end(),
                       [&](std::string_view prefix) { return name.starts_with(prefix); });
}

}  // namespace

bool is_blocked_variable(std::string_view name) noexcept {
    std::string upper(name);
    for (char& c : upper)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    std::string_view text = upper;
    // (API|AUTH|SECRET|PRIVATE)_?KEY at the beginning.
    bool key = starts_with_any(text, {"API_KEY", "APIKEY", "AUTH_KEY", "AUTHKEY", "SECRET_KEY",
                                      "SECRETKEY", "PRIVATE_KEY", "PRIVATEKEY"});
    bool vendor = starts_with_any(
        text, {"DATABASE_", "DB_", "AWS_", "GITHUB_", "OPENAI_", "ANTHROPIC_", "STRIPE_"});
    return key || vendor || text.ends_with("_TOKEN") || text.ends_with("_SECRET") ||
           text.ends_with("_PASSWORD");
}

std::vector<std::string> make_environment(const AppSpec& app, const SupervisorOptions& options,
                                          uint32_t worker, std::vector<std::string>& blocked) {
    std::vector<std::string> list{"APP_DIR=" + app.directory, "ENTRYPOINT=" + app.entrypoint,
                                  "WORKER_ID=" + std::to_string(worker)};
    auto set = [&](const std::string& name, const std::string& value) {
        std::string prefix = name + "=";
        std::erase_if(list, [&](const std::string& each) { return each.starts_with(prefix); });
        list.push_back(prefix + value);
    };
    for (const auto& [name, value] : options.environment) set(name, value);
    for (const auto& [name, value] : app.environment) {
        if (is_blocked_variable(name)) {
            blocked.push_back(name);
        } else {
            set(name, value);
        }
    }
    for (const auto& [name, value] : app.operator_environment) set(name, value);
    return list;
}

}  // namespace ringtime::worker
