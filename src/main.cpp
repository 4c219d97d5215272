// The command line: reads what it needs, says what is wrong, and leaves the work to runtime.

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "base/log.h"
#include "config/packages.h"
#include "runtime/compile.h"
#include "runtime/live.h"
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
    std::string name;
    std::string role = "viewer";
    bool json = false;
    bool live = false;

    [[nodiscard]] runtime::Format format() const {
        return json ? runtime::Format::json : runtime::Format::text;
    }
};

config::Environment environment_of(const Arguments& arguments) {
    config::Environment environment = config::Environment::from_process(environ);
    if (!arguments.config_file.empty()) environment.set("RUNTIME_CONFIG", arguments.config_file);
    return environment;
}

runtime::LiveCommands live(const Arguments& arguments) {
    return runtime::LiveCommands(environment_of(arguments), arguments.format());
}

config::LoadResult load(const Arguments& arguments) {
    config::LoadResult loaded = config::load_configuration(environment_of(arguments));
    fmt::print(stderr, "{}", loaded.diagnostics.render());
    set_log_level(loaded.configuration.settings.log_level);
    return loaded;
}

int run(const Arguments& arguments) {
    config::LoadResult loaded = load(arguments);
    if (!loaded.diagnostics.ok()) return kFailed;
    return runtime::Server(environment_of(arguments), std::move(loaded.configuration)).run();
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
    if (arguments.live) return live(arguments).get("/routes");
    return with_snapshot(arguments, [&](const auto&, const exchange::Snapshot& snapshot) {
        fmt::print("{}", runtime::routes_report(snapshot, arguments.format()));
        return kGood;
    });
}

int explain(const Arguments& arguments) {
    if (arguments.live) return live(arguments).explain({arguments.method, arguments.url,
                                                        arguments.host});
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

int version(const Arguments&) {
    fmt::print("ringtime {}\n", RINGTIME_VERSION);
    return kGood;
}

constexpr const char* kFooter = R"(
Settings come from the environment; the most used:
  PORT                  8000
  RUNTIME_WORKER_DIRS   folders of apps, separated by colons
  RUNTIME_PLUGIN_DIRS   folders of plugins (./plugins)
  RUNTIME_CONFIG        a YAML file with settings and mounts
  RUNTIME_POOL_SIZE     most worker processes alive at once
  RUNTIME_DATA_DIR      the gateway's own folder: its admin socket, its keys
  RUNTIME_LOG_LEVEL     debug, info, warn, error or off

A proxy in five lines:
  mounts:
    - base: /
      upstream: http://127.0.0.1:3000
saved as proxy.yaml, and: ringtime run -c proxy.yaml

Exit status: 0 good; 1 bad configuration, a failed start, a refused request;
2 wrong usage or a forced stop.)";

constexpr const char* kBefore = "Before it runs";
constexpr const char* kRunning = "While it runs (through its admin socket)";

/// The commands and what each does.
class CommandLine {
 public:
    CommandLine() : app_("Ringtime: an edge gateway and application runtime on io_uring.",
                         "ringtime") {
        app_.require_subcommand(1);
        app_.footer(kFooter);
        app_.fallthrough();
        app_.add_option("-c,--config", arguments_.config_file,
                        "YAML file with settings and mounts (RUNTIME_CONFIG)");
        add_configuration_commands();
        add_running_commands();
        add_keys();
    }

    int run(int argc, char** argv) {
        try {
            app_.parse(argc, argv);
        } catch (const CLI::ParseError& error) {
            return app_.exit(error) == 0 ? kGood : kUsage;
        }
        return chosen_(arguments_);
    }

 private:
    using Action = int (*)(const Arguments&);

    CLI::App* add(CLI::App& parent, const char* group, const char* name, const char* about,
                  Action action) {
        CLI::App* command = parent.add_subcommand(name, about)->group(group);
        command->callback([this, action] { chosen_ = action; });
        return command;
    }
    void add_json(CLI::App* command) {
        command->add_flag("--json", arguments_.json, "As JSON");
    }
    void add_live(CLI::App* command) {
        command->add_flag("--live", arguments_.live,
                          "Of the gateway that runs, not of the files as they are now");
    }

    void add_configuration_commands() {
        add(app_, kBefore, "run", "Start the gateway; TERM or Ctrl-C drains it", ::run);
        add(app_, kBefore, "check", "Read the whole configuration and say what is wrong", check);
        auto* routes_command =
            add(app_, kBefore, "routes", "List what is mounted where", routes);
        add_json(routes_command);
        add_live(routes_command);
        auto* explain_command =
            add(app_, kBefore, "explain", "Say where a request would go, and why", explain);
        explain_command->add_option("METHOD", arguments_.method, "GET, POST, ...")->required();
        explain_command->add_option("URL", arguments_.url, "/path?query or http://host/path")
            ->required();
        explain_command->add_option("--host", arguments_.host, "Host, for a URL without one");
        add_json(explain_command);
        add_live(explain_command);
        add(app_, kBefore, "version", "Print the version", version);
    }

    void add_running_commands() {
        add_json(add(app_, kRunning, "status", "How it is doing: connections, requests, cores",
                     [](const Arguments& arguments) { return live(arguments).get("/status"); }));
        add_json(add(app_, kRunning, "plugins", "What native plugins do: calls, time, errors",
                     [](const Arguments& arguments) { return live(arguments).get("/plugins"); }));
    }

    void add_keys() {
        auto* keys = add(app_, kRunning, "keys", "List, make and remove API keys", list_keys);
        keys->require_subcommand(0, 1);
        add_json(keys);
        auto* create = keys->add_subcommand("create", "Make a key; it is shown once");
        create->add_option("NAME", arguments_.name, "Who uses it, for people")->required();
        create->add_option("--role", arguments_.role,
                           "viewer (reads), editor (and workers, apps, reload), admin (all)")
            ->check(CLI::IsMember({"viewer", "editor", "admin"}))
            ->capture_default_str();
        auto* remove = keys->add_subcommand("remove", "Remove a key");
        remove->add_option("KEY", arguments_.name, "Its id, or its name")->required();
        keys->callback([this, create, remove] {
            chosen_ = create->parsed()   ? make_key
                      : remove->parsed() ? remove_key
                                         : list_keys;
        });
    }

    static int list_keys(const Arguments& arguments) { return live(arguments).list_keys(); }
    static int make_key(const Arguments& arguments) {
        return live(arguments).create_key(arguments.name, arguments.role);
    }
    static int remove_key(const Arguments& arguments) {
        return live(arguments).remove_key(arguments.name);
    }

    CLI::App app_;
    Arguments arguments_;
    Action chosen_ = nullptr;
};

}  // namespace

int main(int argc, char** argv) { return CommandLine().run(argc, argv); }
