// One manifest at a time: every documented field and rule, good and bad, with the exact message.

#include "support.h"

namespace ringtime::config {
namespace {

constexpr ManifestPlace plugin = ManifestPlace::plugin_folder;
constexpr ManifestPlace app = ManifestPlace::app_folder;
constexpr ManifestPlace mount = ManifestPlace::runtime_config;

Lines texts(const std::vector<Located<std::string>>& located) {
    Lines lines;
    for (const auto& text : located) lines.push_back(*text);
    return lines;
}

TEST(Manifest, a_full_plugin_is_read) {
    auto [manifest, diagnostics] = read(R"(name: "@acme/plugin-shop"
version: 1.2.3-rc.1
base: /shop
hosts: [Shop.Example.com, "*.example.com"]
entrypoint: dist/client/index.html
pluginEntry: dist/plugin.so
dependencies:
  - "@acme/plugin-database"
optionalDependencies: authn
publicRoutes:
  ALL: [/shop/health]
  GET: ["/shop/public/**", "/shop/a?c*"]
menus:
  - {icon: "lucide:box", path: /shop, title: Shop}
hooks: {paths: ["/api/**"], except: [/api/ping]}
onFailure: isolate
visibility: protected
injectBase: true
cacheControl: public, max-age=60
maxBodySize: 1.5mb
enabled: true
)",
                                        plugin);
    EXPECT_EQ(messages(diagnostics), Lines{});
    EXPECT_EQ(*manifest.name, "@acme/plugin-shop");
    EXPECT_EQ(manifest.name.at, (Position{1, 7}));
    EXPECT_EQ(manifest.short_name, "shop");
    EXPECT_EQ(version_text(*manifest.version), "1.2.3-rc.1");
    EXPECT_EQ(*manifest.base, "/shop");
    EXPECT_EQ(manifest.base.at, (Position{3, 7}));
    EXPECT_EQ(texts(manifest.hosts), (Lines{"shop.example.com", "*.example.com"}));
    EXPECT_EQ(manifest.entrypoint_kind, EntrypointKind::site);
    EXPECT_TRUE(manifest.is_site());
    EXPECT_EQ(*manifest.plugin_entry, "dist/plugin.so");
    EXPECT_EQ(texts(manifest.dependencies), Lines{"@acme/plugin-database"});
    EXPECT_EQ(manifest.dependencies[0].at, (Position{8, 5}));
    EXPECT_EQ(texts(manifest.optional_dependencies), Lines{"authn"});
    ASSERT_EQ(manifest.public_routes.size(), 3u);
    EXPECT_EQ(manifest.public_routes[0].method, "");
    EXPECT_EQ(manifest.public_routes[2].method, "GET");
    EXPECT_EQ(*manifest.public_routes[2].glob, "/shop/a?c*");
    EXPECT_EQ(manifest.menus_json, R"([{"icon":"lucide:box","path":"/shop","title":"Shop"}])");
    EXPECT_EQ(texts(manifest.hooks.paths), Lines{"/api/**"});
    EXPECT_EQ(texts(manifest.hooks.except), Lines{"/api/ping"});
    EXPECT_EQ(manifest.on_failure, OnFailure::isolate);
    EXPECT_EQ(manifest.visibility, Visibility::protected_);
    EXPECT_TRUE(manifest.site.inject_base);
    EXPECT_TRUE(manifest.site.compress);
    ASSERT_EQ(manifest.site.cache_control.size(), 1u);
    EXPECT_EQ(manifest.site.cache_control[0].glob, "/**");
    EXPECT_EQ(manifest.site.cache_control[0].value, "public, max-age=60");
    EXPECT_EQ(*manifest.max_body_bytes, 1536u << 10);
}

TEST(Manifest, a_worker_app_is_read) {
    auto [manifest, diagnostics] = read(R"(name: todos
entrypoint: bin/server
timeout: 10
ttl: 1h
idleTimeout: 5m
maxRequests: 50
workers: 2
workersMax: 8
concurrency: 16
lowMemory: true
autoInstall: false
maxBodySize: unlimited
publicRoutes: ["/api/health"]
env: {GREETING: hello, EMPTY: , NUMBER: 5}
sandbox: {read: [/usr/share/zoneinfo], write: [/var/cache/todos],
          memory: 512mb, cpu: 1.5, uid: 1000}
)");
    EXPECT_EQ(messages(diagnostics), Lines{});
    EXPECT_EQ(manifest.entrypoint_kind, EntrypointKind::program);
    EXPECT_TRUE(manifest.is_worker());
    EXPECT_EQ(*manifest.worker.timeout_ms, 10'000u);
    EXPECT_EQ(*manifest.worker.ttl_ms, 3'600'000u);
    EXPECT_EQ(*manifest.worker.idle_timeout_ms, 300'000u);
    EXPECT_EQ(*manifest.worker.max_requests, 50u);
    EXPECT_EQ(*manifest.worker.workers, 2u);
    EXPECT_EQ(*manifest.worker.workers_max, 8u);
    EXPECT_EQ(*manifest.worker.concurrency, 16u);
    EXPECT_TRUE(manifest.worker.low_memory);
    EXPECT_EQ(*manifest.max_body_bytes, UINT64_MAX);
    EXPECT_EQ(manifest.env, (Variables{{"GREETING", "hello"}, {"EMPTY", ""}, {"NUMBER", "5"}}));
    ASSERT_TRUE(manifest.sandbox);
    EXPECT_EQ(texts(manifest.sandbox->read), Lines{"/usr/share/zoneinfo"});
    EXPECT_EQ(texts(manifest.sandbox->write), Lines{"/var/cache/todos"});
    EXPECT_EQ(*manifest.sandbox->memory_bytes, 512u << 20);
    EXPECT_EQ(*manifest.sandbox->cpu, 1.5);
    EXPECT_EQ(manifest.sandbox->uid, std::optional<uint32_t>(1000));
}

TEST(Manifest, defaults_are_those_documented) {
    auto [manifest, diagnostics] = read("name: x\n");
    EXPECT_EQ(messages(diagnostics), Lines{});
    EXPECT_TRUE(manifest.enabled);
    EXPECT_TRUE(manifest.version->latest);
    EXPECT_EQ(*manifest.worker.timeout_ms, 30'000u);
    EXPECT_TRUE(manifest.worker.ephemeral());
    EXPECT_EQ(*manifest.worker.idle_timeout_ms, 60'000u);
    EXPECT_EQ(*manifest.worker.max_requests, 1000u);
    EXPECT_EQ(*manifest.worker.workers, 1u);
    EXPECT_EQ(*manifest.worker.concurrency, 0u);
    EXPECT_FALSE(manifest.max_body_bytes.given());
    EXPECT_EQ(manifest.on_failure, OnFailure::abort);
    EXPECT_EQ(manifest.config_json, "{}");
    EXPECT_EQ(manifest.menus_json, "[]");
    EXPECT_FALSE(manifest.upstream);
}

TEST(Manifest, workers_may_be_auto) {
    EXPECT_EQ(*read("name: x\nworkers: auto\n").manifest.worker.workers, 0u);
}

TEST(Manifest, kinds_follow_the_extension) {
    for (auto [path, kind] : std::initializer_list<std::pair<std::string_view, EntrypointKind>>{
             {"index.html", EntrypointKind::site},
             {"a/b.htm", EntrypointKind::site},
             {"app.so", EntrypointKind::module},
             {"index.js", EntrypointKind::javascript},
             {"x.mjs", EntrypointKind::javascript},
             {"x.ts", EntrypointKind::javascript},
             {"server", EntrypointKind::program},
             {"dir.so/server", EntrypointKind::program},
             {"run.sh", EntrypointKind::program},
             {"", EntrypointKind::none}}) {
        EXPECT_EQ(entrypoint_kind(path), kind) << path;
    }
}

TEST(Manifest, bases_are_roots_or_plain_segments) {
    for (std::string_view good : {"/", "/shop", "/api/v1", "/@team/app", "/a.b_c~d-e", "/...",
                                  "/.well-known", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16"}) {
        EXPECT_TRUE(is_base(good)) << good;
    }
    for (std::string_view bad :
         {"", "shop", "//", "/shop/", "/a//b", "/.", "/..", "/a/../b", "/a b", "/a%20", "/ä",
          "/a?b", "/a*", "/a\\b", "/a/./b", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"}) {
        EXPECT_FALSE(is_base(bad)) << bad;
    }
}

TEST(Manifest, under_means_by_segments) {
    EXPECT_TRUE(is_under("/shop", "/shop"));
    EXPECT_TRUE(is_under("/shop/x", "/shop"));
    EXPECT_TRUE(is_under("/shop", "/"));
    EXPECT_FALSE(is_under("/shopping", "/shop"));
    EXPECT_FALSE(is_under("/", "/shop"));
}

TEST(Manifest, short_names_drop_scope_and_prefix) {
    EXPECT_EQ(short_name_of("@acme/plugin-authn"), std::optional<std::string>("authn"));
    EXPECT_EQ(short_name_of("@acme/authn"), std::optional<std::string>("authn"));
    EXPECT_EQ(short_name_of("plugin-authn"), std::optional<std::string>("authn"));
    EXPECT_EQ(short_name_of("plugin-"), std::optional<std::string>("plugin-"));
    for (std::string bad :
         {"", "@acme", "@acme/", "@/x", "a/b", "../x", "Shop", "a_b", "a b", "@a/b/c", "a.b"}) {
        EXPECT_EQ(short_name_of(bad), std::nullopt) << bad;
    }
    EXPECT_EQ(short_name_of(std::string(200, 'a')), std::nullopt);
}

struct BadRow {
    ManifestPlace place;
    std::string_view text;
    std::string_view expected;  ///< Behind `m.yaml:`.
};

void expect_messages(std::initializer_list<BadRow> rows) {
    for (const BadRow& row : rows) {
        EXPECT_EQ(read_messages(row.text, row.place), Lines{"m.yaml:" + std::string(row.expected)})
            << row.text;
    }
}

TEST(Manifest, wrong_identities_are_told) {
    expect_messages({
        {app, "version: 1.0.0\n", "1:1: error: name is missing"},
        {app, "name:\n", "1:1: error: name is missing"},
        {app, "name: [x]\n", "1:7: error: name is a list; expected one value"},
        {app, "name: Shop\n",
         "1:7: error: name: \"Shop\" is not allowed; expected x or @scope/x of lower-case letters, "
         "digits and -"},
        {app, "name: ../etc\n",
         "1:7: error: name: \"../etc\" is not allowed; expected x or @scope/x of lower-case "
         "letters, digits "
         "and -"},
        {app, "name: x\nversion: 1.0\n",
         "2:10: error: version: \"1.0\" is not a version; expected three numbers such as 1.4.0 (or "
         "2.0.0-rc.1), or latest"},
        {app, "name: x\nenabled: yes\n",
         "2:10: error: enabled: \"yes\" is not true or false; write true"},
        {app, "name: x\nenabled: maybe\n",
         "2:10: error: enabled: \"maybe\" is not true or false"},
        {app, "- name: x\n", "1:1: error: the file is a list; expected a map of keys and values"},
        {app, "name: x\nname: y\n",
         "2:1: error: the key \"name\" stands here a second time; the first is on line 1"},
    });
}

TEST(Manifest, wrong_places_are_told) {
    expect_messages({
        {app, "name: x\nbase: shop/\n",
         "2:7: error: base: \"shop/\" is not a base path; did you mean \"/shop\"?"},
        {app, "name: x\nbase: /a/../b\n",
         "2:7: error: base: \"/a/../b\" is not a base path; expected / or up to 16 segments of "
         "letters, digits "
         "and ._~@-"},
        {app, "name: x\nhosts: [example.com:80]\n",
         "2:9: error: hosts: \"example.com:80\" is not a host; write it without a port"},
        {app, "name: x\nhosts: ['a.*.com']\n",
         "2:9: error: hosts: \"a.*.com\" is not a host; expected example.com, or *.example.com for "
         "all below "
         "it"},
        {app, "name: x\nhosts: ['*']\n",
         "2:9: error: hosts: \"*\" is not a host; expected example.com, or *.example.com for all "
         "below it"},
        {app, "name: x\nhosts: [a.com, A.com]\n",
         "2:16: error: hosts: \"a.com\" stands here a second time"},
        {app, "name: x\nentrypoint: ../y.html\n",
         "2:13: error: entrypoint: \"../y.html\" is not a file of the package; expected a path "
         "below the "
         "manifest's folder, such as dist/index.html"},
        {app, "name: x\nentrypoint: /etc/y.html\n",
         "2:13: error: entrypoint: \"/etc/y.html\" is not a file of the package; expected a path "
         "below the "
         "manifest's folder, such as dist/index.html"},
        {app, "name: x\nentrypoint: dist/\n",
         "2:13: error: entrypoint: \"dist/\" is not a file of the package; expected a path below "
         "the "
         "manifest's folder, such as dist/index.html"},
        {app, "name: x\npluginEntry: p.so\n",
         "2:14: error: pluginEntry is not allowed in a folder of apps; native plugins are loaded "
         "from "
         "RUNTIME_PLUGIN_DIRS only"},
        {plugin, "name: x\nentrypoint: a.html\n",
         "2:13: error: entrypoint has no base to be mounted at; add a line such as base: /shop"},
        {mount, "upstream: http://a\n",
         "1:1: error: upstream has no base to be mounted at; add a line such as base: /shop"},
        {plugin, "name: x\nbase: /x\nupstream: http://a\nentrypoint: a.html\n",
         "4:13: error: entrypoint cannot stand beside upstream; a base has one target: remove this "
         "or "
         "upstream on line 3"},
    });
}

TEST(Manifest, wrong_lists_are_told) {
    expect_messages({
        {plugin, "name: x\ndependencies: {a: b}\n",
         "2:15: error: dependencies is a map; expected a list of texts"},
        {plugin, "name: x\ndependencies: [[a]]\n",
         "2:16: error: dependencies: an item is a list; expected a list of texts"},
        {plugin, "name: x\ndependencies: [a, a]\n",
         "2:19: error: dependencies: \"a\" stands here a second time"},
        {plugin, "name: x\ndependencies: [A]\n",
         "2:16: error: dependencies: \"A\" is not a package's name; expected x or @scope/x of "
         "lower-case "
         "letters, digits and -"},
        {app, "name: x\npublicRoutes: [api]\n",
         "2:16: error: publicRoutes: \"api\" is not a glob of paths; expected a path that begins "
         "with /"},
        {app, "name: x\npublicRoutes: {get: [/a]}\n",
         "2:16: error: publicRoutes: \"get\" is unknown; expected ALL, GET, HEAD, POST, PUT, "
         "PATCH, DELETE or "
         "OPTIONS"},
        {app, "name: x\npublicRoutes: {PSOT: [/a]}\n",
         "2:16: error: publicRoutes: \"PSOT\" is unknown; expected ALL, GET, HEAD, POST, PUT, "
         "PATCH, DELETE or "
         "OPTIONS; did you mean \"POST\"?"},
        {app, "name: x\npublicRoutes: {GET: [/a/../b]}\n",
         "2:22: error: publicRoutes.GET: \"/a/../b\" is not a glob of paths; dot segments are "
         "resolved before "
         "matching, so it would never match"},
        {app, "name: x\npublicRoutes: ['/a b']\n",
         "2:16: error: publicRoutes: \"/a b\" is not a glob of paths; a path holds no space, # or "
         "backslash"},
        {plugin, "name: x\nmenus: {a: b}\n", "2:8: error: menus is a map; expected a list"},
        {plugin, "name: x\nhooks: {path: ['/a']}\n",
         "2:9: error: unknown key \"hooks.path\"; did you mean \"paths\"?"},
        {plugin, "name: x\nonFailure: ignore\n",
         "2:12: error: onFailure: \"ignore\" is unknown; expected abort or isolate"},
        {app, "name: x\nvisibility: privat\n",
         "2:13: error: visibility: \"privat\" is unknown; expected public, protected or internal"},
    });
}

TEST(Manifest, wrong_workers_are_told) {
    expect_messages({
        {app, "name: x\ntimeout: 0\n",
         "2:10: error: timeout: \"0\" is too small; the least is 1ms"},
        {app, "name: x\ntimeout: 30sec\n",
         "2:10: error: timeout: \"30sec\" is not a duration; write seconds (30) or a number with a "
         "unit "
         "(250ms, 30s, 5m, 1h)"},
        {app, "name: x\ntimeout: -5\n",
         "2:10: error: timeout: \"-5\" is not a duration; write seconds (30) or a number with a "
         "unit (250ms, "
         "30s, 5m, 1h)"},
        {app, "name: x\nttl: 10s\n",
         "2:6: error: ttl: 10s is less than timeout (30s); a worker must live at least as long as "
         "one request "
         "may take; 0 makes it ephemeral"},
        {app, "name: x\nttl: 1h\nidleTimeout: 5s\n",
         "3:14: error: idleTimeout: 5s is less than timeout (30s)"},
        {app, "name: x\nttl: 60s\nidleTimeout: 90s\n",
         "3:14: warning: idleTimeout: 90s is more than ttl (1m); ttl is used"},
        {app, "name: x\nworkers: 0\n", "2:10: error: workers: \"0\" is too small; the least is 1"},
        {app, "name: x\nworkers: many\n",
         "2:10: error: workers: \"many\" is not a whole number; expected 1 to 4096"},
        {app, "name: x\nworkers: 4\nworkersMax: 2\n",
         "3:13: error: workersMax: 2 is less than workers (4)"},
        {app, "name: x\nmaxBodySize: 10m\n",
         "2:14: error: maxBodySize: \"10m\" is not a size; write bytes (4096) or a number with a "
         "unit (10kb, "
         "10mb, 1gb)"},
        {app, "name: x\nsandbox: {read: [data]}\n",
         "2:18: error: sandbox.read: \"data\" is not an absolute path; the app's own folder is "
         "readable "
         "without being named"},
        {app, "name: x\nsandbox: {uid: 0}\n",
         "2:16: error: sandbox.uid: \"0\" is too small; the least is 1"},
        {app, "name: x\nenv: {WORKER_ID: '1'}\n",
         "2:7: error: env: \"WORKER_ID\" cannot be set; the gateway sets it itself"},
        {app, "name: x\nenv: {A-B: '1'}\n",
         "2:7: error: env: \"A-B\" is not a variable's name; expected letters, digits and _, no "
         "digit first"},
        {app, "name: x\nenv: {A: [1]}\n", "2:10: error: env: \"A\" is a list; expected one value"},
    });
}

TEST(Manifest, an_idle_timeout_over_ttl_is_lowered) {
    EXPECT_EQ(*read("name: x\nttl: 60s\nidleTimeout: 90s\n").manifest.worker.idle_timeout_ms,
              60'000u);
}

TEST(Manifest, an_idle_timeout_by_default_fits_between_timeout_and_ttl) {
    auto low = read("name: x\ntimeout: 5s\nttl: 30s\n");
    EXPECT_EQ(messages(low.diagnostics), Lines{});
    EXPECT_EQ(*low.manifest.worker.idle_timeout_ms, 30'000u);
    auto high = read("name: x\ntimeout: 2m\nttl: 1h\n");
    EXPECT_EQ(messages(high.diagnostics), Lines{});
    EXPECT_EQ(*high.manifest.worker.idle_timeout_ms, 120'000u);
}

TEST(Manifest, unknown_keys_are_errors_only_when_one_letter_off_a_long_one) {
    expect_messages({
        {app, "name: x\nentrypont: a.html\n",
         "2:1: error: unknown key \"entrypont\"; did you mean \"entrypoint\"?"},
        {app, "name: x\ntimeuot: 5s\n",
         "2:1: error: unknown key \"timeuot\"; did you mean \"timeout\"?"},
        {app, "name: x\nentrpont: a.html\n",
         "2:1: warning: unknown key \"entrpont\"; did you mean \"entrypoint\"?"},
        {app, "name: x\nbsae: /a\n", "2:1: warning: unknown key \"bsae\"; did you mean \"base\"?"},
        {app, "name: x\nmyOption: 5\n", "2:1: warning: unknown key \"myOption\""},
    });
    EXPECT_EQ(read_messages("name: x\nhost: a\nconfig:\n  host: {type: string}\n", plugin), Lines{})
        << "declared keys are known";
}

TEST(Manifest, secrets_are_kept_out_of_the_environment) {
    auto result = read("name: x\nenv: {DATABASE_URL: a, MODE: b, MY_TOKEN: c}\n");
    EXPECT_EQ(result.manifest.env, (Variables{{"MODE", "b"}}));
    EXPECT_EQ(result.manifest.env_blocked, (Lines{"DATABASE_URL", "MY_TOKEN"}));
    EXPECT_EQ(result.manifest.env_at, (Position{2, 1}));
}

TEST(Manifest, every_fault_is_told_at_once) {
    EXPECT_EQ(read_messages("version: x\nbase: y z\ntimeout: t\nworkers: w\n").size(), 5u);
}

// --- The plugin's own configuration ---

TEST(ManifestConfig, values_come_from_default_then_manifest_then_environment) {
    constexpr std::string_view text = R"(name: x
a: manifest
b: manifest
extra: {k: [1, true]}
config:
  a: {type: string, default: default, env: X_A}
  b: {type: string, default: default}
  c: {type: string, default: default}
  d: {type: string}
)";
    Environment environment;
    environment.set("X_A", "environment");
    auto [manifest, diagnostics] = read(text, plugin, environment);
    EXPECT_EQ(messages(diagnostics), Lines{"m.yaml:4:1: warning: unknown key \"extra\""});
    EXPECT_EQ(manifest.config_json,
              R"({"a":"environment","b":"manifest","c":"default","extra":{"k":[1,true]}})");
    EXPECT_EQ(manifest.extra_json, R"({"extra":{"k":[1,true]}})");
    EXPECT_EQ(manifest.config[0].origin, ConfigField::Origin::environment);
    EXPECT_EQ(manifest.config[3].origin, ConfigField::Origin::none);
    EXPECT_EQ(manifest.config[3].value_json, "");
}

TEST(ManifestConfig, the_environment_is_not_for_workers) {
    constexpr std::string_view text = R"(name: x
entrypoint: x.so
config:
  a: {type: string, default: own, env: X_A}
  b: {type: string}
)";
    Environment environment;
    environment.set("X_A", "the gateway's");
    auto [manifest, diagnostics] = read(text, app, environment);
    EXPECT_EQ(messages(diagnostics),
              Lines{"m.yaml:4:3: warning: config.a: a worker has nothing of the gateway's "
                    "environment, X_A neither; the operator grants variables by name: apps: "
                    "NAME: env"});
    EXPECT_EQ(manifest.config_json, R"({"a":"own"})");
}

TEST(ManifestConfig, every_type_has_its_json) {
    auto [manifest, diagnostics] = read(R"(name: x
i: -5
n: 2.50
b: false
s: 12
p: hunter2
l: [a, 1]
o: {k: v}
d: 1.5s
z: 2kb
e: blue
config:
  i: {type: integer}
  n: {type: number}
  b: {type: boolean}
  s: {type: string, label: L, description: D}
  p: {type: password}
  l: {type: list}
  o: {type: object}
  d: {type: duration}
  z: {type: size}
  e: {type: select, options: [red, blue]}
)",
                                        plugin);
    EXPECT_EQ(messages(diagnostics), Lines{});
    EXPECT_EQ(manifest.config_json,
              R"({"i":-5,"n":2.5,"b":false,"s":"12","p":"hunter2","l":["a",1],)"
              R"("o":{"k":"v"},"d":1500,"z":2048,"e":"blue"})");
    EXPECT_EQ(manifest.config[3].label, "L");
    EXPECT_EQ(manifest.config[3].description, "D");
}

TEST(ManifestConfig, variables_are_read_by_type) {
    Environment environment({{"L", "a:b"}, {"O", "{\"k\": [1, 2]}"}, {"I", "7"}, {"B", "true"}});
    auto [manifest, diagnostics] = read(R"(name: x
config:
  l: {type: list, env: L}
  o: {type: object, env: O}
  i: {type: integer, env: I}
  b: {type: boolean, env: B}
)",
                                        plugin, environment);
    EXPECT_EQ(messages(diagnostics), Lines{});
    EXPECT_EQ(manifest.config_json, R"({"l":["a","b"],"o":{"k":[1,2]},"i":7,"b":true})");
}

TEST(ManifestConfig, wrong_values_are_told_where_they_stand) {
    Environment environment({{"BAD_INT", "seven"}, {"BAD_JSON", "[1]"}});
    struct Row {
        std::string_view text, expected;
    };
    for (const Row& row : std::initializer_list<Row>{
             {"i: x\nconfig: {i: {type: integer}}\n",
              "m.yaml:2:4: error: i: \"x\" is not a number; expected digits such as 5 or 0.25"},
             {"i: 1.5\nconfig: {i: {type: integer}}\n",
              "m.yaml:2:4: error: i: \"1.5\" is not a whole number"},
             {"i: 11\nconfig: {i: {type: integer, min: 0, max: 10}}\n",
              "m.yaml:2:4: error: i: \"11\" is too large; the most is 10"},
             {"config: {i: {type: integer, default: -1, min: 0}}\n",
              "m.yaml:2:38: error: config.i.default: \"-1\" is too small; the least is 0"},
             {"s: abc\nconfig: {s: {type: string, max: 2}}\n",
              "m.yaml:2:4: error: s: \"abc\" is too long; the most is 2"},
             {"s: hunter2\nconfig: {s: {type: password, min: 9}}\n",
              "m.yaml:2:4: error: s: \"(hidden)\" is too short; the least is 9"},
             {"s: green\nconfig: {s: {type: select, options: [red, blue]}}\n",
              "m.yaml:2:4: error: s: \"green\" is unknown; expected red or blue"},
             {"config: {s: {type: select}}\n",
              "m.yaml:2:13: error: config.s.options is missing; a select needs its choices"},
             {"s: x\nconfig: {s: {type: select}}\n",
              "m.yaml:3:13: error: config.s.options is missing; a select needs its choices"},
             {"limti: 5\nconfig: {limit: {type: integer}}\n",
              "m.yaml:2:1: warning: unknown key \"limti\"; did you mean \"limit\"?"},
             {"config: {s: {type: strnig}}\n",
              "m.yaml:2:20: error: config.s.type: \"strnig\" is unknown; expected string, "
              "password, number, "
              "integer, boolean, select, list, object, duration, size, text, int, bool, enum, "
              "array or "
              "multiline; did you mean \"string\"?"},
             {"s: [1]\nconfig: {s: {type: string}}\n",
              "m.yaml:2:4: error: s is a list; expected one value"},
             {"l: 1\nconfig: {l: {type: list}}\n", "m.yaml:2:4: error: l is text; expected a list"},
             {"config: {k: {type: string, required: true}}\n",
              "m.yaml:2:10: error: config: \"k\" has no value; add a line such as k: ..."},
             {"config: {k: {type: string, required: true, env: X_K}}\n",
              "m.yaml:2:10: error: config: \"k\" has no value; set X_K in the environment, or k "
              "here"},
             {"config: {timeout: {type: duration}}\n",
              "m.yaml:2:10: error: config.timeout is a key of the manifest itself; give the field "
              "another "
              "name"},
             {"config: {i: {type: integer, env: BAD_INT}}\n",
              "environment: error: BAD_INT: \"seven\" is not a number; expected digits such as 5 "
              "or 0.25"},
             {"config: {o: {type: object, env: BAD_JSON}}\n",
              "environment: error: BAD_JSON: \"[1]\" is not a JSON object"},
             {"config: [a]\n",
              "m.yaml:2:9: error: config is a list; expected a map of keys and values"},
             {"config: {i: {requird: true}}\n",
              "m.yaml:2:14: error: unknown key \"config.i.requird\"; did you mean "
              "\"required\"?"}}) {
        EXPECT_EQ(read_messages("name: x\n" + std::string(row.text), plugin, environment),
                  Lines{std::string(row.expected)})
            << row.text;
    }
}

}  // namespace
}  // namespace ringtime::config
