// Discovery, rules between packages and load order, on real folders.

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

}  // namespace
}  // namespace ringtime::config
