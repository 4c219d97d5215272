#include "config/settings.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include "config/manifest.h"
#include "config/values.h"
#include "config/words.h"
#include "config/yaml_reader.h"

namespace ringtime::config {
namespace {

constexpr std::string_view kEnvironmentFile = "environment";
constexpr uint64_t kHour = 3'600'000;
constexpr size_t kListenersMax = 64;

/// One setting as it was found: in the environment, or at a node of the file.
struct Found {
    const FileContext* context = nullptr;
    std::string label;
    std::string text;
    Position at;
    const YamlNode* node = nullptr;  ///< Null when the environment had it.

    [[nodiscard]] ValueText value() const { return {label, text, at}; }
    void error(std::string_view what, std::string remedy) const {
        context->diagnostics.error(context->file, at, about(label, what), std::move(remedy));
    }
};

/// Looks settings up by both of their names; the environment wins over the file.
class SettingSources {
  public:
    SettingSources(const Environment& environment, MapReader& file, Diagnostics& diagnostics)
        : environment_(environment),
          file_(file),
          environment_context_{kEnvironmentFile, diagnostics} {}

    /// `key` is the name inside the file, where the variable's own name is accepted too.
    std::optional<Found> find(std::string_view variable, std::string_view key) {
        const YamlNode* by_key = file_.take(key);
        const YamlNode* by_variable = file_.take(variable);
        if (by_key && by_variable) {
            file_.error(by_variable->at, variable, fmt::format("is set as \"{}\" too", key),
                        "keep one of the two");
        }
        if (auto text = environment_.get(variable)) {
            return Found{
                &environment_context_, std::string(variable), std::string(*text), {}, nullptr};
        }
        const YamlNode* node = by_key ? by_key : by_variable;
        if (!node) return std::nullopt;
        std::string_view name = by_key ? key : variable;
        return Found{&file_.context(), std::string(name), node->text, node->at, node};
    }

    /// As find(), for settings that are one value.
    std::optional<Found> find_value(std::string_view variable, std::string_view key) {
        auto found = find(variable, key);
        if (!found || !found->node || found->node->kind == YamlNode::Kind::scalar) return found;
        found->error(fmt::format("is {}", describe(found->node->kind)), "expected one value");
        return std::nullopt;
    }

    /// As find(), in parts: one text is split at any of `separators`, a list of the file is split
    /// already.
    std::vector<Found> find_list(std::string_view variable, std::string_view key,
                                 std::string_view separators) {
        std::vector<Found> parts;
        auto found = find(variable, key);
        if (!found) return parts;
        auto add = [&](std::string_view text, Position at) {
            size_t begin = text.find_first_not_of(" \t");
            if (begin == std::string_view::npos) return false;
            text = text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
            parts.push_back({found->context, found->label, std::string(text), at, found->node});
            return true;
        };
        if (found->node && found->node->kind != YamlNode::Kind::scalar) {
            for (const auto& item : read_texts(*found->context, found->label, *found->node)) {
                if (add(*item, item.at)) continue;
                found->at = item.at;
                found->error("an item is empty", "remove it");
            }
            return parts;
        }
        std::string_view text = found->text;
        for (size_t begin = 0; begin <= text.size();) {
            size_t end = std::min(text.find_first_of(separators, begin), text.size());
            add(text.substr(begin, end - begin), found->at);
            begin = end + 1;
        }
        return parts;
    }

    [[nodiscard]] const Environment& environment() const noexcept { return environment_; }
    [[nodiscard]] MapReader& file() noexcept { return file_; }

