#include "worker/environment.h"

namespace ringtime::worker {
std::vector<std::string> make_environment(const AppSpec& app, const SupervisorOptions& options,
                                          uint32_t worker) {
    std::vector<std::string> list{"APP_DIR=" + app.directory, "ENTRYPOINT=" + app.entrypoint,
                                  "WORKER_ID=" + std::to_string(worker)};
    auto set = [&](const std::string& name, const std::string& value) {
        std::string prefix = name + "=";
        std::erase_if(list, [&](const std::string& each) { return each.starts_with(prefix); });
        list.push_back(prefix + value);
    };
    for (const auto& [name, value] : options.environment) set(name, value);
    for (const auto& [name, value] : app.environment) set(name, value);
    return list;
}

}  // namespace ringtime::worker
