// The command line: reads what it needs, says what is wrong, and leaves the work to runtime.

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "base/log.h"
#include "config/packages.h"
#include "runtime/server.h"

extern char** environ;

namespace {

using namespace ringtime;

constexpr int kGood = 0;
constexpr int kFailed = 1;
constexpr int kUsage = 2;

struct Arguments {
    std::string config_file;
    std::string log_level;
};

config::Environment environment_with(const Arguments& arguments) {
    config::Environment environment = config::Environment::from_process(environ);
    if (!arguments.config_file.empty()) environment.set("RUNTIME_CONFIG", arguments.config_file);
    if (!arguments.log_level.empty()) environment.set("RUNTIME_LOG_LEVEL", arguments.log_level);
    return environment;
}

int run(const Arguments& arguments) {
    config::LoadResult loaded = config::load_configuration(environment_with(arguments));
    if (!loaded.diagnostics.list().empty()) fmt::print(stderr, "{}", loaded.diagnostics.render());
    if (!loaded.diagnostics.ok()) return kFailed;
    set_log_level(loaded.configuration.settings.log_level);
    return runtime::Server(std::move(loaded.configuration)).run();
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Ringtime, an edge gateway and application runtime on io_uring.", "ringtime");
    app.require_subcommand(1);
    Arguments arguments;
    app.add_option("-c,--config", arguments.config_file, "YAML file with settings and mounts (RUNTIME_CONFIG)");
    app.add_option("--log-level", arguments.log_level, "debug, info, warn, error or off (RUNTIME_LOG_LEVEL)");
    app.fallthrough();
    CLI::App* run_command = app.add_subcommand("run", "Start the gateway; TERM or Ctrl-C drains it");
    CLI::App* version_command = app.add_subcommand("version", "Print the version");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        int code = app.exit(error);
        return code == 0 ? kGood : kUsage;
    }
    if (version_command->parsed()) {
        fmt::print("ringtime {}\n", RINGTIME_VERSION);
        return kGood;
    }
    if (run_command->parsed()) return run(arguments);
    return kUsage;
}
