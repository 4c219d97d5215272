// The command line: reads what it needs, says what is wrong, and leaves the work to runtime.

#include <fmt/core.h>

#include <CLI/CLI.hpp>

#include "base/log.h"
#include "config/packages.h"
#include "config/words.h"
#include "runtime/compile.h"
#include "runtime/live.h"
#include "runtime/report.h"
#include "runtime/scaffold.h"
#include "runtime/scaffold_app.h"
#include "runtime/scaffold_plugin.h"
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
    std::string path;
    std::string output;
    std::string version;
    bool dry_run = false;
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

/// The folder alone is served: beside it there may be packages of the other kind.
void say_ready(std::string_view name, std::string_view build, std::string_view variable) {
    if (runtime::find_sdk_headers().empty())
        fmt::print(
            "The SDK's headers are not where this program is: pkg-config has to know them, or\n"
            "CXXFLAGS to say where they are (-I FOLDER).\n");
    fmt::print(
        "{0}/ is ready. Build it, serve it, ask it:\n"
        "    {1}\n"
        "    {2}=./{0} ringtime run\n"
        "    curl localhost:8000/{0}/hello/you\n",
        name, build, variable);
}

int make_app(const Arguments& arguments) {
    std::string problem;
    if (!runtime::scaffold_app(arguments.name, problem)) {
        fmt::print(stderr, "{}\n", problem);
        return kFailed;
    }
    say_ready(arguments.name, fmt::format("make -C {}", arguments.name), "RUNTIME_WORKER_DIRS");
    return kGood;
}

