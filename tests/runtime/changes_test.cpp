// What a reload says would change: from real folders, compiled twice.

#include "runtime/changes.h"

#include "runtime/compile.h"
#include "support.h"

namespace ringtime::runtime {
namespace {

using config::Lines;

class Changes : public ::testing::Test {
  protected:
    config::TempTree tree;
    config::Environment environment;
    Published before;
    ReloadReport report;

    void SetUp() override {
        tree.folder("plugins");
        tree.folder("apps");
        environment.set("RUNTIME_PLUGIN_DIRS", tree.path("plugins"));
        environment.set("RUNTIME_WORKER_DIRS", tree.path("apps"));
        environment.set("RUNTIME_CONFIG", tree.path("ringtime.yaml"));
        environment.set("RUNTIME_DATA_DIR", tree.path("data"));
        tree.write("ringtime.yaml", "");
    }
    void site(const std::string& name, const std::string& extra = {}) const {
        tree.write("apps/" + name + "/manifest.yaml",
                   "name: " + name + "\nentrypoint: index.html\n" + extra);
        tree.write("apps/" + name + "/index.html", "<p>");
    }
    void app(const std::string& name, const std::string& code,
             const std::string& extra = {}) const {
        tree.write("apps/" + name + "/manifest.yaml",
                   "name: " + name + "\nentrypoint: app.so\n" + extra);
        tree.write("apps/" + name + "/app.so", code);
    }
    void plugin(const std::string& name, const std::string& extra = {}) const {
        tree.write("plugins/" + name + "/manifest.yaml",
                   "name: " + name + "\npluginEntry: p.so\n" + extra);
        tree.write("plugins/" + name + "/p.so", "native");
    }
    [[nodiscard]] Published load() const {
        config::LoadResult loaded = config::load_configuration(environment);
        EXPECT_EQ(tree.messages(loaded.diagnostics), Lines{});
        config::Diagnostics diagnostics;
        Published published;
        published.configuration = std::move(loaded.configuration);
        Compiled compiled = compile_configuration(published.configuration, 1, diagnostics);
        published.snapshot = std::move(compiled.snapshot);
        published.apps = std::move(compiled.apps);
        return published;
    }
    void remember() { before = load(); }
    /// Since remember(), one line each.
    Lines changes() {
        report = {};
        describe_changes(before, load(), report);
        Lines lines;
        for (const ReloadChange& change : report.changes) {
            std::string line = std::string(change_name(change.kind)) + " " +
                               std::string(part_name(change.part)) + " " + change.name;
            lines.push_back(line);
        }
        return lines;
    }
};

TEST_F(Changes, nothing) {
    site("a");
    app("b", "code");
    plugin("c", "base: /c\npublicRoutes: [/c/open]\n");
    remember();
    EXPECT_EQ(changes(), Lines{});
    // Other words for the same.
    site("a", "# a comment\nbase: /a\n");
    EXPECT_EQ(changes(), Lines{});
}

TEST_F(Changes, routes_and_sites) {
    site("a");
    site("b");
    remember();
    std::filesystem::remove_all(tree.path("apps/a"));
    site("b", "base: /elsewhere\n");
    site("c", "hosts: [c.example.com]\n");
    EXPECT_EQ(changes(), (Lines{"removed route /a", "removed route /b", "added route /elsewhere",
                                "added route c.example.com/c", "removed site a@latest",
                                "changed site b@latest", "added site c@latest"}));
}

TEST_F(Changes, an_app_is_its_bytes_and_its_manifest) {
    app("a", "one");
    app("b", "one");
    app("c", "one");
    remember();
    app("a", "two");
    app("b", "one", "ttl: 1h\n");
    app("c", "one", "# the same\n");
    EXPECT_EQ(changes(), (Lines{"changed app a@latest", "changed app b@latest"}));
    EXPECT_EQ(report.changes[0].detail, "its entrypoint");
    EXPECT_EQ(report.changes[1].detail, "its manifest");
}

TEST_F(Changes, plugins_and_what_depends_on_them) {
    plugin("a");
    plugin("b", "dependencies: [a]\n");
    plugin("c");
    remember();
    plugin("a", "version: 1.0.0\n");
    plugin("c", "hooks: {paths: [/x/**]}\n");
    plugin("d", "hosts: [d.example.com]\n");
    EXPECT_EQ(changes(), (Lines{"changed plugin a", "changed plugin b", "changed plugin c",
                                "added plugin d", "changed hook c", "added hook d"}));
    EXPECT_EQ(report.changes[1].detail, "it depends on a");
    EXPECT_EQ(report.changes[4].detail, "every host -> every host, paths /x/**");
}

TEST_F(Changes, upstreams_and_settings) {
    tree.write("ringtime.yaml",
               "poolSize: 5\nmounts:\n  - {name: u, base: /u, upstream: http://127.0.0.1:9}\n");
    remember();
    tree.write(
        "ringtime.yaml",
        "poolSize: 6\ntimeouts: {head: 3s}\nmounts:\n"
        "  - {name: u, base: /u, upstream: {servers: ['http://127.0.0.1:9'], host: rewrite}}\n");
    EXPECT_EQ(changes(), Lines{"changed upstream u@latest"});
    EXPECT_EQ(report.changes[0].detail, "its settings");
    warn_of_fixed_settings(before.configuration.settings, load().configuration.settings, report);
    ASSERT_EQ(report.problems.size(), 1u);
    EXPECT_EQ(report.problems[0].text, "`poolSize` has changed");
}

TEST_F(Changes, public_routes) {
    plugin("a", "base: /a\npublicRoutes: [/a/open]\n");
    remember();
    plugin("a", "base: /a\npublicRoutes: {GET: [/a/open]}\n");
    EXPECT_EQ(changes(), (Lines{"removed public route ALL /a/open (a)",
                                "added public route GET /a/open (a)"}));
}

TEST(ReloadReport, text_and_json_say_the_same) {
    ReloadReport report;
    report.kind = ReloadKind::dry_run;
    report.changes.push_back(
        {ReloadChange::Part::route, ReloadChange::Kind::added, "/a", "site x"});
    report.ok = true;
    EXPECT_EQ(report.text(), "added    route        /a: site x\ngood: 1 change, nothing applied\n");
    report.ok = false;
    report.problems.push_back({config::Severity::error, "m.yaml", 3, 5, "it is wrong", "mend it"});
    EXPECT_EQ(report.text(),
              "m.yaml:3:5: error: it is wrong; mend it\nadded    route        /a: site x\n"
              "refused; what was in force serves on\n");
    EXPECT_EQ(report.json(),
              R"({"ok":false,"dryRun":true,"epoch":0,"durationMs":0,"problems":[)"
              R"({"severity":"error","file":"m.yaml","line":3,"column":5,"text":"it is wrong",)"
              R"("remedy":"mend it"}],"changes":[{"change":"added","part":"route","name":"/a",)"
              R"("detail":"site x"}],"changesLeftOut":0})"
              "\n");
    EXPECT_EQ(report.summary(), "refused: m.yaml:3:5: error: it is wrong; mend it");
}

}  // namespace
}  // namespace ringtime::runtime
