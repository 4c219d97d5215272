// Discovery, rules between packages and load order, on real folders.

#include "config/overrides.h"
#include "support.h"

namespace ringtime::config {
namespace {

class Packages : public ::testing::Test {
  protected:
    TempTree tree;
    Environment environment;

    void SetUp() override {
        tree.folder("plugins");
        tree.folder("apps");
        environment.set("RUNTIME_PLUGIN_DIRS", tree.path("plugins"));
        environment.set("RUNTIME_WORKER_DIRS", tree.path("apps"));
    }
    void plugin(const std::string& folder, const std::string& manifest) const {
        tree.write("plugins/" + folder + "/manifest.yaml", manifest);
        tree.write("plugins/" + folder + "/p.so", "native");
    }
    void site(const std::string& folder, const std::string& manifest) const {
        tree.write("apps/" + folder + "/manifest.yaml", manifest);
        tree.write("apps/" + folder + "/index.html", "<p>");
    }
    void runtime_config(const std::string& text) {
        tree.write("ringtime.yaml", text);
        environment.set("RUNTIME_CONFIG", tree.path("ringtime.yaml"));
    }
    LoadResult load() const { return load_configuration(environment); }
    Lines problems() const { return tree.messages(load().diagnostics); }
    Lines order() const {
        Lines names;
        for (const Package& package : load().configuration.packages) {
            names.push_back(*package.manifest.name);
        }
        return names;
    }
};

TEST_F(Packages, five_lines_are_a_reverse_proxy) {
    TempTree alone;
    alone.write("proxy.yaml",
                "listen: 127.0.0.1:8080\n"
                "mounts:\n"
                "  - base: /\n"
                "    upstream:\n"
                "      servers: [http://127.0.0.1:9000]\n");
    Environment only;
    only.set("RUNTIME_CONFIG", alone.path("proxy.yaml"));
    LoadResult result = load_configuration(only);
    EXPECT_EQ(alone.messages(result.diagnostics), Lines{});
    ASSERT_EQ(result.configuration.packages.size(), 1u);
    const Package& package = result.configuration.packages[0];
    EXPECT_EQ(*package.manifest.name, "root");
    EXPECT_EQ(*package.manifest.base, "/");
    ASSERT_TRUE(package.manifest.upstream);
    EXPECT_EQ(package.manifest.upstream->servers[0].host, "127.0.0.1");
    EXPECT_EQ(package.manifest.upstream->servers[0].port, 9000);
    EXPECT_EQ(listen_text(result.configuration.settings.listen[0]), "127.0.0.1:8080");
}

TEST_F(Packages, a_folder_is_named_once) {
    site("plain", "name: plain\n");
    environment.set("RUNTIME_PLUGIN_DIRS", tree.path("apps"));
    EXPECT_EQ(problems(),
              (Lines{"environment: error: RUNTIME_WORKER_DIRS: \"apps\" is one of "
                     "RUNTIME_PLUGIN_DIRS as well; give apps and plugins folders of their own: "
                     "what lies among apps never becomes native code of the gateway"}));
    environment.set("RUNTIME_PLUGIN_DIRS", tree.path("plugins"));
    environment.set("RUNTIME_WORKER_DIRS", tree.path("apps") + ":" + tree.path("plugins/../apps/"));
    EXPECT_EQ(problems(),
              (Lines{"environment: error: RUNTIME_WORKER_DIRS: \"plugins/../apps/\" is named "
                     "twice; name it once"}));
}

TEST_F(Packages, apps_are_found_in_every_layout) {
    site("plain", "name: plain\n");
    site("versioned/1.2.3", "name: versioned\n");
    site("versioned/2.0.0-rc.1", "name: versioned\n");
    site("tagged@1.0.0", "name: tagged\n");
    site("@team/scoped", "name: '@team/scoped'\n");
    site("@team/other@0.1.0", "name: '@team/other'\n");
    LoadResult result = load();
    EXPECT_EQ(tree.messages(result.diagnostics), Lines{});
    Lines found;
    for (const Package& package : result.configuration.packages) {
        found.push_back(*package.manifest.base + " " + version_text(*package.manifest.version));
    }
    EXPECT_EQ(found, (Lines{"/@team/other 0.1.0", "/@team/scoped latest", "/plain latest",
                            "/tagged 1.0.0", "/versioned 1.2.3", "/versioned 2.0.0-rc.1"}));
}

TEST_F(Packages, a_dependency_is_loaded_before_what_needs_it) {
    plugin("a", "name: a\npluginEntry: p.so\ndependencies: [c]\n");
    plugin("b", "name: b\npluginEntry: p.so\noptionalDependencies: [absent]\n");
    plugin("c", "name: c\npluginEntry: p.so\n");
    EXPECT_EQ(problems(), Lines{});
    EXPECT_EQ(order(), (Lines{"b", "c", "a"}));
}

TEST_F(Packages, a_cycle_is_named_as_a_path) {
    plugin("a", "name: a\npluginEntry: p.so\ndependencies: [b]\n");
    plugin("b", "name: b\npluginEntry: p.so\ndependencies: [c]\n");
    plugin("c", "name: c\npluginEntry: p.so\ndependencies: [a]\n");
    EXPECT_EQ(problems(), (Lines{"plugins/a/manifest.yaml:3:16: error: dependencies: a cycle: "
                                 "a -> b -> c -> a; remove one of them"}));
}

TEST_F(Packages, plugins_are_found_directly_in_subfolders_and_in_scopes) {
    plugin("one", "name: one\npluginEntry: p.so\n");
    plugin("@team/two", "name: '@team/two'\npluginEntry: p.so\n");
    tree.write("direct/manifest.yml", "name: direct\npluginEntry: p.so\n");
    tree.write("direct/p.so", "native");
    environment.set("RUNTIME_PLUGIN_DIRS", tree.path("plugins") + ":" + tree.path("direct"));
    EXPECT_EQ(problems(), Lines{});
    EXPECT_EQ(order(), (Lines{"@team/two", "one", "direct"}));
}

TEST_F(Packages, hidden_folders_and_node_modules_are_not_searched) {
    site(".git", "name: [broken");
    site("node_modules", "name: [broken");
    site("shown", "name: shown\n");
    EXPECT_EQ(problems(), Lines{});
    EXPECT_EQ(order(), Lines{"shown"});
}

TEST_F(Packages, the_order_is_that_of_folders_then_names_then_versions) {
    tree.folder("more");
    tree.write("more/a/manifest.yaml", "name: a\npluginEntry: p.so\n");
    tree.write("more/a/p.so", "");
    plugin("z", "name: z\npluginEntry: p.so\n");
    site("m/10.0.0", "name: m\n");
    site("m/9.0.0", "name: m\n");
    site("b", "name: b\n");
    environment.set("RUNTIME_PLUGIN_DIRS", tree.path("plugins") + ":" + tree.path("more"));
    EXPECT_EQ(problems(), Lines{});
    EXPECT_EQ(order(), (Lines{"z", "a", "b", "m", "m"}));
    auto result = load();
    EXPECT_EQ(version_text(*result.configuration.packages[3].manifest.version), "9.0.0");
}

TEST_F(Packages, files_are_resolved_inside_the_package) {
    tree.write("apps/shop/manifest.yaml", "name: shop\nentrypoint: dist/app.html\n");
    tree.write("apps/shop/dist/app.html", "<p>");
    auto result = load();
    EXPECT_EQ(tree.messages(result.diagnostics), Lines{});
    const Package& package = result.configuration.packages[0];
    EXPECT_EQ(package.folder, tree.path("apps/shop"));
    EXPECT_EQ(package.entrypoint_file, tree.path("apps/shop/dist/app.html"));
}

TEST_F(Packages, default_entrypoints_are_found_in_order) {
    tree.write("apps/a/manifest.yaml", "name: a\n");
    tree.write("apps/a/index.js", "");
    tree.write("apps/a/index.html", "");
    auto result = load();
    EXPECT_EQ(tree.messages(result.diagnostics), Lines{});
    EXPECT_EQ(result.configuration.packages[0].entrypoint_file, tree.path("apps/a/index.html"));
}

TEST_F(Packages, javascript_is_refused_until_it_works) {
    tree.write("apps/a/manifest.yaml", "name: a\n");
    tree.write("apps/a/index.ts", "");
    tree.write("apps/b/manifest.yaml", "name: b\nentrypoint: x.mjs\n");
    EXPECT_EQ(
        problems(),
        (Lines{
            "apps/a/manifest.yaml:1:7: error: entrypoint: \"index.ts\" is JavaScript, which does "
            "not "
            "run yet; use an .html page, a .so worker module or a worker program",
            "apps/b/manifest.yaml:2:13: error: entrypoint: \"x.mjs\" is JavaScript, which does not "
            "run yet; use an .html page, a .so worker module or a worker program"}));
}

TEST_F(Packages, a_script_beside_a_native_plugin_is_not_its_entrypoint) {
    plugin("a", "name: a\nbase: /a\npluginEntry: p.so\n");
    tree.write("plugins/a/index.js", "");
    EXPECT_EQ(problems(), Lines{});
}

TEST_F(Packages, missing_and_escaping_files_are_told) {
    tree.write("secret.html", "");
    tree.write("secret.so", "");
    tree.write("apps/gone/manifest.yaml", "name: gone\nentrypoint: a.html\n");
    tree.write("apps/link/manifest.yaml", "name: link\nentrypoint: a.html\n");
    tree.link("apps/link/a.html", "../../secret.html");
    tree.write("apps/plain/manifest.yaml", "name: plain\nentrypoint: run\n");
    tree.write("apps/plain/run", "");
    tree.write("apps/zone/manifest.yaml", "name: zone\nentrypoint: a.html\n");
    tree.folder("apps/zone/a.html");
    tree.write("plugins/p/manifest.yaml", "name: p\npluginEntry: p.so\n");
    tree.link("plugins/p/p.so", tree.path("secret.so"));
    EXPECT_EQ(
        problems(),
        (Lines{"plugins/p/manifest.yaml:2:14: error: pluginEntry: \"p.so\" leads out of the "
               "package; it "
               "is secret.so",
               "apps/gone/manifest.yaml:2:13: error: entrypoint: \"a.html\" does not exist; looked "
               "for "
               "apps/gone/a.html",
               "apps/link/manifest.yaml:2:13: error: entrypoint: \"a.html\" leads out of the "
               "package; it "
               "is secret.html",
               "apps/plain/manifest.yaml:2:13: error: entrypoint: \"run\" is not executable; run "
               "chmod "
               "+x apps/plain/run; sites end in .html, worker modules in .so",
               "apps/zone/manifest.yaml:2:13: error: entrypoint: \"a.html\" is not a file; found "
               "apps/zone/a.html"}));
}

TEST_F(Packages, a_linked_release_folder_keeps_its_name) {
    tree.write("releases/7/manifest.yaml", "name: shop\n");
    tree.write("releases/7/index.html", "");
    tree.link("apps/shop", tree.path("releases/7"));
    auto result = load();
    EXPECT_EQ(tree.messages(result.diagnostics), Lines{});
    EXPECT_EQ(result.configuration.packages[0].folder, tree.path("apps/shop"));
}

TEST_F(Packages, native_code_never_comes_from_a_folder_of_apps) {
    tree.write("apps/evil/manifest.yaml", "name: evil\npluginEntry: p.so\n");
    tree.write("apps/evil/p.so", "");
    tree.write("apps/nested/plugins/x/manifest.yaml", "name: x\npluginEntry: p.so\n");
    tree.write("apps/nested/plugins/x/p.so", "");
    environment.set("RUNTIME_PLUGIN_DIRS", tree.path("apps/nested/plugins"));
    EXPECT_EQ(
        problems(),
        (Lines{
            "apps/evil/manifest.yaml:2:14: error: pluginEntry is not allowed in a folder of apps; "
            "native plugins are loaded from RUNTIME_PLUGIN_DIRS only",
            "apps/nested: warning: the folder holds no manifest.yaml; it is left out",
            "apps/nested/plugins/x/manifest.yaml:2:14: error: pluginEntry: \"p.so\" lies in a "
            "folder "
            "of apps (" +
                tree.path("apps").substr(tree.root().size() + 1) +
                "); an uploaded app must "
                "never become native code of the gateway"}));
}

TEST_F(Packages, one_base_has_one_package) {
    site("a", "name: a\nbase: /shop\n");
    site("b", "name: b\n\nbase: /shop\n");
    site("c", "name: c\nbase: /shop\nhosts: [c.com]\n");
    site("d", "name: d\nbase: /shop\nhosts: [d.com, c.com]\n");
    EXPECT_EQ(
        problems(),
        (Lines{"apps/b/manifest.yaml:3:7: error: base: \"/shop\" is taken by \"a\"; the other "
               "is apps/a/manifest.yaml:2:7",
               "apps/d/manifest.yaml:2:7: error: base: \"/shop\" of host \"c.com\" is taken by "
               "\"c\"; the other is apps/c/manifest.yaml:2:7"}));
}

TEST_F(Packages, one_name_has_one_package_but_apps_have_versions) {
    plugin("a", "name: same\npluginEntry: p.so\n");
    plugin("b", "name: same\npluginEntry: p.so\n");
    site("c/1.0.0", "name: c\n");
    site("c/2.0.0", "name: c\n");
    site("c@2.0.0", "name: c\n");
    EXPECT_EQ(
        problems(),
        (Lines{"plugins/b/manifest.yaml:1:7: error: name: \"same\" is taken; the other is "
               "plugins/a/manifest.yaml:1:7",
               "apps/c@2.0.0/manifest.yaml:1:7: error: \"c@2.0.0\" is there twice; the other is "
               "apps/c/2.0.0/manifest.yaml:1:7"}));
}

TEST_F(Packages, the_version_is_the_folders) {
    site("a/1.0.0", "name: a\nversion: 2.0.0\n");
    EXPECT_EQ(problems(),
              Lines{"apps/a/1.0.0/manifest.yaml:2:10: warning: version: 2.0.0 is not that of the "
                    "folder (1.0.0); the folder's is used"});
    EXPECT_EQ(version_text(*load().configuration.packages[0].manifest.version), "1.0.0");
    site("b@x", "name: b\n");
    EXPECT_EQ(problems().back(),
              "apps/b@x: error: \"x\" is not a version; expected a folder such as name@1.2.3");
}

TEST_F(Packages, reserved_bases_are_refused) {
    site("a", "name: a\nbase: /api\n");
    site("b", "name: b\nbase: /api/v1\n");
    site("c", "name: c\nbase: /health\n");
    site("d", "name: d\nbase: /.well-known/ringtime\n");
    site("e", "name: e\nbase: /.well-known\n");
    site("f", "name: f\nbase: /apis\n");
    site("ready", "name: ready\n");
    EXPECT_EQ(
        problems(),
        (Lines{
            "apps/a/manifest.yaml:2:7: error: base: \"/api\" is reserved for the gateway (/api); "
            "choose another, or move the API with RUNTIME_API_PREFIX",
            "apps/b/manifest.yaml:2:7: error: base: \"/api/v1\" is reserved for the gateway "
            "(/api); "
            "choose another, or move the API with RUNTIME_API_PREFIX",
            "apps/c/manifest.yaml:2:7: error: base: \"/health\" is reserved for the gateway "
            "(/health); choose another",
            "apps/d/manifest.yaml:2:7: error: base: \"/.well-known/ringtime\" is reserved for the "
            "gateway (/.well-known/ringtime); choose another",
            "apps/ready/manifest.yaml:1:7: error: base: \"/ready\" is reserved for the gateway "
            "(/ready); choose another"}));
}

TEST_F(Packages, an_api_prefix_frees_api) {
    site("a", "name: a\nbase: /api\n");
    environment.set("RUNTIME_API_PREFIX", "/_");
    EXPECT_EQ(problems(), Lines{});
    site("b", "name: b\nbase: /_/api/x\n");
    EXPECT_EQ(problems().size(), 1u);
}

TEST_F(Packages, public_routes_outside_the_base_need_consent) {
    plugin("a", "name: a\nbase: /a\npluginEntry: p.so\npublicRoutes: [/a, /a/**, /login, /ab]\n");
    EXPECT_EQ(
        problems(),
        (Lines{
            "plugins/a/manifest.yaml:4:27: error: publicRoutes: \"/login\" is outside the plugin's "
            "base; allow it in RUNTIME_CONFIG: allowPublicRoutes: {\"a\": [\"/login\"]}",
            "plugins/a/manifest.yaml:4:35: error: publicRoutes: \"/ab\" is outside the plugin's "
            "base; "
            "allow it in RUNTIME_CONFIG: allowPublicRoutes: {\"a\": [\"/ab\"]}"}));
    runtime_config("allowPublicRoutes: {a: [/login, /ab]}\n");
    EXPECT_EQ(problems(), Lines{});
    runtime_config("allowPublicRoutes: {a: ['**']}\n");
    EXPECT_EQ(problems(), Lines{});
}

TEST_F(Packages, globs_of_apps_are_below_their_base) {
    site("a", "name: a\npublicRoutes: [/api/health]\n");
    plugin("p", "name: p\nbase: /p\npluginEntry: p.so\npublicRoutes: [/p/x]\n");
    auto result = load();
    EXPECT_EQ(tree.messages(result.diagnostics), Lines{});
    const auto& packages = result.configuration.packages;
    EXPECT_EQ(absolute_glob(packages[0], packages[0].manifest.public_routes[0]), "/p/x");
    EXPECT_EQ(absolute_glob(packages[1], packages[1].manifest.public_routes[0]), "/a/api/health");
}

TEST_F(Packages, secrets_need_the_operators_grant) {
    tree.write("apps/a/a.so", "");
    tree.write("apps/a/manifest.yaml",
               "name: a\nentrypoint: a.so\nenv: {DB_URL: x, MODE: m, B_TOKEN: t}\n");
    site("b", "name: b\nenv: {DB_URL: nobody gets it}\n");
    EXPECT_EQ(problems(),
              Lines{"apps/a/manifest.yaml:3:1: warning: env: kept from the worker, they look like "
                    "secrets: DB_URL, B_TOKEN; allow them in RUNTIME_CONFIG under apps: \"a\": "
                    "env:"});
    runtime_config("apps: {a: {env: {DB_URL: real, B_TOKEN: t, MODE: n}}}\n");
    auto result = load();
    EXPECT_EQ(tree.messages(result.diagnostics), Lines{});
    EXPECT_EQ(result.configuration.packages[0].manifest.env,
              (Variables{{"DB_URL", "real"}, {"B_TOKEN", "t"}, {"MODE", "n"}}));
}

TEST_F(Packages, a_grant_for_nobody_is_a_warning) {
    site("shop", "name: shop\n");
    runtime_config("apps:\n  shpo: {env: {A: b}}\n");
    EXPECT_EQ(problems(),
              Lines{"ringtime.yaml:2:3: warning: apps: there is no package \"shpo\"; did you mean "
                    "\"shop\"?"});
}

TEST_F(Packages, a_missing_dependency_is_named_with_the_closest) {
    plugin("a", "name: a\npluginEntry: p.so\ndependencies: [databse, off, gone]\n");
    plugin("database", "name: database\npluginEntry: p.so\n");
    plugin("off", "name: 'off'\npluginEntry: missing.so\nenabled: false\n");
    EXPECT_EQ(problems(),
              (Lines{"plugins/a/manifest.yaml:3:16: error: dependencies: \"databse\" is not there; "
                     "did you mean "
                     "\"database\"?",
                     "plugins/a/manifest.yaml:3:25: error: dependencies: \"off\" is disabled; see "
                     "plugins/off/manifest.yaml",
                     "plugins/a/manifest.yaml:3:30: error: dependencies: \"gone\" is not there; "
                     "install it, or "
                     "list it under optionalDependencies"}));
}

TEST_F(Packages, every_cycle_is_named_once) {
    plugin("a", "name: a\npluginEntry: p.so\ndependencies: [a]\n");
    plugin("b", "name: b\npluginEntry: p.so\noptionalDependencies: [c]\n");
    plugin("c", "name: c\npluginEntry: p.so\ndependencies: [b]\n");
    plugin("d", "name: d\npluginEntry: p.so\ndependencies: [c]\n");
    EXPECT_EQ(
        problems(),
        (Lines{"plugins/a/manifest.yaml:3:16: error: dependencies: a cycle: a -> a; remove one "
               "of them",
               "plugins/b/manifest.yaml:3:24: error: dependencies: a cycle: b -> c -> b; remove "
               "one of them"}));
}

TEST_F(Packages, overrides_win_over_enabled) {
    site("a", "name: a\n");
    site("b", "name: b\nenabled: false\n");
    site("c", "name: c\n");
    environment.set("RUNTIME_DATA_DIR", tree.path("data"));
    EXPECT_EQ(order(), (Lines{"a", "c"}));
    Overrides overrides;
    overrides.enabled["a"] = {false, {}};
    overrides.enabled["b"] = {true, {}};
    tree.write("data/overrides.yaml", overrides_text(overrides));
    EXPECT_EQ(order(), (Lines{"b", "c"}));
    EXPECT_EQ(problems(), Lines{});
}

TEST_F(Packages, overrides_are_checked) {
    site("a", "name: a\n");
    environment.set("RUNTIME_DATA_DIR", tree.path("data"));
    tree.write("data/overrides.yaml", "enabled: {a: perhaps, gone: false}\nother: 1\n");
    EXPECT_EQ(problems(),
              (Lines{"data/overrides.yaml:2:1: warning: unknown key \"other\"",
                     "data/overrides.yaml:1:14: error: enabled.a: \"perhaps\" is not true "
                     "or false",
                     "data/overrides.yaml:1:23: warning: enabled: there is no package \"gone\"; it "
                     "is left out"}));
    tree.write("data/overrides.yaml", "");
    EXPECT_EQ(problems(), Lines{});
}

TEST_F(Packages, disabled_packages_are_listed_but_not_checked) {
    plugin("a", "name: a\npluginEntry: missing.so\nenabled: false\n");
    auto result = load();
    EXPECT_EQ(tree.messages(result.diagnostics), Lines{});
    EXPECT_TRUE(result.configuration.packages.empty());
    ASSERT_EQ(result.configuration.disabled.size(), 1u);
    EXPECT_EQ(*result.configuration.disabled[0].manifest.name, "a");
}

TEST_F(Packages, folders_that_are_not_there_are_told) {
    tree.write("file", "");
    environment.set("RUNTIME_WORKER_DIRS", tree.path("gone") + ":" + tree.path("file"));
    EXPECT_EQ(
        problems(),
        (Lines{"environment: error: RUNTIME_WORKER_DIRS: \"gone\" does not exist; name existing "
               "folders, separated by colons",
               "environment: error: RUNTIME_WORKER_DIRS: \"file\" is not a folder; name "
               "existing folders, separated by colons"}));
}

TEST_F(Packages, folders_without_a_manifest_are_a_warning) {
    tree.folder("apps/a");
    tree.write("apps/readme.md", "");
    EXPECT_EQ(problems(),
              Lines{"apps/a: warning: the folder holds no manifest.yaml; it is left out"});
}

TEST_F(Packages, nothing_to_serve_is_an_error) {
    Environment empty;
    empty.set("RUNTIME_PLUGIN_DIRS", tree.path("plugins"));
    EXPECT_EQ(tree.messages(load_configuration(empty).diagnostics),
              Lines{"environment: error: there is nothing to serve; set RUNTIME_WORKER_DIRS to the "
                    "folders of your apps, RUNTIME_PLUGIN_DIRS to those of plugins, or "
                    "RUNTIME_CONFIG to a file with mounts"});
}

TEST_F(Packages, a_package_that_mounts_nothing_is_told) {
    tree.write("apps/a/manifest.yaml", "name: a\n");
    tree.write("plugins/b/manifest.yaml", "name: b\n");
    EXPECT_EQ(
        problems(),
        (Lines{
            "plugins/b/manifest.yaml:1:7: error: \"b\" mounts nothing; add entrypoint, upstream or "
            "pluginEntry",
            "apps/a/manifest.yaml:1:7: error: \"a\" mounts nothing; add an entrypoint or an "
            "index.html"}));
}

TEST_F(Packages, a_refused_entrypoint_is_one_message) {
    tree.write("apps/a/manifest.yaml", "name: a\nentrypoint: ../x.html\n");
    EXPECT_EQ(problems().size(), 1u);
}

TEST_F(Packages, an_empty_or_unreadable_manifest_is_told) {
    tree.write("apps/a/manifest.yaml", "# nothing\n");
    tree.link("apps/b/manifest.yaml", "gone");
    tree.write("apps/c/manifest.yaml", "name: c\n");
    tree.write("apps/c/manifest.yml", "name: d\n");
    tree.write("apps/c/index.html", "");
    EXPECT_EQ(
        problems(),
        (Lines{
            "apps/a/manifest.yaml: error: the file is empty; a manifest needs a name at least",
            "apps/b/manifest.yaml: error: the file cannot be read: No such file or directory",
            "apps/c/manifest.yml: warning: manifest.yaml stands beside it; this one is not read"}));
}

TEST_F(Packages, mounts_are_packages_with_names_of_their_own) {
    tree.write("www/index.html", "");
    tree.write_program("bin/server");
    runtime_config(
        "mounts:\n"
        "  - {base: /, upstream: http://a}\n"
        "  - {base: /, hosts: ['*.example.com'], upstream: http://a}\n"
        "  - {base: /Docs/v1, entrypoint: www/index.html}\n"
        "  - {base: /docs-v1, entrypoint: " +
        tree.path("bin/server") +
        "}\n"
        "  - {name: named, base: /n, upstream: http://a, maxBodySize: 1kb}\n");
    auto result = load();
    EXPECT_EQ(tree.messages(result.diagnostics), Lines{});
    Lines found;
    for (const Package& package : result.configuration.packages) {
        found.push_back(*package.manifest.name + " " + package.folder.substr(tree.root().size()));
    }
    EXPECT_EQ(found, (Lines{"root ", "example-com ", "docs-v1 /www", "docs-v1-2 /bin", "named "}));
}

TEST_F(Packages, faults_of_mounts_name_their_lines) {
    runtime_config(
        "mounts:\n"
        "  - {base: /a, upstream: http://a}\n"
        "  - {base: /a, upstream: http://b}\n"
        "  - {base: /b}\n"
        "  - text\n");
    EXPECT_EQ(
        problems(),
        (Lines{
            "ringtime.yaml:5:5: error: mounts: an item is text; expected a map such as {base: /, "
            "upstream: http://127.0.0.1:9000}",
            "ringtime.yaml:4:5: error: \"b\" mounts nothing; add entrypoint, upstream or "
            "pluginEntry",
            "ringtime.yaml:3:12: error: base: \"/a\" is taken by \"a\"; the other is "
            "ringtime.yaml:2:12"}));
}

// Checked builds take half a minute for what takes others two seconds.
#ifdef __SANITIZE_ADDRESS__
constexpr size_t kManyMounts = 10'000;
#else
constexpr size_t kManyMounts = 100'000;
#endif

TEST_F(Packages, a_hundred_thousand_mounts_load_and_conflicts_among_them_are_found) {
    std::string text = "mounts:\n";
    for (size_t i = 0; i < kManyMounts; ++i) {
        text += "- {base: /r" + std::to_string(i % 1000) + "/s" + std::to_string(i) +
                ", upstream: 'http://127.0.0.1:9000'}\n";
    }
    text += "- {base: /r7/s7, upstream: 'http://127.0.0.1:9000'}\n";
    runtime_config(text);
    auto result = load();
    EXPECT_EQ(result.configuration.packages.size(), kManyMounts + 1);
    const std::string last = std::to_string(kManyMounts + 2);
    EXPECT_EQ(tree.messages(result.diagnostics),
              Lines{"ringtime.yaml:" + last + ":10: error: base: \"/r7/s7\" is taken by "
                    "\"r7-s7\"; the other is ringtime.yaml:9:10"});
}

}  // namespace
}  // namespace ringtime::config
