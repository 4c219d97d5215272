// Chains of real shared objects: order, edits, answers, failures, scope.

#include "support.h"

namespace ringtime::hook {
namespace {

TEST_F(HookTest, requests_run_in_order_and_responses_in_reverse) {
    start({puppet("a"), puppet("b"), puppet("c")});
    EXPECT_EQ(request(), Outcome::go_on);
    EXPECT_EQ(respond(200), Outcome::go_on);
    done(200);
    EXPECT_EQ(control.take(),
              (Journal{"a.on_request", "b.on_request", "c.on_request", "c.on_response 200",
                       "b.on_response 200", "a.on_response 200", "a.on_done 200", "b.on_done 200",
                       "c.on_done 200"}));
}

TEST_F(HookTest, an_answer_ends_the_chain_and_later_plugins_never_hear_of_it) {
    start({puppet("a"), puppet("b", R"("on_request":"answer")"), puppet("c")});
    EXPECT_EQ(request(), Outcome::answered);
    EXPECT_EQ(run.answer().head().status, 403);
    EXPECT_EQ(run.answer().head().fields.find("x-by") != nullptr, true);
    EXPECT_EQ(run.answer().head().fields.get(http::FieldId::content_type),
              "text/plain; charset=utf-8");
    EXPECT_EQ(run.answer().body().length(), 3u);
    EXPECT_EQ(answer_body(), "no\n");
    EXPECT_EQ(run.decided_by(), "b");
    EXPECT_EQ(respond(403), Outcome::go_on);
    done(403);
    EXPECT_EQ(control.take(), (Journal{"a.on_request", "b.on_request", "b.on_response 403",
                                       "a.on_response 403", "a.on_done 403", "b.on_done 403"}));
}

TEST_F(HookTest, later_hooks_and_the_target_see_the_edits_of_earlier_ones) {
    start({puppet("a", R"("on_request":"edit")"), puppet("b", R"("on_request":"read")")});
    EXPECT_EQ(request(), Outcome::go_on);
    EXPECT_EQ(control.take().back(), "b.x-identity=a secret= path=/page");
    EXPECT_EQ(exchange.draft.get(http::FieldId::x_identity), "a");
    EXPECT_EQ(exchange.draft.get("x-secret").data(), nullptr);
    // What was received is untouched.
    EXPECT_EQ(exchange.head.fields.find("x-secret") != nullptr, true);
}

TEST_F(HookTest, state_stays_with_its_plugin_until_done) {
    start({puppet("a", R"("on_request":"edit")"), puppet("b")});
    EXPECT_EQ(request(), Outcome::go_on);
    (void)control.take();
    done(200);
    EXPECT_EQ(control.take(), (Journal{"a.on_done 200 state 7", "b.on_done 200"}));
}

TEST_F(HookTest, a_response_hook_edits_head_and_status) {
    start({puppet("a"), puppet("b", R"("on_response":"edit")")});
    EXPECT_EQ(request(), Outcome::go_on);
    (void)control.take();
    EXPECT_EQ(respond(200), Outcome::go_on);
    EXPECT_EQ(response.status, 203);
    EXPECT_EQ(response_draft.get("x-seen-by"), "b");
    EXPECT_EQ(control.take(), (Journal{"b.on_response 200", "a.on_response 203"}));
}

TEST_F(HookTest, an_edited_path_is_canonical_and_shown_to_later_hooks) {
    start({puppet("a", R"("on_request":"rewrite")"), puppet("b", R"("on_request":"read")")});
    EXPECT_EQ(request(), Outcome::go_on);
    ASSERT_TRUE(run.path_edited());
    EXPECT_EQ(run.edited_path(), "/other/page");
    EXPECT_EQ(control.take().back(), "b.x-identity= secret=42 path=/other/page");
}

TEST_F(HookTest, every_way_to_fail_closes_the_chain) {
    for (const char* what :
         {"throw", "fail", "answer badly", "claim to answer", "claim to pause"}) {
        SCOPED_TRACE(what);
        if (set) set->stop_core(0);
        start({puppet("a", "\"on_request\":\"" + std::string(what) + "\""), puppet("b")});
        EXPECT_EQ(request(), Outcome::failed);
        EXPECT_EQ(run.reason(), Reason::hook_failed);
        EXPECT_EQ(run.decided_by(), "a");
        // The 500 is seen by the plugin that failed, not by those behind it.
        EXPECT_EQ(respond(500), Outcome::go_on);
        EXPECT_EQ(control.take(), (Journal{"a.on_request", "a.on_response 500"}));
        EXPECT_EQ(set->find("a")->totals(Hook::request).errors, 1u);
        run.end();
    }
}

TEST_F(HookTest, why_a_request_failed_is_said_once_a_second) {
    const std::pair<const char*, const char*> rows[] = {
        {"answer badly", "a: on_request answers with the field `content-length`, which is the "
                         "gateway's own"},
        {"claim to answer", "a: on_request said that it has answered, but it has not"},
        {"claim to pause", "a: on_request said that it has paused, but it has not"}};
    for (auto [what, line] : rows) {
        SCOPED_TRACE(what);
        if (set) set->stop_core(0);
        start({puppet("a", "\"on_request\":\"" + std::string(what) + "\"")});
        Heard heard;
        for (long said : {1, 1, 2}) {
            if (said == 2) port.advance(1000);
            EXPECT_EQ(request(), Outcome::failed);
            run.end();
            EXPECT_EQ(heard.count(line), said);
        }
    }
}

TEST_F(HookTest, a_call_in_the_wrong_hook_is_said) {
    start({puppet("a", R"("on_response":"respond")")});
    EXPECT_EQ(request(), Outcome::go_on);
    Heard heard;
    EXPECT_EQ(respond(200), Outcome::failed);
    EXPECT_EQ(heard.count("a: on_response is refused respond(): it cannot be used in this hook"),
              1);
}

TEST_F(HookTest, an_exception_across_the_abi_is_a_failure) {
    start({spec("wild", "wild")});
    EXPECT_EQ(request(), Outcome::failed);
    EXPECT_EQ(run.reason(), Reason::hook_failed);
}

TEST_F(HookTest, a_failing_response_hook_is_run_once_and_the_rest_see_the_500) {
    start({puppet("a"), puppet("b", R"("on_response":"throw")"), puppet("c")});
    EXPECT_EQ(request(), Outcome::go_on);
    (void)control.take();
    EXPECT_EQ(respond(200), Outcome::failed);
    EXPECT_EQ(run.reason(), Reason::hook_failed);
    EXPECT_EQ(respond(500), Outcome::go_on);
    EXPECT_EQ(control.take(),
              (Journal{"c.on_response 200", "b.on_response 200", "a.on_response 500"}));
}

TEST_F(HookTest, a_response_hook_may_answer_in_place_of_the_response) {
    start({puppet("a"), puppet("b", R"("on_response":"replace")"), puppet("c")});
    EXPECT_EQ(request(), Outcome::go_on);
    (void)control.take();
    EXPECT_EQ(respond(304), Outcome::answered);
    EXPECT_EQ(run.answer().head().fields.get(http::FieldId::content_type),
              "text/plain; charset=utf-8");
    EXPECT_EQ(answer_body(), "instead\n");
    EXPECT_EQ(run.decided_by(), "b");
    EXPECT_EQ(respond(run.answer().head().status), Outcome::go_on);
    EXPECT_EQ(control.take(),
              (Journal{"c.on_response 304", "b.on_response 304", "a.on_response 201"}));
    EXPECT_EQ(set->find("b")->totals(Hook::response).answers, 1u);
}

TEST_F(HookTest, an_answer_of_a_plugin_is_replaced_where_it_lies) {
    start({puppet("a", R"("on_response":"replace")"), puppet("b", R"("on_response":"replace")"),
           puppet("c", R"("on_request":"answer owned")")});
    EXPECT_EQ(request(), Outcome::answered);
    EXPECT_EQ(cores[0].lent().out(), 1u);
    for (const char* name : {"b", "a"}) {
        EXPECT_EQ(respond(200), Outcome::answered);
        EXPECT_EQ(run.decided_by(), name);
        EXPECT_EQ(cores[0].lent().out(), 0u);
    }
    EXPECT_EQ(respond(201), Outcome::go_on);
    EXPECT_EQ(answer_body(), "instead\n");
}

TEST_F(HookTest, a_replacement_that_is_not_returned_or_not_possible_fails_the_request) {
    for (const char* what : {"replace badly", "replace twice", "replace and go on",
                             "replace and throw", "replace an upgrade"}) {
        SCOPED_TRACE(what);
        if (set) set->stop_core(0);
        bool upgrade = what == std::string_view("replace an upgrade");
        start({puppet("a"), puppet("b", "\"on_response\":\"" +
                                            std::string(upgrade ? "replace" : what) + "\"")});
        EXPECT_EQ(request(), Outcome::go_on);
        (void)control.take();
        EXPECT_EQ(respond(upgrade ? 101 : 200), Outcome::failed);
        EXPECT_EQ(run.reason(), Reason::hook_failed);
        EXPECT_EQ(respond(500), Outcome::go_on);
        EXPECT_EQ(control.take().back(), "a.on_response 500");
        run.end();
    }
}

TEST_F(HookTest, an_answer_that_is_not_returned_is_dropped) {
    start({puppet("a", R"("on_request":"answer and go on")"), puppet("b")});
    EXPECT_EQ(request(), Outcome::go_on);
    EXPECT_EQ(control.take(), (Journal{"a.on_request", "b.on_request"}));
}

TEST_F(HookTest, lent_bytes_are_sent_without_a_copy_and_given_back_once) {
    start({puppet("a", R"("on_request":"answer owned")")});
    EXPECT_EQ(request(), Outcome::answered);
    EXPECT_EQ(cores[0].lent().out(), 1u);
    EXPECT_EQ(answer_body(), std::string(300'000, 'x'));
    EXPECT_EQ(cores[0].lent().out(), 0u);
    EXPECT_EQ(exchange.arena.spilled(), 0u);
    // The same when it is never pulled.
    run.end();
    EXPECT_EQ(request(), Outcome::answered);
    EXPECT_EQ(cores[0].lent().out(), 1u);
    run.end();
    EXPECT_EQ(cores[0].lent().out(), 0u);
}

TEST_F(HookTest, a_static_answer_is_shared_by_all_exchanges) {
    start({puppet("a", R"("on_request":"answer static")")});
    EXPECT_EQ(request(), Outcome::answered);
    const http::ResponseHead* first = &run.answer().head();
    EXPECT_EQ(first->status, 418);
    EXPECT_EQ(answer_body(), "short and stout\n");
    FakeExchange other;
    ChainRun second;
    second.begin(chain, cores[0], other.facts, other.wake());
    EXPECT_EQ(second.run_request(), Outcome::answered);
    EXPECT_EQ(&second.answer().head(), first);
}

TEST_F(HookTest, public_routes_skip_requests_but_not_responses) {
    start({puppet("a", R"("on_request":"answer")")});
    exchange.facts.is_public = true;
    EXPECT_EQ(request(), Outcome::go_on);
    EXPECT_EQ(respond(200), Outcome::go_on);
    EXPECT_EQ(control.take(), Journal{"a.on_response 200"});
}

TEST_F(HookTest, scope_narrows_by_host_path_and_exception) {
    PluginSpec narrow = puppet("n", R"("on_request":"answer")");
    narrow.hosts = {"a.example", "*.b.example"};
    narrow.paths = {"/api/**"};
    narrow.except = {"/api/health"};
    start({narrow});
    const struct {
        const char* host;
        const char* path;
        Outcome expected;
    } rows[] = {
        {"a.example", "/api/x", Outcome::answered},
        {"a.example", "/api/x/y", Outcome::answered},
        {"a.example", "/api/health", Outcome::go_on},
        {"a.example", "/other", Outcome::go_on},
        {"x.b.example", "/api/x", Outcome::answered},
        {"b.example", "/api/x", Outcome::go_on},
        {"c.example", "/api/x", Outcome::go_on},
        {"xa.example", "/api/x", Outcome::go_on},
        {"", "/api/x", Outcome::go_on},
    };
    for (const auto& row : rows) {
        SCOPED_TRACE(std::string(row.host) + row.path);
        exchange.facts.host = row.host;
        exchange.facts.path = exchange.facts.full_path = row.path;
        (void)control.take();
        EXPECT_EQ(request(), row.expected);
        EXPECT_EQ(respond(200), Outcome::go_on);
        EXPECT_EQ(control.take().empty(), row.expected == Outcome::go_on);
        run.end();
    }
}

TEST_F(HookTest, chains_are_compiled_by_host_and_shared) {
    PluginSpec one = puppet("one");
    one.hosts = {"a.example"};
    start({puppet("all"), one});
    EXPECT_EQ(set->chain_for("x.example")->plugins().size(), 1u);
    EXPECT_EQ(set->chain_for("x.example"), set->chain_for("y.example"));
    EXPECT_EQ(set->chain_for("a.example")->plugins().size(), 2u);
    EXPECT_EQ(set->chain_for("a.example")->narrowed(), 0u);
    EXPECT_EQ(set->chain_for("*.example")->narrowed(), 2u);
    EXPECT_EQ(set->chain_for("")->narrowed(), 2u);
}

TEST_F(HookTest, a_phase_nobody_subscribed_to_has_no_array) {
    start({spec("pass", "pass")});
    EXPECT_NE(chain->request().entries, nullptr);
    EXPECT_EQ(chain->response().entries, nullptr);
    EXPECT_EQ(chain->request_body().entries, nullptr);
    EXPECT_EQ(chain->done().entries, nullptr);
}

TEST_F(HookTest, a_body_hook_replaces_what_passes) {
    start(
        {puppet("a", R"("on_response_body":"see")"), puppet("b", R"("on_response_body":"shout")")});
    EXPECT_EQ(request(), Outcome::go_on);
    EXPECT_TRUE(run.transforms_response());
    EXPECT_FALSE(run.transforms_request());
    (void)control.take();
    Piece piece{"hello", 5, nullptr, 0};
    EXPECT_EQ(run.run_response_body(piece, BodyPart::last), Outcome::go_on);
    EXPECT_EQ(piece.view(), "HELLO");
    EXPECT_EQ(cores[0].lent().out(), 1u);
    piece.release();
    EXPECT_EQ(cores[0].lent().out(), 0u);
    EXPECT_EQ(control.take(), (Journal{"b.on_response_body hello.", "a.on_response_body HELLO."}));
}

TEST_F(HookTest, what_plugins_may_not_send_is_refused) {
    EXPECT_EQ(check_line("x-a", "b"), RINGTIME_OK);
    EXPECT_EQ(check_line("x a", "b"), RINGTIME_INVALID);
    EXPECT_EQ(check_line("", "b"), RINGTIME_INVALID);
    EXPECT_EQ(check_line("x-a", "b\r\nx-c: d"), RINGTIME_INVALID);
    EXPECT_EQ(check_line("x-a", std::string_view("a\0b", 3)), RINGTIME_INVALID);
    for (const char* name : {"Content-Length", "transfer-encoding", "CONNECTION", "host", "te",
                             "trailer", "upgrade", "keep-alive"})
        EXPECT_EQ(check_line(name, "1"), RINGTIME_FORBIDDEN) << name;
    EXPECT_EQ(check_line("x-a", std::string(40'000, 'a')), RINGTIME_LIMIT);
}

TEST_F(HookTest, calls_are_counted_and_sampled) {
    start({puppet("a", R"("on_request":"answer")")});
    for (int i = 0; i < 130; ++i) {
        EXPECT_EQ(request(), Outcome::answered);
        run.end();
        exchange.arena.reset();
    }
    HookTotals totals = set->find("a")->totals(Hook::request);
    EXPECT_EQ(totals.calls, 130u);
    EXPECT_EQ(totals.sampled, 3u);
    EXPECT_GT(totals.sampled_ns, 0u);
    EXPECT_EQ(totals.answers, 130u);
    EXPECT_EQ(totals.errors, 0u);
}

TEST_F(HookTest, a_plugin_of_the_first_header_still_works) {
    start({spec("frozen", "frozen")});
    EXPECT_EQ(request(), Outcome::go_on);
    EXPECT_EQ(exchange.draft.get("x-frozen"), "test/1");
}

// --- Routes of plugins ---

struct RouteTest : HookTest {
    Outcome route(http::Method method, std::string_view path) {
        run.end();
        exchange.head.method = method;
        exchange.facts.path = path;
        begin();
        return run.run_route(*set->find("r"));
    }
    void start_routes() {
        PluginSpec made = puppet("r", R"("routes":true)");
        made.base = "/r";
        start({made});
    }
};

TEST_F(RouteTest, a_pattern_finds_its_handler_and_parameters) {
    start_routes();
    EXPECT_EQ(route(http::Method::get, "/items/17"), Outcome::answered);
    EXPECT_EQ(answer_body(), "17");
    EXPECT_EQ(route(http::Method::head, "/items/17"), Outcome::answered);
    EXPECT_EQ(control.take(), (Journal{"r.item 17", "r.item 17"}));
    EXPECT_EQ(set->find("r")->totals(Hook::route).answers, 2u);
}

TEST_F(RouteTest, no_pattern_and_a_handler_that_passes_look_further) {
    start_routes();
    EXPECT_EQ(route(http::Method::get, "/nothing"), Outcome::passed);
    EXPECT_EQ(route(http::Method::get, "/pass"), Outcome::passed);
    EXPECT_EQ(control.take(), Journal{"r.pass"});
}

TEST_F(RouteTest, another_method_answers_405_with_allow) {
    start_routes();
    EXPECT_EQ(route(http::Method::post, "/items/17"), Outcome::answered);
    EXPECT_EQ(run.answer().head().status, 405);
    EXPECT_EQ(run.answer().head().fields.get(http::FieldId::allow), "GET, HEAD");
}

TEST_F(RouteTest, a_handler_may_pause_and_keeps_its_parameters) {
    start_routes();
    EXPECT_EQ(route(http::Method::put, "/files/a/b"), Outcome::paused);
    EXPECT_EQ(cores[0].resume(control.token, 3), RINGTIME_OK);
    EXPECT_EQ(exchange.wakes, 1);
    EXPECT_EQ(run.run_route(*set->find("r")), Outcome::passed);
    EXPECT_EQ(control.take(), (Journal{"r.file a/b", "r.on_resume 3"}));
}

}  // namespace
}  // namespace ringtime::hook