  private:
    const Environment& environment_;
    MapReader& file_;
    FileContext environment_context_;
};

constexpr std::array<std::string_view, 4> kEnvNames{"development", "staging", "production", "test"};
constexpr std::array<size_t, 4> kPoolSizes{10, 50, 500, 5};

std::string directory_of(std::string_view path) {
    size_t slash = path.rfind('/');
    if (slash == std::string_view::npos) return ".";
    return slash == 0 ? "/" : std::string(path.substr(0, slash));
}

void read_env(SettingSources& sources, Settings& settings) {
    auto found = sources.find_value("RUNTIME_ENV", "env");
    if (!found) {
        // Other tools set NODE_ENV to words of their own; those mean nothing here.
        auto node_env = sources.environment().get("NODE_ENV");
        for (size_t i = 0; node_env && i < kEnvNames.size(); ++i) {
            if (kEnvNames[i] == *node_env) settings.env = static_cast<RuntimeEnv>(i);
        }
    } else if (auto index = check_choice(*found->context, found->value(), kEnvNames)) {
        settings.env = static_cast<RuntimeEnv>(*index);
    }
    settings.pool_size = kPoolSizes[static_cast<size_t>(settings.env)];
    settings.log_level = settings.env == RuntimeEnv::development ? LogLevel::debug : LogLevel::info;
}

void read_log_level(SettingSources& sources, Settings& settings) {
    static constexpr std::array<std::string_view, 5> names{"debug", "info", "warn", "error", "off"};
    if (auto found = sources.find_value("RUNTIME_LOG_LEVEL", "logLevel")) {
        auto index = check_choice(*found->context, found->value(), names);
        if (index) settings.log_level = static_cast<LogLevel>(*index);
    }
}

template <typename Number>
void read_number(SettingSources& sources, std::string_view variable, std::string_view key,
                 Range range, Number& out) {
    auto found = sources.find_value(variable, key);
    if (!found) return;
    auto number = check_unsigned(*found->context, found->value(), range);
    if (number) out = static_cast<Number>(*number);
}

void read_duration(SettingSources& sources, std::string_view variable, std::string_view key,
                   Range range, uint64_t& out) {
    auto found = sources.find_value(variable, key);
    if (!found) return;
    if (auto number = check_duration(*found->context, found->value(), range)) out = *number;
}

/// `4` is a count; `0-3,6` and `2,` are CPUs.
std::optional<Cores> parse_cores(std::string_view text) {
    Cores cores;
    if (auto count = parse_unsigned(text)) {
        if (*count == 0 || *count > limits::cores_max) return std::nullopt;
        cores.count = *count;
        return cores;
    }
    while (!text.empty()) {
        std::string_view part = text.substr(0, text.find(','));
        text.remove_prefix(std::min(text.size(), part.size() + 1));
        size_t dash = part.find('-');
        auto first = parse_unsigned(part.substr(0, dash));
        auto last = dash == std::string_view::npos ? first : parse_unsigned(part.substr(dash + 1));
        if (!first || !last || *first > *last || *last >= 1024) return std::nullopt;
        for (uint64_t cpu = *first; cpu <= *last; ++cpu) {
            auto number = static_cast<unsigned>(cpu);
            bool twice =
                std::find(cores.cpus.begin(), cores.cpus.end(), number) != cores.cpus.end();
            if (twice || cores.cpus.size() == limits::cores_max) return std::nullopt;
            cores.cpus.push_back(number);
        }
    }
    if (cores.cpus.empty()) return std::nullopt;
    return cores;
}

void read_cores(SettingSources& sources, Settings& settings) {
    auto found = sources.find_value("RUNTIME_CORES", "cores");
    if (!found) return;
    if (auto cores = parse_cores(found->text)) {
        settings.cores = std::move(*cores);
        return;
    }
    found->error(fmt::format("{} is neither a count nor a list of CPUs", quote(found->text)),
                 fmt::format("write a count (1 to {}) or CPUs (0-3,6)", limits::cores_max));
}

void add_listen(const Found& found, ProxyProtocol proxy, Settings& settings) {
    auto listen = parse_listen(found.text);
    if (!listen) {
        found.error(fmt::format("{} is not an address to listen on", quote(found.text)),
                    "expected addr:port, [v6]:port, *:port or unix:/path, with a numeric address");
        return;
    }
    listen->proxy_protocol = proxy != ProxyProtocol::off;
    if (settings.listen.size() == kListenersMax) {
        found.error(fmt::format("more than {} listeners", kListenersMax), "");
        return;
    }
    for (const ListenAddress& other : settings.listen) {
        if (listen_text(other) != listen_text(*listen)) continue;
        found.error(fmt::format("{} stands here a second time", quote(found.text)), "remove one");
        return;
    }
    settings.listen.push_back(std::move(*listen));
}

/// A listener of the file written as a map: `{address: "*:80", proxyProtocol: true}`.
void add_listen_map(const Found& list, const YamlNode& node, Settings& settings) {
    MapReader map(node, list.label, *list.context);
    Located<std::string> address;
    Located<bool> proxy;
    map.text("address", address, Need::required);
    map.boolean("proxyProtocol", proxy);
    map.finish();
    if (!address.given()) return;
    add_listen({list.context, list.label, address.value, address.at, &node},
               *proxy ? ProxyProtocol::v2 : ProxyProtocol::off, settings);
}

void read_listen(SettingSources& sources, Settings& settings) {
    auto found = sources.find("RUNTIME_LISTEN", "listen");
    bool with_maps = found && found->node && found->node->kind == YamlNode::Kind::sequence &&
                     std::any_of(found->node->items.begin(), found->node->items.end(),
                                 [](auto& item) { return item.kind == YamlNode::Kind::map; });
    if (with_maps) {
        for (const YamlNode& item : found->node->items) {
            if (item.kind == YamlNode::Kind::map) {
                add_listen_map(*found, item, settings);
            } else {
                add_listen({found->context, found->label, item.text, item.at, &item},
                           ProxyProtocol::off, settings);
            }
        }
    } else {
        for (const Found& part : sources.find_list("RUNTIME_LISTEN", "listen", " \t\n")) {
            add_listen(part, ProxyProtocol::off, settings);
        }
    }
    if (settings.listen.empty()) {
        ListenAddress every;
        every.port = settings.port;
        settings.listen.push_back(std::move(every));
    }
}

std::vector<std::string> read_folders(SettingSources& sources, std::string_view variable,
                                      std::string_view key, const std::string& config_file) {
    std::vector<std::string> folders;
    for (const Found& part : sources.find_list(variable, key, ":")) {
        bool beside_the_file = part.node && part.text.front() != '/';
        folders.push_back(beside_the_file ? directory_of(config_file) + "/" + part.text
                                          : part.text);
    }
    return folders;
}

/// One network, or IPv4 networks joined by `:` as lists of the environment usually are.
bool add_networks(std::string_view text, std::vector<Cidr>& out) {
    if (auto network = parse_cidr(text)) {
        out.push_back(*network);
        return true;
    }
    std::vector<Cidr> networks;
    for (const std::string& part : split_path_list(text)) {
        auto network = parse_cidr(part);
        if (!network) return false;
        networks.push_back(*network);
    }
    out.insert(out.end(), networks.begin(), networks.end());
    return !networks.empty();
}

void read_trusted(SettingSources& sources, Settings& settings) {
    // IPv6 needs its colons itself, so spaces and commas part networks too.
    for (const Found& part :
         sources.find_list("RUNTIME_TRUSTED_PROXIES", "trustedProxies", " ,\t\n")) {
        if (part.text == "unix") {
            settings.trust_local_sockets = true;
        } else if (!add_networks(part.text, settings.trusted_proxies)) {
            part.error(fmt::format("{} is not a network", quote(part.text)),
                       "expected an address or a network without bits behind its prefix "
                       "(10.0.0.0/8, fd00::/8), or unix");
        }
    }
}

void read_resolvers(SettingSources& sources, Settings& settings) {
    for (const Found& part : sources.find_list("RUNTIME_RESOLVER", "resolver", " ,\t\n")) {
        auto address = parse_listen(part.text);
        bool good = parse_ip(part.text) || (address && address->kind == ListenAddress::Kind::ip &&
                                            address->port != 0);
        if (good) {
            settings.resolvers.push_back(part.text);
        } else {
            part.error(fmt::format("{} is not a name server", quote(part.text)),
                       "expected an address, addr:port or [v6]:port");
        }
    }
}

void read_api_prefix(SettingSources& sources, Settings& settings) {
    auto found = sources.find_value("RUNTIME_API_PREFIX", "apiPrefix");
    if (!found || found->text == "/") return;
    if (is_base(found->text)) {
        settings.api_prefix = found->text;
        return;
    }
    found->error(fmt::format("{} is not a path prefix", quote(found->text)),
                 "expected segments of letters, digits and ._~@- behind slashes, such as /_");
}

void read_data_dir(SettingSources& sources, const std::string& config_file, Settings& settings) {
    auto state_home = sources.environment().get("XDG_STATE_HOME");
    settings.data_dir =
        state_home ? std::string(*state_home) + "/ringtime" : std::string("/var/lib/ringtime");
    auto found = sources.find_value("RUNTIME_DATA_DIR", "dataDir");
    if (!found) return;
    bool beside_the_file = found->node && !found->text.empty() && found->text.front() != '/';
    settings.data_dir =
        beside_the_file ? directory_of(config_file) + "/" + found->text : found->text;
}

void read_access_log(SettingSources& sources, Settings& settings) {
    auto found = sources.find_value("RUNTIME_ACCESS_LOG", "accessLog");
    using Kind = AccessLog::Kind;
    if (!found) {
        // A line per request is of level info: who asks for less gets none, unless it is named.
        if (settings.log_level > LogLevel::info) settings.access_log.kind = Kind::off;
        return;
    }
    if (found->text == "off") {
        settings.access_log = {Kind::off, {}};
    } else if (found->text == "stdout") {
        settings.access_log = {Kind::standard_output, {}};
    } else if (found->text == "stderr") {
        settings.access_log = {Kind::standard_error, {}};
    } else if (found->text.find('/') != std::string::npos) {
        settings.access_log = {Kind::file, found->text};
    } else {
        found->error(fmt::format("{} is unknown", quote(found->text)),
                     "expected stdout, stderr, off or a path with a slash");
    }
}

void read_limits(SettingSources& sources, Settings& settings) {
    const YamlNode* node = sources.file().take("limits");
    if (!node) return;
    MapReader map(*node, "limits", sources.file().context());
    auto size = [&](std::string_view key, uint64_t& out, Range range) {
        Located<uint64_t> value;
        if (map.size(key, value, range)) out = *value;
    };
    auto number = [&](std::string_view key, uint64_t& out, Range range) {
        Located<uint64_t> value;
        if (map.number(key, value, range)) out = *value;
    };
    ConfiguredLimits& to = settings.limits;
    size("head", to.head_bytes, {1024, limits::head_bytes_max});
    size("target", to.target_bytes, {256, limits::target_bytes_max});
    number("fields", to.fields, {10, limits::fields_max});
    size("body", to.body_bytes, {0, uint64_t{1} << 50});
    number("connections", to.connections, {16, 1'000'000});
    number("connectionsPerPeer", to.connections_per_peer, {0, 1'000'000});
    size("bodyRate", to.body_rate, {0, uint64_t{1} << 30});
    map.finish();
    if (to.target_bytes >= to.head_bytes) {
        map.error(map.key_position("target"), "target", "is not smaller than limits.head",
                  "the target is a part of the head");
    }
}

void read_timeouts(SettingSources& sources, Settings& settings) {
    const YamlNode* node = sources.file().take("timeouts");
    if (!node) return;
    MapReader map(*node, "timeouts", sources.file().context());
    auto duration = [&](std::string_view key, uint64_t& out) {
        Located<uint64_t> value;
        if (map.duration(key, value, {100, 24 * kHour})) out = *value;
    };
    ConfiguredTimeouts& to = settings.timeouts;
    duration("head", to.head_ms);
    duration("keepAlive", to.keep_alive_ms);
    duration("responseStall", to.response_stall_ms);
    duration("tunnelIdle", to.tunnel_idle_ms);
    duration("bodyWindow", to.body_window_ms);
    duration("workerReady", to.worker_ready_ms);
    duration("pluginInit", to.plugin_init_ms);
    duration("pluginShutdown", to.plugin_shutdown_ms);
    map.finish();
}

/// `env: {NAME: value}` sets values; `env: [NAME]` and `NAME:` alone pass the gateway's own on.
void read_grant_env(SettingSources& sources, MapReader& app, const YamlNode& node,
                    AppGrant& grant) {
    const FileContext& context = app.context();
    auto add = [&](const YamlNode& name, const YamlNode* value) {
        if (!is_variable_name(name.text) || is_gateway_variable(name.text)) {
            app.error(name.at, "env", fmt::format("{} cannot be set", quote(name.text)),
                      is_variable_name(name.text) ? "the gateway sets it itself"
                                                  : "expected letters, digits and _");
            return;
        }
        if (value && value->kind == YamlNode::Kind::scalar) {
            grant.env.emplace_back(name.text, value->text);
            return;
        }
        auto own = sources.environment().get(name.text);
        if (own) {
            grant.env.emplace_back(name.text, std::string(*own));
        } else {
            context.diagnostics.warning(
                context.file, name.at,
                fmt::format("{}: {} is not set in the gateway's environment", app.label("env"),
                            quote(name.text)));
        }
    };
    if (node.kind == YamlNode::Kind::sequence) {
        for (const YamlNode& item : node.items) add(item, nullptr);
    } else if (node.kind == YamlNode::Kind::map) {
        for (size_t i = 0; i + 1 < node.items.size(); i += 2)
            add(node.items[i], &node.items[i + 1]);
    } else {
        app.error(node.at, "env", "is text", "expected a map of values or a list of names");
    }
}

void read_apps(SettingSources& sources, Settings& settings) {
    const YamlNode* node = sources.file().take("apps");
    if (!node) return;
    MapReader apps(*node, "apps", sources.file().context());
    for (const MapReader::Rest& pair : apps.rest()) {
        MapReader app(*pair.value, "apps." + pair.key->text, sources.file().context());
        AppGrant& grant = settings.apps[pair.key->text];
        grant.at = pair.key->at;
        if (const YamlNode* env = app.take("env")) read_grant_env(sources, app, *env, grant);
        app.finish();
    }
}

void read_granted_routes(SettingSources& sources, Settings& settings) {
    const YamlNode* node = sources.file().take("allowPublicRoutes");
    if (!node) return;
    MapReader grants(*node, "allowPublicRoutes", sources.file().context());
    for (const MapReader::Rest& pair : grants.rest()) {
        PublicRouteGrant& grant = settings.public_routes[pair.key->text];
        grant.at = pair.key->at;
        for (auto& glob : read_texts(grants.context(), grants.label(pair.key->text), *pair.value)) {
            grant.globs.push_back(std::move(glob.value));
        }
    }
}

void warn_unknown_variables(const Environment& environment, Diagnostics& diagnostics) {
    // RUNTIME_API_URL is a worker's, RUNTIME_DIRECTORY the service manager's.
    static constexpr std::array<std::string_view, 19> known{
        "RUNTIME_WORKER_DIRS", "RUNTIME_PLUGIN_DIRS",     "RUNTIME_POOL_SIZE",
        "RUNTIME_ENV",         "RUNTIME_LOG_LEVEL",       "RUNTIME_CORES",
        "RUNTIME_LISTEN",      "RUNTIME_DRAIN",           "RUNTIME_EPHEMERAL_CONCURRENCY",
        "RUNTIME_API_PREFIX",  "RUNTIME_DATA_DIR",        "RUNTIME_TRUSTED_PROXIES",
        "RUNTIME_CONFIG",      "RUNTIME_ACCESS_LOG",      "RUNTIME_REASON_HEADER",
        "RUNTIME_API_URL",     "RUNTIME_EPHEMERAL_QUEUE", "RUNTIME_DIRECTORY",
        "RUNTIME_RESOLVER"};
    static constexpr std::string_view prefix = "RUNTIME_";
    for (const auto& [name, value] : environment.variables()) {
        if (name.compare(0, prefix.size(), prefix) != 0) continue;
        if (std::find(known.begin(), known.end(), name) != known.end()) continue;
        std::string_view closest = closest_word(name, known);
        diagnostics.warning(
            kEnvironmentFile, {}, fmt::format("unknown variable {}", quote(name)),
            closest.empty() ? std::string{} : fmt::format("did you mean \"{}\"?", closest));
    }
}

void read_switches(SettingSources& sources, Settings& settings) {
    settings.reason_header = settings.log_level == LogLevel::debug;
    if (auto found = sources.find_value("RUNTIME_REASON_HEADER", "reasonHeader")) {
        auto truth = check_boolean(*found->context, found->value());
        if (truth) settings.reason_header = *truth;
    }
}

void check_mounts(SettingSources& sources) {
    const YamlNode* mounts = sources.file().take("mounts");
    if (!mounts || mounts->kind == YamlNode::Kind::sequence) return;
    sources.file().error(mounts->at, "mounts", fmt::format("is {}", describe(mounts->kind)),
                         "expected a list: one item per mount, each begun by \"- \"");
}

}  // namespace

std::string_view env_name(RuntimeEnv env) noexcept { return kEnvNames[static_cast<size_t>(env)]; }

bool Settings::trusts(const IpAddress& peer) const noexcept {
    return std::any_of(trusted_proxies.begin(), trusted_proxies.end(),
                       [&](const Cidr& network) { return network.contains(peer); });
}

YamlNode load_runtime_config(const Environment& environment, Diagnostics& diagnostics) {
    YamlNode root;
    if (auto path = environment.get("RUNTIME_CONFIG")) {
        std::string file(*path);
        if (!load_yaml(file, file, runtime_config_limits, root, diagnostics)) root = {};
    }
    if (root.kind == YamlNode::Kind::null) root.kind = YamlNode::Kind::map;
    return root;
}

Settings resolve_settings(const Environment& environment, const YamlNode& runtime_config,
                          Diagnostics& diagnostics) {
    Settings settings;
    settings.config_file = environment.get("RUNTIME_CONFIG").value_or("");
    MapReader file(runtime_config, "", FileContext{settings.config_file, diagnostics});
    SettingSources sources(environment, file, diagnostics);

    read_env(sources, settings);
    read_log_level(sources, settings);
    read_number(sources, "PORT", "port", {0, 65535}, settings.port);
    read_listen(sources, settings);
    read_cores(sources, settings);
    settings.worker_dirs =
        read_folders(sources, "RUNTIME_WORKER_DIRS", "workerDirs", settings.config_file);
    settings.plugin_dirs =
        read_folders(sources, "RUNTIME_PLUGIN_DIRS", "pluginDirs", settings.config_file);
    settings.plugin_dirs_given = !settings.plugin_dirs.empty();
    if (!settings.plugin_dirs_given) settings.plugin_dirs.emplace_back("./plugins");
    read_number(sources, "RUNTIME_POOL_SIZE", "poolSize", {1, limits::workers_max},
                settings.pool_size);
    read_number(sources, "RUNTIME_EPHEMERAL_CONCURRENCY", "ephemeralConcurrency",
                {1, limits::workers_max}, settings.ephemeral_concurrency);
    read_number(sources, "RUNTIME_EPHEMERAL_QUEUE", "ephemeralQueue", {0, 1'000'000},
                settings.ephemeral_queue);
    read_duration(sources, "RUNTIME_DRAIN", "drain", {0, kHour}, settings.drain_ms);
    read_trusted(sources, settings);
    read_resolvers(sources, settings);
    read_api_prefix(sources, settings);
    read_data_dir(sources, settings.config_file, settings);
    read_access_log(sources, settings);
    read_switches(sources, settings);
    read_limits(sources, settings);
    read_timeouts(sources, settings);
    read_apps(sources, settings);
    read_granted_routes(sources, settings);
    check_mounts(sources);
    file.finish();
    warn_unknown_variables(environment, diagnostics);
    return settings;
}

}  // namespace ringtime::config
