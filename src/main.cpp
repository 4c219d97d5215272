// The command line: reads what it needs, says what is wrong, and leaves the work to runtime.

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "base/log.h"
#include "config/packages.h"
#include "runtime/compile.h"
#include "runtime/report.h"
#include "runtime/server.h"

extern char** environ;

namespace {

using namespace ringtime;

constexpr int kGood = 0;
constexpr int kFailed = 1;
constexpr int kUsage = 2;

struct Arguments {
    std::string config_file;
    std::string method;
    std::string url;
    std::string host;
    bool json = false;

    [[nodiscard]] runtime::Format format() const {
        return json ? runtime::Format::json : runtime::Format::text;
    }
};

config::LoadResult load(const Arguments& arguments) {
    config::Environment environment = config::Environment::from_process(environ);
    if (!arguments.config_file.empty()) environment.set("RUNTIME_CONFIG", arguments.config_file);
    config::LoadResult loaded = config::load_configuration(environment);
    fmt::print(stderr, "{}", loaded.diagnostics.render());
    set_log_level(loaded.configuration.settings.log_level);
    return loaded;
}

int run(const Arguments& arguments) {
    config::LoadResult loaded = load(arguments);
    if (!loaded.diagnostics.ok()) return kFailed;
    return runtime::Server(std::move(loaded.configuration)).run();
}

/// Loads and compiles, as `run` would, and hands both to `use`.
template <typename Use>
int with_snapshot(const Arguments& arguments, Use&& use) {
    config::LoadResult loaded = load(arguments);
    if (!loaded.diagnostics.ok()) return kFailed;
    config::Diagnostics diagnostics;
    runtime::Compiled compiled =
        runtime::compile_configuration(loaded.configuration, 1, diagnostics);
    fmt::print(stderr, "{}", diagnostics.render());
    if (!compiled.snapshot) return kFailed;
    return use(loaded.configuration, *compiled.snapshot);
}

int check(const Arguments& arguments) {
    return with_snapshot(arguments, [](const config::Configuration& configuration, const auto&) {
        fmt::print("good: {} package{}, {} disabled\n", configuration.packages.size(),
                   configuration.packages.size() == 1 ? "" : "s", configuration.disabled.size());
        return kGood;
    });
}

int routes(const Arguments& arguments) {
    return with_snapshot(arguments, [&](const auto&, const exchange::Snapshot& snapshot) {
        fmt::print("{}", runtime::routes_report(snapshot, arguments.format()));
        return kGood;
    });
}

int explain(const Arguments& arguments) {
    return with_snapshot(arguments, [&](const config::Configuration& configuration,
                                        const exchange::Snapshot& snapshot) {
        std::string text;
        runtime::ExplainQuestion question{arguments.method, arguments.url, arguments.host};
        bool good =
            runtime::explain_report(configuration, snapshot, question, arguments.format(), text);
        fmt::print(good ? stdout : stderr, "{}{}", text, good ? "" : "\n");
        return good ? kGood : kFailed;
    });
}

constexpr const char* kFooter = R"(
Settings come from the environment; the most used:
  PORT                  8000
  RUNTIME_WORKER_DIRS   folders of apps, separated by colons
  RUNTIME_PLUGIN_DIRS   folders of plugins (./plugins)
  RUNTIME_CONFIG        a YAML file with settings and mounts
  RUNTIME_POOL_SIZE     most worker processes alive at once
  RUNTIME_LOG_LEVEL     debug, info, warn, error or off

A proxy in five lines:
  mounts:
    - base: /
      upstream: http://127.0.0.1:3000
saved as proxy.yaml, and: ringtime run -c proxy.yaml)";

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Ringtime: an edge gateway and application runtime on io_uring.", "ringtime");
    app.require_subcommand(1);
    app.footer(kFooter);
    app.fallthrough();
    Arguments arguments;
    app.add_option("-c,--config", arguments.config_file,
                   "YAML file with settings and mounts (RUNTIME_CONFIG)");

    auto* run_command = app.add_subcommand("run", "Start the gateway; TERM or Ctrl-C drains it");
    auto* check_command =
        app.add_subcommand("check", "Read the whole configuration and say what is wrong");
    auto* routes_command = app.add_subcommand("routes", "List what is mounted where");
    routes_command->add_flag("--json", arguments.json, "As JSON");
    auto* explain_command = app.add_subcommand("explain", "Say where a request would go, and why");
    explain_command->add_option("METHOD", arguments.method, "GET, POST, ...")->required();
    explain_command->add_option("URL", arguments.url, "/path?query or http://host/path")->required();
    explain_command->add_option("--host", arguments.host, "Host, for a URL without one");
    explain_command->add_flag("--json", arguments.json, "As JSON");
    auto* version_command = app.add_subcommand("version", "Print the version");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? kGood : kUsage;
    }
    if (run_command->parsed()) return run(arguments);
    if (check_command->parsed()) return check(arguments);
    if (routes_command->parsed()) return routes(arguments);
    if (explain_command->parsed()) return explain(arguments);
    if (version_command->parsed()) fmt::print("ringtime {}\n", RINGTIME_VERSION);
    return kGood;
}
