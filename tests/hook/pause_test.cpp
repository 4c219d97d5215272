// Pauses: whoever resumes, how often and how late, an exchange goes on exactly once or ends.

#include "support.h"

namespace ringtime::hook {
namespace {

TEST_F(HookTest, a_thread_resumes_and_the_plugin_answers) {
    start({puppet("a", R"("on_request":"pause, resume from a thread","on_resume":"answer")"),
           puppet("b")});
    EXPECT_EQ(request(), Outcome::paused);
    control.thread.join();
    EXPECT_EQ(exchange.wakes, 0);  // Only the core's own turn touches the exchange.
    port.turn();
    EXPECT_EQ(exchange.wakes, 1);
    EXPECT_EQ(run.run_request(), Outcome::answered);
    EXPECT_EQ(control.take(), (Journal{"a.on_request", "a.on_resume 9"}));
    EXPECT_EQ(set->find("a")->totals(Hook::request).suspensions, 1u);
    EXPECT_EQ(cores[0].pauses().used(), 0u);
    EXPECT_TRUE(port.idle());
}

TEST_F(HookTest, after_a_pause_the_chain_goes_on_with_the_next_hook) {
    start({puppet("a", R"("on_request":"pause")"), puppet("b")});
    EXPECT_EQ(request(), Outcome::paused);
    EXPECT_EQ(run.run_request(), Outcome::paused);  // Woken by something else.
    EXPECT_EQ(cores[0].resume(control.token, 1), RINGTIME_OK);
    EXPECT_EQ(run.run_request(), Outcome::go_on);
    EXPECT_EQ(control.take(), (Journal{"a.on_request", "a.on_resume 1", "b.on_request"}));
}

TEST_F(HookTest, resuming_inside_the_hook_is_a_pause_of_no_length) {
    start({puppet("a", R"("on_request":"pause, resume here")")});
    EXPECT_EQ(request(), Outcome::paused);
    EXPECT_EQ(exchange.wakes, 1);
    EXPECT_EQ(run.run_request(), Outcome::go_on);
    EXPECT_TRUE(port.idle());
}

TEST_F(HookTest, only_the_first_resumption_counts) {
    start({puppet("a", R"("on_request":"pause")")});
    EXPECT_EQ(request(), Outcome::paused);
    uint64_t token = control.token;
    std::atomic<int> won{0};
    std::vector<std::thread> threads;
    for (uint64_t i = 0; i < 4; ++i)
        threads.emplace_back([&] { won += cores[0].resume(token, 1) == RINGTIME_OK; });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(won, 1);
    port.turn();
    EXPECT_EQ(exchange.wakes, 1);
    EXPECT_EQ(run.run_request(), Outcome::go_on);
    EXPECT_EQ(cores[0].resume(token, 1), RINGTIME_GONE);
}

TEST_F(HookTest, a_token_that_was_never_given_out_is_gone) {
    EXPECT_EQ(cores[0].resume(1, 0), RINGTIME_GONE);
    EXPECT_EQ(cores[0].resume(UINT64_MAX, 0), RINGTIME_GONE);
    EXPECT_EQ(cores.host().resume(&cores.host(), UINT64_MAX, 0), RINGTIME_GONE);
}

TEST_F(HookTest, a_resumption_of_an_exchange_that_ended_is_harmless) {
    start({puppet("a", R"("on_request":"pause")")});
    EXPECT_EQ(request(), Outcome::paused);
    run.end();
    EXPECT_EQ(cores[0].resume(control.token, 4), RINGTIME_GONE);
    EXPECT_EQ(exchange.wakes, 0);
    EXPECT_EQ(cores[0].pauses().used(), 0u);
    // The slot is used again; the old token still means nothing.
    uint64_t old = control.token;
    EXPECT_EQ(request(), Outcome::paused);
    EXPECT_EQ(cores[0].resume(old, 4), RINGTIME_GONE);
    EXPECT_EQ(cores[0].resume(control.token, 4), RINGTIME_OK);
}

TEST_F(HookTest, a_value_on_its_way_to_an_exchange_that_ended_is_given_back) {
    start({puppet("a", R"("on_request":"pause")")});
    EXPECT_EQ(request(), Outcome::paused);
    std::thread([&] { EXPECT_EQ(cores[0].resume(control.token, 4), RINGTIME_OK); }).join();
    run.end();
    (void)control.take();
    port.turn();
    EXPECT_EQ(control.take(), Journal{"a.on_resume_late 4"});
    EXPECT_EQ(exchange.wakes, 0);
    EXPECT_EQ(cores[0].pauses().used(), 0u);
}

TEST_F(HookTest, a_full_mailbox_says_again_and_nothing_is_lost) {
    start({puppet("a", R"("on_request":"pause")")});
    EXPECT_EQ(request(), Outcome::paused);
    port.full = true;
    std::thread([&] { EXPECT_EQ(cores[0].resume(control.token, 4), RINGTIME_AGAIN); }).join();
    port.full = false;
    std::thread([&] { EXPECT_EQ(cores[0].resume(control.token, 4), RINGTIME_OK); }).join();
    port.turn();
    EXPECT_EQ(run.run_request(), Outcome::go_on);
}

TEST_F(HookTest, a_claim_given_back_after_its_exchange_ended_leaves_no_slot_behind) {
    struct Nobody final : Sleeper {
        void on_resumed(uint64_t) noexcept override { ADD_FAILURE(); }
    } nobody;
    PauseTable table(0);
    ringtime_token token = table.arm(nobody, {});
    ASSERT_TRUE(table.claim(token, 1));
    table.cancel(token);
    EXPECT_FALSE(table.give_back(token));
    EXPECT_FALSE(table.claim(token, 1));
    ringtime_token next = table.arm(nobody, {});
    EXPECT_EQ(table.used(), 1u);
    // While it sleeps it is told again.
    ASSERT_TRUE(table.claim(next, 1));
    EXPECT_TRUE(table.give_back(next));
    EXPECT_TRUE(table.claim(next, 1));
    table.cancel(next);
    table.deliver(next);
    EXPECT_EQ(table.used(), 0u);
}

TEST_F(HookTest, a_pause_nobody_ends_fails_the_request) {
    start({puppet("a", R"("on_request":"pause")"), puppet("b")});
    EXPECT_EQ(request(), Outcome::paused);
    port.advance(49);
    EXPECT_EQ(exchange.wakes, 0);
    port.advance(2);
    EXPECT_EQ(exchange.wakes, 1);
    EXPECT_EQ(run.run_request(), Outcome::failed);
    EXPECT_EQ(run.reason(), Reason::hook_failed);
    EXPECT_EQ(cores[0].resume(control.token, 4), RINGTIME_GONE);
    EXPECT_EQ(control.take(), Journal{"a.on_request"});
}

TEST_F(HookTest, a_pause_that_is_not_returned_is_cancelled) {
    start({puppet("a", R"("on_request":"pause and go on")")});
    EXPECT_EQ(request(), Outcome::go_on);
    EXPECT_EQ(cores[0].pauses().used(), 0u);
    EXPECT_EQ(cores[0].resume(control.token, 4), RINGTIME_GONE);
}

TEST_F(HookTest, responses_and_bodies_pause_as_well) {
    start({puppet("a", R"("on_response":"pause","on_response_body":"pause")")});
    EXPECT_EQ(request(), Outcome::go_on);
    EXPECT_EQ(respond(200), Outcome::paused);
    EXPECT_EQ(cores[0].resume(control.token, 1), RINGTIME_OK);
    EXPECT_EQ(run.run_response(response), Outcome::go_on);
    Piece piece{"abc", 3, nullptr, 0};
    EXPECT_EQ(run.run_response_body(piece, BodyPart::more), Outcome::paused);
    EXPECT_EQ(cores[0].resume(control.token, 2), RINGTIME_OK);
    EXPECT_EQ(run.run_response_body(piece, BodyPart::more), Outcome::go_on);
    EXPECT_EQ(piece.view(), "abc");
}

TEST_F(HookTest, pauses_have_a_limit_and_slots_come_back) {
    struct Nobody final : Sleeper {
        void on_resumed(uint64_t) noexcept override {}
    } nobody;
    PauseTable table(0);
    std::vector<ringtime_token> tokens;
    while (ringtime_token token = table.arm(nobody, {})) tokens.push_back(token);
    EXPECT_EQ(tokens.size(), PauseTable::pauses_max);
    for (ringtime_token token : tokens) table.cancel(token);
    EXPECT_EQ(table.used(), 0u);
    EXPECT_NE(table.arm(nobody, {}), 0u);
}

}  // namespace
}  // namespace ringtime::hook
