// What a core does for plugins besides requests: timers, posted work, the watchdog's mark.

#include <unistd.h>

#include <filesystem>
#include <thread>

#include "hook/watchdog.h"
#include "support.h"

namespace ringtime::hook {
namespace {

constexpr uint32_t some_mark = 7 << 8 | 1;

TEST_F(HookTest, timers_repeat_until_they_are_stopped_from_inside) {
    start({puppet("a", R"("tick":20)")});
    port.advance(19);
    EXPECT_EQ(control.take(), Journal{});
    for (int i = 0; i < 5; ++i) port.advance(20);
    EXPECT_EQ(control.take(), (Journal{"a.tick", "a.tick"}));
    EXPECT_TRUE(port.idle());
    EXPECT_EQ(set->find("a")->totals(Hook::timer).calls, 2u);
}

TEST_F(HookTest, timers_end_with_their_plugin) {
    start({puppet("a", R"("tick":20)")});
    EXPECT_FALSE(port.idle());
    set->stop_core(0);
    EXPECT_TRUE(port.idle());
}

TEST_F(HookTest, posted_work_runs_on_the_core) {
    int calls = 0;
    auto add = [](void* counter) { ++*static_cast<int*>(counter); };
    EXPECT_EQ(cores.host().post(&cores.host(), 0, add, &calls), RINGTIME_OK);
    EXPECT_EQ(cores.host().post(&cores.host(), 1, add, &calls), RINGTIME_INVALID);
    EXPECT_EQ(calls, 0);
    port.turn();
    EXPECT_EQ(calls, 1);
}

TEST_F(HookTest, a_core_that_is_not_there_takes_nothing) {
    int calls = 0;
    auto add = [](void* counter) { ++*static_cast<int*>(counter); };
    Cores early{1};
    EXPECT_EQ(early.host().post(&early.host(), 0, add, &calls), RINGTIME_GONE);
    start({puppet("a", R"("on_request":"pause")")});
    EXPECT_EQ(request(), Outcome::paused);
    cores[0].detach();
    EXPECT_EQ(cores.host().post(&cores.host(), 0, add, &calls), RINGTIME_GONE);
    EXPECT_EQ(cores[0].resume(control.token, 4), RINGTIME_GONE);
    cores[0].attach(port);
    EXPECT_EQ(cores[0].resume(control.token, 4), RINGTIME_OK);
    EXPECT_EQ(exchange.wakes, 1);
    EXPECT_EQ(calls, 0);
}

TEST(HelperPoolTest, work_that_is_late_finds_no_core) {
    struct Late : HelperTask {
        hook_test::Gate begun;
        hook_test::Gate gate;
        std::filesystem::path thread;
    } late;
    late.work = [](HelperTask& task) noexcept {
        auto& mine = static_cast<Late&>(task);
        mine.thread = "/proc/self/task/" + std::to_string(::gettid());
        mine.begun.open();
        mine.gate.wait();
    };
    late.done = [](HelperTask&) noexcept { ADD_FAILURE() << "nobody is there to be told"; };
    FakePort port;
    auto cores = std::make_unique<Cores>(1);
    (*cores)[0].attach(port);
    late.core = &(*cores)[0];
    cores->helpers().start();
    ASSERT_TRUE(cores->helpers().submit(late));
    late.begun.wait();
    cores.reset();
    late.gate.open();
    while (exists(late.thread)) std::this_thread::yield();
    port.turn();
}

TEST(WatchdogTest, names_the_hook_that_holds_a_core_once) {
    Cores cores(2);
    for (int i = 0; i < 7; ++i) (void)cores.add_name("other");
    (void)cores.add_name("slow");
    Watchdog watchdog(cores);
    cores[1].enter(some_mark, 5);
    EXPECT_TRUE(watchdog.look(from_milliseconds(1000)).empty());
    EXPECT_TRUE(watchdog.look(from_milliseconds(1050)).empty());
    std::vector<Held> held = watchdog.look(from_milliseconds(1060));
    ASSERT_EQ(held.size(), 1u);
    EXPECT_EQ(held[0].core, 1u);
    EXPECT_EQ(held[0].plugin, "slow");
    EXPECT_EQ(hook_name(held[0].hook), "on_request");
    EXPECT_EQ(held[0].at_least, 60u);
    EXPECT_TRUE(watchdog.look(from_milliseconds(2000)).empty());
    EXPECT_EQ(watchdog.found(), 1u);
}

TEST(WatchdogTest, many_short_calls_are_not_one_long_one) {
    Cores cores(1);
    Watchdog watchdog(cores);
    for (Milliseconds at = 1000; at < 2000; at += 10) {
        cores[0].leave();
        cores[0].enter(some_mark, at);
        EXPECT_TRUE(watchdog.look(from_milliseconds(at)).empty());
    }
}

TEST(WatchdogTest, an_idle_core_is_not_held) {
    Cores cores(1);
    Watchdog watchdog(cores);
    cores[0].enter(some_mark, 5);
    cores[0].leave();
    EXPECT_TRUE(watchdog.look(from_milliseconds(1000)).empty());
    EXPECT_TRUE(watchdog.look(from_milliseconds(9000)).empty());
}

TEST(WatchdogTest, its_thread_starts_and_stops) {
    Cores cores(1);
    Watchdog watchdog(cores);
    watchdog.start();
    watchdog.stop();
    watchdog.stop();
}

}  // namespace
}  // namespace ringtime::hook
