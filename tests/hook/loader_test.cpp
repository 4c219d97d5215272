// From a file to a running plugin and back: what is refused and how it is explained, the order of
// things, isolation, generations.

#include <filesystem>
#include <fstream>

#include "hook/limited_call.h"
#include "support.h"

namespace ringtime::hook {
namespace {

struct LoaderTest : HookTest {
    /// Loads `spec` alone and expects one problem whose cause and remedy contain these.
    void expect_refused(PluginSpec spec, std::string_view cause, std::string_view remedy) {
        std::string name = spec.name;
        std::string file = spec.file;
        LoadResult result = load({std::move(spec)});
        EXPECT_FALSE(result.set);
        ASSERT_EQ(result.problems.size(), 1u);
        const PluginProblem& problem = result.problems.front();
        EXPECT_EQ(problem.plugin, name);
        EXPECT_EQ(problem.file, file);
        EXPECT_NE(problem.cause.find(cause), std::string::npos) << problem.text();
        EXPECT_NE(problem.remedy.find(remedy), std::string::npos) << problem.text();
    }
};

TEST_F(LoaderTest, a_missing_file) {
    expect_refused(spec("x", "nowhere"), "cannot be read: No such file", "pluginEntry");
}

TEST_F(LoaderTest, a_file_that_is_no_shared_object) {
    PluginSpec made = spec("x");
    made.file = std::string(TEST_PLUGINS) + "/no_elf.so";
    std::ofstream(made.file) << "#!/bin/sh\n";
    expect_refused(made, made.file, "architecture");
}

TEST_F(LoaderTest, a_shared_object_that_is_no_plugin) {
    expect_refused(spec("x", "no_symbol"), "`ringtime_plugin`", "RINGTIME_PLUGIN");
}

TEST_F(LoaderTest, another_abi) {
    expect_refused(spec("x", "wrong_abi"), "ABI 77, this gateway has 1", "rebuild");
}

TEST_F(LoaderTest, a_table_smaller_than_the_first_version) {
    expect_refused(spec("x", "small_table"), "24 bytes", "rebuild");
}

TEST_F(LoaderTest, a_longer_table_is_taken_unless_it_uses_what_we_do_not_have) {
    LoadResult result = load({spec("x", "newer_unused")});
    EXPECT_TRUE(result.set) << result.problems.front().text();
    expect_refused(spec("x", "newer_used"), "hooks this gateway does not have", "update");
}

TEST_F(LoaderTest, configuration_that_is_no_object) {
    PluginSpec made = spec("x");
    made.config_json = "{\"a\":}";
    expect_refused(made, "not valid JSON at byte 5", "`config`");
    made.config_json = "[1]";
    expect_refused(made, "not a JSON object", "`config`");
}

TEST_F(LoaderTest, a_glob_that_is_none) {
    PluginSpec made = puppet("x");
    made.paths = {"no-slash"};
    expect_refused(made, "\"no-slash\"", "globs");
}

TEST_F(LoaderTest, an_exception_in_init) {
    expect_refused(puppet("x", R"("on_init":"throw")"), "the moon is wrong", "documentation");
}

TEST_F(LoaderTest, a_fraction_where_a_whole_number_belongs) {
    PluginSpec made = puppet("x");
    for (const char* number : {"1.5", "99999999999999999999", "1e99", "-0.1"}) {
        made.config_json = std::string(R"({"control":)") + number + "}";
        expect_refused(made, "control is not a whole number", "configuration");
    }
    // However it is written.
    start({puppet("x", R"("tick":2.0e1)")});
    port.advance(20);
    EXPECT_EQ(control.take(), Journal{"x.tick"});
}

TEST_F(LoaderTest, routes_without_a_base) {
    expect_refused(puppet("x", R"("routes":true)"), "no base", "`base`");
}

TEST_F(LoaderTest, an_init_that_never_returns) {
    LoadResult result = load({puppet("x", R"("on_init":"block")")}, {.init_limit = 20});
    EXPECT_FALSE(result.set);
    ASSERT_EQ(result.problems.size(), 1u);
    EXPECT_NE(result.problems[0].cause.find("within 20 ms"), std::string::npos);
    // The thread that was left behind goes on in code that must still be there.
    control.reached.wait();
    control.gate.open();
}

TEST_F(LoaderTest, the_lifecycle_in_order_and_shutdown_in_reverse) {
    LoadResult result = load({puppet("a"), puppet("b")});
    ASSERT_TRUE(result.set);
    EXPECT_TRUE(result.set->start_core(0).problems.empty());
    result.set->server_started();
    result.set->stop_core(0);
    EXPECT_TRUE(result.set->shut_down().empty());
    EXPECT_EQ(control.take(),
              (Journal{"a.on_init", "b.on_init", "a.on_core_start 0", "b.on_core_start 0",
                       "a.on_server_start", "b.on_server_start", "b.on_core_stop", "a.on_core_stop",
                       "b.on_shutdown", "a.on_shutdown"}));
}

TEST_F(LoaderTest, an_abort_stops_what_had_started) {
    LoadResult result = load({puppet("a"), puppet("b", R"("on_init":"throw")"), puppet("c")});
    EXPECT_FALSE(result.set);
    EXPECT_EQ(control.take(), (Journal{"a.on_init", "b.on_init", "a.on_shutdown"}));
}

TEST_F(LoaderTest, who_says_why_he_fails_has_failed) {
    LoadResult result = load({puppet("a", R"("on_init":"say why")")});
    EXPECT_FALSE(result.set);
    ASSERT_EQ(result.problems.size(), 1u);
    EXPECT_EQ(result.problems[0].cause, "on_init failed: the moon is full");
    // He was made all the same, so he has his end.
    EXPECT_EQ(control.take(), (Journal{"a.on_init", "a.on_shutdown"}));
}

TEST_F(LoaderTest, what_is_refused_of_a_contribution_is_said) {
    const std::pair<const char*, const char*> rows[] = {
        {"bad pattern", "the route `items/:id`: a pattern begins with `/`"},
        {"bad method", "the route `/items/:id`: `Get` is no method"},
        {"bad static", "make_static answers with status 204 and content"}};
    for (auto [what, line] : rows) {
        SCOPED_TRACE(what);
        Heard heard;
        EXPECT_FALSE(load({puppet("a", "\"on_init\":\"" + std::string(what) + "\"")}).set);
        EXPECT_EQ(heard.count(line), 1);
    }
}

TEST_F(LoaderTest, a_shutdown_that_never_returns_is_reported_and_the_rest_goes_on) {
    LoadResult result =
        load({puppet("a"), puppet("b", R"("on_shutdown":"block")")}, {.shutdown_limit = 2000});
    ASSERT_TRUE(result.set);
    std::vector<PluginProblem> problems = result.set->shut_down();
    ASSERT_EQ(problems.size(), 1u);
    EXPECT_NE(problems[0].text().find("plugin b"), std::string::npos);
    EXPECT_EQ(control.take().back(), "a.on_shutdown");
    control.gate.open();
}

// --- Isolation ---

TEST_F(LoaderTest, an_isolated_plugin_is_down_and_its_requests_with_it) {
    PluginSpec broken = puppet("broken", R"("on_init":"throw")");
    broken.on_failure = OnFailure::isolate;
    broken.paths = {"/api/**"};
    LoadResult result = load({puppet("a"), broken, puppet("c")});
    ASSERT_TRUE(result.set);
    ASSERT_EQ(result.problems.size(), 1u);
    set = std::move(result.set);
    EXPECT_TRUE(set->start_core(0).problems.empty());
    chain = set->chain_for("");
    (void)control.take();

    exchange.facts.path = exchange.facts.full_path = "/api/x";
    EXPECT_EQ(request(), Outcome::failed);
    EXPECT_EQ(run.reason(), Reason::plugin_down);
    EXPECT_EQ(run.decided_by(), "broken");
    EXPECT_EQ(respond(503), Outcome::go_on);
    EXPECT_EQ(control.take(), (Journal{"a.on_request", "a.on_response 503"}));
    run.end();

    exchange.facts.path = exchange.facts.full_path = "/page";
    EXPECT_EQ(request(), Outcome::go_on);
    EXPECT_EQ(control.take(), (Journal{"a.on_request", "c.on_request"}));
    run.end();

    exchange.facts.path = exchange.facts.full_path = "/api/x";
    exchange.facts.is_public = true;
    EXPECT_EQ(request(), Outcome::go_on);
}

TEST_F(LoaderTest, a_plugin_that_never_showed_its_table_is_taken_to_guard) {
    PluginSpec broken = spec("broken", "nowhere");
    broken.on_failure = OnFailure::isolate;
    set = load({broken}).set;
    ASSERT_TRUE(set);
    chain = set->chain_for("");
    EXPECT_EQ(request(), Outcome::failed);
    EXPECT_EQ(run.reason(), Reason::plugin_down);
}

TEST_F(LoaderTest, what_depends_on_a_plugin_that_is_down_is_down) {
    PluginSpec broken = puppet("broken", R"("on_init":"throw")");
    broken.on_failure = OnFailure::isolate;
    PluginSpec dependent = puppet("dependent");
    dependent.dependencies = {"broken"};
    dependent.on_failure = OnFailure::isolate;
    LoadResult result = load({broken, dependent});
    ASSERT_TRUE(result.set);
    ASSERT_EQ(result.problems.size(), 2u);
    EXPECT_NE(result.problems[1].cause.find("depends on broken"), std::string::npos);
    EXPECT_EQ(control.take(), Journal{"broken.on_init"});
}

TEST_F(LoaderTest, a_core_that_does_not_start_brings_its_plugin_down) {
    PluginSpec broken = puppet("broken", R"("on_core_start":"throw")");
    LoadResult result = load({broken});
    ASSERT_TRUE(result.set);
    set = std::move(result.set);
    CoreStart started = set->start_core(0);
    EXPECT_EQ(started.problems.size(), 1u);
    EXPECT_TRUE(started.must_abort);
    chain = set->chain_for("");
    EXPECT_EQ(request(), Outcome::failed);
    EXPECT_EQ(run.reason(), Reason::plugin_down);
}

// --- Services ---

TEST_F(LoaderTest, services_come_from_declared_dependencies_in_their_version) {
    PluginSpec user = puppet("user", R"("use":"pot")");
    user.dependencies = {"owner"};
    PluginSpec stranger = puppet("stranger", R"("use":"pot")");
    set = load({puppet("owner", R"("provide":true)"), user, stranger}).set;
    ASSERT_TRUE(set);
    EXPECT_EQ(control.take(), (Journal{"owner.on_init", "user.on_init", "user.found",
                                       "stranger.on_init", "stranger.not found"}));
}

// --- Generations ---

TEST_F(LoaderTest, one_file_loaded_twice_is_two_plugins) {
    start({puppet("a", R"("on_request":"edit")")});
    PluginSet* first = set.get();
    LoadResult second = load({puppet("a", R"("on_request":"answer")")});
    ASSERT_TRUE(second.set);
    EXPECT_NE(second.set->find("a")->table().on_request, first->find("a")->table().on_request);
    EXPECT_TRUE(second.set->start_core(0).problems.empty());
    EXPECT_EQ(request(), Outcome::go_on);
    run.end();
    chain = second.set->chain_for("");
    EXPECT_EQ(request(), Outcome::answered);
    run.end();
    second.set->stop_core(0);
}

TEST_F(LoaderTest, a_plugin_is_unmapped_when_it_is_shut_down) {
    auto mappings = [] {
        std::ifstream maps("/proc/self/maps");
        size_t count = 0;
        for (std::string line; std::getline(maps, line);)
            count += line.find("memfd:puppet.so") != std::string::npos;
        return count;
    };
    size_t before = mappings();
    set = load({puppet("a")}).set;
    EXPECT_GT(mappings(), before);
    EXPECT_TRUE(set->shut_down().empty());
    EXPECT_EQ(mappings(), before);
}

TEST_F(LoaderTest, a_hundred_generations_leave_no_descriptor_behind) {
    auto count = [] {
        std::filesystem::directory_iterator files("/proc/self/fd");
        return std::distance(files, {});
    };
    auto before = count();
    for (int i = 0; i < 100; ++i) {
        LoadResult result = load({puppet("a")});
        ASSERT_TRUE(result.set);
        EXPECT_TRUE(result.set->shut_down().empty());
    }
    EXPECT_EQ(count(), before);
}

TEST_F(LoaderTest, what_has_not_changed_is_carried_over) {
    PluginSpec b = puppet("b");
    b.dependencies = {"a"};
    start({puppet("a"), b, puppet("c")});
    Plugin* old_c = set->find("c");
    LoadOptions options;
    options.previous = set.get();
    LoadResult next = load({puppet("a", R"("on_request":"edit")"), b, puppet("c")}, options);
    ASSERT_TRUE(next.set);
    EXPECT_NE(next.set->find("a"), set->find("a"));
    EXPECT_NE(next.set->find("b"), set->find("b"));  // It holds pointers of the old a.
    EXPECT_EQ(next.set->find("c"), old_c);
    EXPECT_TRUE(next.set->start_core(0).problems.empty());
    const PluginSet* living[] = {next.set.get()};
    set->stop_core(0, living);
    EXPECT_TRUE(set->shut_down(living).empty());
    EXPECT_EQ(control.take(),
              (Journal{"a.on_init", "b.on_init", "a.on_core_start 0", "b.on_core_start 0",
                       "b.on_core_stop", "a.on_core_stop", "b.on_shutdown", "a.on_shutdown"}));
    set = std::move(next.set);
    chain = set->chain_for("");
    EXPECT_EQ(request(), Outcome::go_on);
}

TEST_F(LoaderTest, a_failing_generation_leaves_the_old_one_serving) {
    start({puppet("a"), puppet("c")});
    LoadOptions options;
    options.previous = set.get();
    LoadResult next = load({puppet("a"), puppet("c", R"("on_init":"throw")")}, options);
    EXPECT_FALSE(next.set);
    EXPECT_EQ(control.take(), Journal{"c.on_init"});
    EXPECT_EQ(request(), Outcome::go_on);
    EXPECT_EQ(control.take(), (Journal{"a.on_request", "c.on_request"}));
}

TEST(LimitedCall, returns_what_was_done_in_time) {
    int calls = 0;
    EXPECT_TRUE(call_with_limit(10'000, [&] { ++calls; }));
    EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace ringtime::hook