int make_plugin(const Arguments& arguments) {
    std::string problem;
    if (!runtime::scaffold_plugin(arguments.name, problem)) {
        fmt::print(stderr, "{}\n", problem);
        return kFailed;
    }
    say_ready(arguments.name,
              fmt::format("meson setup {0}/build {0} && meson compile -C {0}/build",
                          arguments.name),
              "RUNTIME_PLUGIN_DIRS");
    return kGood;
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

A whole proxy:
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
        app_.fallthrough();
        app_.add_option("-c,--config", arguments_.config_file,
                        "YAML file with settings and mounts (RUNTIME_CONFIG)");
        add_configuration_commands();
        add_running_commands();
        add_keys();
        app_.footer(kFooter);  // Last: sub-commands made later would show it as well.
    }

    int run(int argc, char** argv) {
        try {
            app_.parse(argc, argv);
        } catch (const CLI::ExtrasError& error) {
            return say_choices() ? kUsage : app_.exit(error) == 0 ? kGood : kUsage;
        } catch (const CLI::ParseError& error) {
            return app_.exit(error) == 0 ? kGood : kUsage;
        }
        if (chosen_) return chosen_(arguments_);
        (void)say_choices();
        return kUsage;
    }

 private:
    using Action = int (*)(const Arguments&);

    /// Where a command was to be chosen and none of those there are was: says which there are.
    /// False where there is nothing to choose.
    [[nodiscard]] bool say_choices() const {
        const CLI::App* parent = &app_;
        std::string path = "ringtime";
        while (!parent->get_subcommands().empty()) {
            parent = parent->get_subcommands().front();
            path += " " + parent->get_name();
        }
        std::vector<std::string> names;
        for (const CLI::App* one : parent->get_subcommands(nullptr))
            names.push_back(one->get_name());
        if (names.empty()) return false;
        std::vector<std::string_view> words(names.begin(), names.end());
        std::vector<std::string> given = parent->remaining(true);
        if (given.empty()) given = app_.remaining();
        std::string said = "a command is missing";
        if (!given.empty()) {
            if (given.front().starts_with('-')) return false;
            said = fmt::format("there is no command {}", config::quote(given.front()));
            if (auto closest = config::closest_word(given.front(), words); !closest.empty())
                said += fmt::format("; did you mean \"{}\"?", closest);
        }
        fmt::print(stderr, "{0}: {1}\nCommands: {2}. `{0} --help` says what each does.\n", path,
                   said, config::joined(words, ", "));
        return true;
    }

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
        add(app_, kBefore, "check",
            "Read the whole configuration and say what is wrong; plugins are not loaded, workers "
            "not started",
            check);
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
        CLI::App* pack = add(app_, kBefore, "pack", "Make the archive of a package, to upload",
                             [](const Arguments& arguments) {
                                 return runtime::pack_command(arguments.path, arguments.output);
                             });
        pack->add_option("FOLDER", arguments_.path, "With a manifest.yaml")->required();
        pack->add_option("-o,--output", arguments_.output, "File; default: NAME.tar.gz here");
        auto* make = app_.add_subcommand("new", "Make a package that builds and runs as it is")
                         ->group(kBefore);
        add(*make, kBefore, "app", "A worker app in C++", make_app)
            ->add_option("NAME", arguments_.name, "Its name, and its folder")
            ->required();
        add(*make, kBefore, "plugin", "A native plugin in C++, with a test", make_plugin)
            ->add_option("NAME", arguments_.name, "Its name, and its folder")
            ->required();
        add(app_, kBefore, "version", "Print the version", version);
    }

    void add_running_commands() {
        add_json(add(app_, kRunning, "status", "How it is doing: connections, requests, cores",
                     [](const Arguments& arguments) { return live(arguments).get("/status"); }));
        add_json(add(app_, kRunning, "upstreams", "Servers behind it: state, requests, failures",
                     [](const Arguments& arguments) { return live(arguments).get("/upstreams"); }));
        auto* reload = add(app_, kRunning, "reload",
                           "Read the configuration again; what is wrong leaves the old serving",
                           [](const Arguments& arguments) {
                               return live(arguments).change(
                                   "POST", "/reload", arguments.dry_run ? "dryRun=1" : "", {});
                           });
        reload->add_flag("--dry-run", arguments_.dry_run, "Only say what would change");
        add_json(reload);
        add_workers();
        add_packages<Door::apps>("Apps: upload, switch, remove");
        add_packages<Door::plugins>("Plugins and what they do: calls, time, errors");
    }

    enum class Door : uint8_t { apps, plugins };
    static constexpr const char* door_name(Door door) {
        return door == Door::apps ? "apps" : "plugins";
    }

    /// A command with sub-commands, of which none means the list.
    CLI::App* add_noun(const char* name, const char* about, Action list) {
        CLI::App* noun = add(app_, kRunning, name, about, nullptr);
        noun->require_subcommand(0, 1);
        noun->callback([this, list] { chosen_ = chosen_ ? chosen_ : list; });
        add_json(noun);
        return noun;
    }
    /// Its callback comes before that of the noun, which finds that something is chosen.
    CLI::App* add_verb(CLI::App* noun, const char* name, const char* about, Action action) {
        CLI::App* verb = noun->add_subcommand(name, about);
        verb->callback([this, action] { chosen_ = action; });
        return verb;
    }

    void add_workers() {
        CLI::App* workers = add_noun(
            "workers", "Worker processes; restart or drain one, or an app's",
            [](const Arguments& arguments) { return live(arguments).get("/workers"); });
        add_verb(workers, "restart", "Start replacements, then drain what they replace",
                 [](const Arguments& arguments) {
                     return live(arguments).act("workers", arguments.name, "restart");
                 })
            ->add_option("WORKER", arguments_.name, "ID from the list, or an app: its name or base")
            ->required();
        add_verb(workers, "drain", "Let it finish its requests and end",
                 [](const Arguments& arguments) {
                     return live(arguments).act("workers", arguments.name, "drain");
                 })
            ->add_option("WORKER", arguments_.name, "ID from the list, or an app: its name or base")
            ->required();
    }

    template <Door door>
    void add_packages(const char* about) {
        static constexpr const char* name = door_name(door);
        CLI::App* packages = add_noun(name, about, [](const Arguments& arguments) {
            return live(arguments).get(door == Door::apps ? "/apps" : "/plugins");
        });
        add_verb(packages, "upload", "Install or replace one",
                 [](const Arguments& arguments) {
                     return live(arguments).upload(name, arguments.path);
                 })
            ->add_option("PATH", arguments_.path, ".tar.gz, .zip, or a folder")
            ->required();
        CLI::App* remove =
            add_verb(packages, "remove", "Remove one", [](const Arguments& arguments) {
                return live(arguments).remove(name, arguments.name, arguments.version);
            });
        remove->add_option("NAME", arguments_.name)->required();
        if (door == Door::apps)
            remove->add_option("--version", arguments_.version, "Only this one");
        add_verb(packages, "enable", "Serve it again",
                 [](const Arguments& arguments) {
                     return live(arguments).act(name, arguments.name, "enable");
                 })
            ->add_option("NAME", arguments_.name)
            ->required();
        add_verb(packages, "disable", "Keep it, and do not serve it",
                 [](const Arguments& arguments) {
                     return live(arguments).act(name, arguments.name, "disable");
                 })
            ->add_option("NAME", arguments_.name)
            ->required();
    }

    void add_keys() {
        CLI::App* keys = add_noun("keys", "API keys: list, make, remove", list_keys);
        CLI::App* create = add_verb(keys, "create", "Make a key; it is shown once", make_key);
        create->add_option("NAME", arguments_.name, "Who uses it, for people")->required();
        create->add_option("--role", arguments_.role,
                           "viewer (reads), editor (and workers, apps, reload), admin (all)")
            ->check(CLI::IsMember({"viewer", "editor", "admin"}))
            ->capture_default_str();
        add_verb(keys, "remove", "Remove a key", remove_key)
            ->add_option("KEY", arguments_.name, "Its id, or its name")
            ->required();
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
