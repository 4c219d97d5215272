// Settings from the environment and from RUNTIME_CONFIG, each rule by name.

#include "config/settings.h"
#include "support.h"

namespace ringtime::config {
namespace {

struct Resolved {
    Settings settings;
    Lines messages;
};

Resolved resolve(const Environment::Variables& variables, std::string_view file = "") {
    Environment environment(variables);
    Diagnostics diagnostics;
    YamlNode node;
    if (!file.empty()) environment.set("RUNTIME_CONFIG", "r.yaml");
    bool parsed = parse_yaml(file, "r.yaml", runtime_config_limits, node, diagnostics);
    if (!parsed || node.kind == YamlNode::Kind::null) node.kind = YamlNode::Kind::map;
    Settings settings = resolve_settings(environment, node, diagnostics);
    return {std::move(settings), messages(diagnostics)};
}

Lines listeners(const Settings& settings) {
    Lines texts;
    for (const ListenAddress& listen : settings.listen) texts.push_back(listen_text(listen));
    return texts;
}

TEST(Settings, defaults_are_those_documented) {
    auto [settings, problems] = resolve({});
    EXPECT_EQ(problems, Lines{});
    EXPECT_EQ(settings.port, 8000);
    EXPECT_EQ(listeners(settings), Lines{"*:8000"});
    EXPECT_EQ(settings.env, RuntimeEnv::production);
    EXPECT_EQ(settings.pool_size, 500u);
    EXPECT_EQ(settings.plugin_dirs, Lines{"./plugins"});
    EXPECT_FALSE(settings.plugin_dirs_given);
    EXPECT_EQ(settings.worker_dirs, Lines{});
    EXPECT_EQ(settings.drain_ms, 30'000u);
    EXPECT_EQ(settings.data_dir, "/var/lib/ringtime");
    EXPECT_EQ(settings.api_base(), "/api");
    EXPECT_EQ(settings.access_log.kind, AccessLog::Kind::standard_output);
    EXPECT_EQ(settings.limits.body_bytes, 10u << 20);
    EXPECT_EQ(settings.limits.connections_per_peer, 0u);
    EXPECT_EQ(settings.cores.count, 0u);
    EXPECT_EQ(settings.log_level, LogLevel::info);
    EXPECT_FALSE(settings.trusts(*parse_ip("127.0.0.1")));
}

TEST(Settings, the_pool_follows_the_kind_of_environment) {
    struct Row {
        std::string env;
        size_t size;
    };
    for (const Row& row :
         {Row{"development", 10}, {"staging", 50}, {"production", 500}, {"test", 5}}) {
        EXPECT_EQ(resolve({{"RUNTIME_ENV", row.env}}).settings.pool_size, row.size) << row.env;
        EXPECT_EQ(resolve({{"NODE_ENV", row.env}}).settings.pool_size, row.size) << row.env;
    }
    EXPECT_EQ(resolve({{"RUNTIME_ENV", "test"}, {"NODE_ENV", "staging"}}).settings.pool_size, 5u);
    EXPECT_EQ(resolve({{"RUNTIME_ENV", "test"}, {"RUNTIME_POOL_SIZE", "7"}}).settings.pool_size,
              7u);
    EXPECT_EQ(resolve({{"NODE_ENV", "ci"}}).settings.env, RuntimeEnv::production);
    EXPECT_EQ(resolve({{"NODE_ENV", "ci"}}).messages, Lines{});
}

TEST(Settings, the_environment_wins_over_the_file) {
    auto [settings, problems] = resolve({{"PORT", "9000"}, {"RUNTIME_DRAIN", "5s"}},
                                        "port: 7000\ndrain: 1m\npoolSize: 3\n");
    EXPECT_EQ(problems, Lines{});
    EXPECT_EQ(settings.port, 9000);
    EXPECT_EQ(settings.drain_ms, 5000u);
    EXPECT_EQ(settings.pool_size, 3u);
}

TEST(Settings, an_empty_variable_is_an_absent_one) {
    EXPECT_EQ(resolve({{"PORT", ""}}, "port: 7000\n").settings.port, 7000);
}

TEST(Settings, the_file_takes_the_names_of_variables_too) {
    auto [settings, problems] = resolve({}, "PORT: 7000\nRUNTIME_POOL_SIZE: 3\n");
    EXPECT_EQ(problems, Lines{});
    EXPECT_EQ(settings.port, 7000);
    EXPECT_EQ(settings.pool_size, 3u);
    EXPECT_EQ(resolve({}, "PORT: 7000\nport: 7001\n").messages,
              Lines{"r.yaml:1:7: error: PORT is set as \"port\" too; keep one of the two"});
}

TEST(Settings, lists_of_the_environment_are_path_style) {
    auto [settings, problems] = resolve(
        {{"RUNTIME_WORKER_DIRS", "/data/.apps:/data/apps:"}, {"RUNTIME_PLUGIN_DIRS", "./p"}});
    EXPECT_EQ(problems, Lines{});
    EXPECT_EQ(settings.worker_dirs, (Lines{"/data/.apps", "/data/apps"}));
    EXPECT_EQ(settings.plugin_dirs, Lines{"./p"});
}

TEST(Settings, folders_of_the_file_are_relative_to_it) {
    Environment environment;
    environment.set("RUNTIME_CONFIG", "/etc/ringtime/r.yaml");
    Diagnostics diagnostics;
    YamlNode node;
    ASSERT_TRUE(parse_yaml("workerDirs: [apps, /srv/apps]\ndataDir: state\n", "r",
                           runtime_config_limits, node, diagnostics));
    Settings settings = resolve_settings(environment, node, diagnostics);
    EXPECT_EQ(settings.worker_dirs, (Lines{"/etc/ringtime/apps", "/srv/apps"}));
    EXPECT_EQ(settings.data_dir, "/etc/ringtime/state");
}

TEST(Settings, listeners_are_separated_by_spaces) {
    auto [settings, problems] =
        resolve({{"RUNTIME_LISTEN", "127.0.0.1:80  [::1]:81\tunix:/run/r.sock *:82"}});
    EXPECT_EQ(problems, Lines{});
    EXPECT_EQ(listeners(settings), (Lines{"127.0.0.1:80", "[::1]:81", "unix:/run/r.sock", "*:82"}));
}

TEST(Settings, listeners_of_the_file_may_expect_the_proxy_protocol) {
    auto [settings, problems] =
        resolve({}, "listen:\n  - '*:80'\n  - {address: '127.0.0.1:81', proxyProtocol: true}\n");
    EXPECT_EQ(problems, Lines{});
    EXPECT_EQ(listeners(settings), (Lines{"*:80", "127.0.0.1:81"}));
    EXPECT_FALSE(settings.listen[0].proxy_protocol);
    EXPECT_TRUE(settings.listen[1].proxy_protocol);
}

TEST(Settings, the_data_folder_follows_xdg) {
    EXPECT_EQ(resolve({{"XDG_STATE_HOME", "/home/a/.local/state"}}).settings.data_dir,
              "/home/a/.local/state/ringtime");
    EXPECT_EQ(resolve({{"XDG_STATE_HOME", "/x"}, {"RUNTIME_DATA_DIR", "/d"}}).settings.data_dir,
              "/d");
}

TEST(Settings, trusted_proxies_are_networks) {
    auto [settings, problems] =
        resolve({{"RUNTIME_TRUSTED_PROXIES", "10.0.0.0/8:127.0.0.1 fd00::/8,unix"}});
    EXPECT_EQ(problems, Lines{});
    EXPECT_TRUE(settings.trusts(*parse_ip("10.1.2.3")));
    EXPECT_TRUE(settings.trusts(*parse_ip("127.0.0.1")));
    EXPECT_TRUE(settings.trusts(*parse_ip("fd00::7")));
    EXPECT_FALSE(settings.trusts(*parse_ip("11.0.0.1")));
    EXPECT_TRUE(settings.trust_local_sockets);
}

TEST(Settings, cores_are_a_count_or_cpus) {
    EXPECT_EQ(resolve({{"RUNTIME_CORES", "4"}}).settings.cores.count, 4u);
    EXPECT_EQ(resolve({{"RUNTIME_CORES", "0-2,6"}}).settings.cores.cpus,
              (std::vector<unsigned>{0, 1, 2, 6}));
    EXPECT_EQ(resolve({{"RUNTIME_CORES", "3,"}}).settings.cores.cpus, std::vector<unsigned>{3});
    for (std::string bad : {"0", "65", "a", "1-", "-1", "2-1", "1,1", "5000,", ","}) {
        EXPECT_EQ(resolve({{"RUNTIME_CORES", bad}}).messages.size(), 1u) << bad;
    }
}

TEST(Settings, limits_and_timeouts_are_read_from_the_file) {
    auto [settings, problems] = resolve({}, R"(
limits: {head: 16kb, target: 4kb, fields: 50, body: 1mb, connections: 1000, connectionsPerPeer: 20,
         bodyRate: 1kb}
timeouts: {head: 5s, keepAlive: 30, responseStall: 10s, workerReady: 1m,
           pluginInit: 2s, pluginShutdown: 1s}
accessLog: /var/log/ringtime.log
logLevel: warn
apiPrefix: /_
ephemeralConcurrency: 8
reasonHeader: true
)");
    EXPECT_EQ(problems, Lines{});
    EXPECT_EQ(settings.limits.head_bytes, 16u << 10);
    EXPECT_EQ(settings.limits.target_bytes, 4u << 10);
    EXPECT_EQ(settings.limits.fields, 50u);
    EXPECT_EQ(settings.limits.body_bytes, 1u << 20);
    EXPECT_EQ(settings.limits.connections, 1000u);
    EXPECT_EQ(settings.limits.connections_per_peer, 20u);
    EXPECT_EQ(settings.limits.body_rate, 1024u);
    EXPECT_EQ(settings.timeouts.head_ms, 5000u);
    EXPECT_EQ(settings.timeouts.keep_alive_ms, 30'000u);
    EXPECT_EQ(settings.timeouts.response_stall_ms, 10'000u);
    EXPECT_EQ(settings.timeouts.worker_ready_ms, 60'000u);
    EXPECT_EQ(settings.timeouts.plugin_init_ms, 2000u);
    EXPECT_EQ(settings.timeouts.plugin_shutdown_ms, 1000u);
    EXPECT_EQ(settings.access_log.path, "/var/log/ringtime.log");
    EXPECT_EQ(settings.log_level, LogLevel::warn);
    EXPECT_EQ(settings.api_base(), "/_/api");
    EXPECT_EQ(settings.ephemeral_concurrency, 8u);
    EXPECT_TRUE(settings.reason_header);
}

TEST(Settings, grants_carry_secrets_and_pass_the_gateways_own_on) {
    auto [settings, problems] = resolve({{"DATABASE_URL", "db:1"}},
                                        "apps:\n"
                                        "  shop: {env: {API_KEY: k, DATABASE_URL: }}\n"
                                        "  list: {env: [DATABASE_URL, GONE]}\n"
                                        "allowPublicRoutes: {authn: [/login], '@x/y': ['**']}\n");
    EXPECT_EQ(problems,
              Lines{"r.yaml:3:30: warning: apps.list.env: \"GONE\" is not set in the gateway's "
                    "environment"});
    EXPECT_EQ(settings.apps["shop"].env, (Variables{{"API_KEY", "k"}, {"DATABASE_URL", "db:1"}}));
    EXPECT_EQ(settings.apps["list"].env, (Variables{{"DATABASE_URL", "db:1"}}));
    EXPECT_EQ(settings.public_routes["authn"].globs, Lines{"/login"});
    EXPECT_EQ(settings.public_routes["@x/y"].globs, Lines{"**"});
}

TEST(Settings, wrong_variables_are_told_with_what_was_expected) {
    struct Row {
        std::string name, value, expected;
    };
    for (
        const Row& row : std::initializer_list<Row>{
            {"PORT", "http", "PORT: \"http\" is not a whole number; expected 0 to 65535"},
            {"PORT", "65536", "PORT: \"65536\" is too large; the most is 65535"},
            {"RUNTIME_POOL_SIZE", "0", "RUNTIME_POOL_SIZE: \"0\" is too small; the least is 1"},
            {"RUNTIME_ENV", "prodution",
             "RUNTIME_ENV: \"prodution\" is unknown; expected development, staging, production or "
             "test; "
             "did you mean \"production\"?"},
            {"RUNTIME_LOG_LEVEL", "verbose",
             "RUNTIME_LOG_LEVEL: \"verbose\" is unknown; expected debug, info, warn, error or off"},
            {"RUNTIME_DRAIN", "soon",
             "RUNTIME_DRAIN: \"soon\" is not a duration; write seconds (30) or a number with a "
             "unit "
             "(250ms, 30s, 5m, 1h)"},
            {"RUNTIME_DRAIN", "2h", "RUNTIME_DRAIN: \"2h\" is too large; the most is 1h"},
            {"RUNTIME_LISTEN", "localhost:80",
             "RUNTIME_LISTEN: \"localhost:80\" is not an address to listen on; expected addr:port, "
             "[v6]:port, *:port or unix:/path, with a numeric address"},
            {"RUNTIME_LISTEN", "*:80 *:80",
             "RUNTIME_LISTEN: \"*:80\" stands here a second time; remove one"},
            {"RUNTIME_TRUSTED_PROXIES", "10.0.0.1/8",
             "RUNTIME_TRUSTED_PROXIES: \"10.0.0.1/8\" is not a network; expected an address or a "
             "network "
             "without bits behind its prefix (10.0.0.0/8, fd00::/8), or unix"},
            {"RUNTIME_API_PREFIX", "x",
             "RUNTIME_API_PREFIX: \"x\" is not a path prefix; expected segments of letters, digits "
             "and "
             "._~@- behind slashes, such as /_"},
            {"RUNTIME_CORES", "many",
             "RUNTIME_CORES: \"many\" is neither a count nor a list of CPUs; write a count (1 to "
             "64) or "
             "CPUs (0-3,6)"},
            {"RUNTIME_ACCESS_LOG", "syslog",
             "RUNTIME_ACCESS_LOG: \"syslog\" is unknown; expected stdout, stderr, off or a path "
             "with a "
             "slash"}}) {
        EXPECT_EQ(resolve({{row.name, row.value}}).messages,
                  Lines{"environment: error: " + row.expected});
    }
}

TEST(Settings, wrong_files_are_told_by_line) {
    struct Row {
        std::string_view file, expected;
    };
    for (
        const Row& row : std::initializer_list<Row>{
            {"port: [1]\n", "1:7: error: port is a list; expected one value"},
            {"\npoolsize: 3\n", "2:1: error: unknown key \"poolsize\"; did you mean \"poolSize\"?"},
            {"nonsense: 3\n", "1:1: warning: unknown key \"nonsense\""},
            {"limits: {head: 64kb}\n",
             "1:16: error: limits.head: \"64kb\" is too large; the most is 32kb"},
            {"limits: {head: 4kb, target: 4kb}\n",
             "1:21: error: limits.target is not smaller than limits.head; the target is a part of "
             "the "
             "head"},
            {"limits: 5\n", "1:9: error: limits is text; expected a map of keys and values"},
            {"timeouts: {head: 0}\n",
             "1:18: error: timeouts.head: \"0\" is too small; the least is 100ms"},
            {"mounts: {a: b}\n",
             "1:9: error: mounts is a map; expected a list: one item per mount, each begun by \"- "
             "\""},
            {"listen: [{address: 'x'}]\n",
             "1:20: error: listen: \"x\" is not an address to listen on; expected addr:port, "
             "[v6]:port, "
             "*:port or unix:/path, with a numeric address"},
            {"listen: [{proxyProtocol: true}]\n", "1:10: error: listen.address is missing"},
            {"workerDirs: [a, '']\n", "1:17: error: workerDirs: an item is empty; remove it"},
            {"apps: {shop: {env: {WORKER_ID: x}}}\n",
             "1:21: error: apps.shop.env: \"WORKER_ID\" cannot be set; the gateway sets it itself"},
            {"apps: {shop: {env: {'a b': x}}}\n",
             "1:21: error: apps.shop.env: \"a b\" cannot be set; expected letters, digits and _"},
            {"apps: {shop: {evn: {}}}\n",
             "1:15: warning: unknown key \"apps.shop.evn\"; did you mean \"env\"?"}}) {
        EXPECT_EQ(resolve({}, row.file).messages, Lines{"r.yaml:" + std::string(row.expected)})
            << row.file;
    }
}

TEST(Settings, an_unknown_runtime_variable_is_a_warning) {
    EXPECT_EQ(
        resolve({{"RUNTIME_PLUGINS_DIRS", "x"}, {"RUNTIME_DIRECTORY", "/run/x"}, {"OTHER", "y"}})
            .messages,
        Lines{"environment: warning: unknown variable \"RUNTIME_PLUGINS_DIRS\"; did you mean "
              "\"RUNTIME_PLUGIN_DIRS\"?"});
}

TEST(Settings, every_fault_is_told_at_once) {
    auto problems =
        resolve({{"PORT", "x"}, {"RUNTIME_DRAIN", "y"}}, "poolSize: z\ncores: w\n").messages;
    EXPECT_EQ(problems.size(), 4u);
}

}  // namespace
}  // namespace ringtime::config
