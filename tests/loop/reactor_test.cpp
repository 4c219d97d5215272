// The reactor and its fibers. The same source runs on the kernel's ring and, from seeds, on the
// simulated one: Surface says which.

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "loop/fiber.h"
#include "loop/reactor.h"
#include "surface.h"

namespace ringtime::loop {
namespace {

constexpr Nanoseconds kMillisecond = kNanosecondsPerMillisecond;

class ReactorTest : public ::testing::TestWithParam<unsigned> {
 protected:
    void SetUp() override {
        surface_ = Surface::make(GetParam());
        std::string problem;
        ring_ = ring::Ring::open({.small_buffers = 4, .bulk_buffers = 4}, problem);
        ASSERT_TRUE(ring_) << problem;
        reactor_ = std::make_unique<Reactor>(*ring_, 0);
    }
    void TearDown() override {
        reactor_.reset();
        ring_.reset();
    }
    void turn_until(const std::function<bool()>& condition) {
        for (int i = 0; i < 60'000 && !condition(); ++i) reactor_->turn(kMillisecond);
        EXPECT_TRUE(condition());
    }

    std::unique_ptr<Surface> surface_;
    std::unique_ptr<ring::Ring> ring_;
    std::unique_ptr<Reactor> reactor_;
};

struct Work final : Runnable {
    std::function<void()> action;
    unsigned runs = 0;
    void run() noexcept override {
        ++runs;
        if (action) action();
    }
};

struct Outlet final : Flushable {
    unsigned flushes = 0;
    std::function<void()> action;
    void flush() noexcept override {
        ++flushes;
        if (action) action();
    }
};

TEST_P(ReactorTest, what_is_woken_twice_runs_once) {
    Work work;
    reactor_->wake(work);
    reactor_->wake(work);
    reactor_->turn(0);
    reactor_->turn(0);
    EXPECT_EQ(work.runs, 1u);
    EXPECT_EQ(reactor_->counters().runs, 1u);
}

TEST_P(ReactorTest, what_is_forgotten_does_not_run) {
    Work work;
    Outlet outlet;
    reactor_->wake(work);
    reactor_->flush_soon(outlet);
    Reactor::forget(work);
    Reactor::forget(outlet);
    reactor_->turn(0);
    EXPECT_EQ(work.runs, 0u);
    EXPECT_EQ(outlet.flushes, 0u);
}

TEST_P(ReactorTest, a_flush_comes_after_everything_that_ran_in_the_turn) {
    Work first, second;
    Outlet outlet;
    unsigned runs_at_flush = 0;
    outlet.action = [&] { runs_at_flush = first.runs + second.runs; };
    first.action = [&] {
        reactor_->flush_soon(outlet);
        reactor_->wake(second);
    };
    second.action = [&] { reactor_->flush_soon(outlet); };
    reactor_->wake(first);
    reactor_->turn(0);
    EXPECT_EQ(runs_at_flush, 2u);
    EXPECT_EQ(outlet.flushes, 1u);
}

TEST_P(ReactorTest, work_without_end_leaves_room_for_timers_and_messages) {
    Work greedy;
    greedy.action = [&] { reactor_->wake(greedy); };
    bool expired = false;
    Timer timer;
    timer.owner = &expired;
    timer.on_expire = [](Timer& t) noexcept { *static_cast<bool*>(t.owner) = true; };
    bool delivered = false;
    reactor_->arm(timer, reactor_->now() + 5 * kMillisecond);
    reactor_->wake(greedy);
    ASSERT_TRUE(reactor_->post(
        {[](void* flag, uint64_t) noexcept { *static_cast<bool*>(flag) = true; }, &delivered, 0}));
    turn_until([&] { return expired && delivered; });
    Reactor::forget(greedy);
}

TEST_P(ReactorTest, a_sleeping_reactor_wakes_for_its_timer_and_not_before) {
    struct Alarm {
        Reactor* reactor;
        Timer timer;
        Nanoseconds fired = 0;
    } alarm{reactor_.get(), {}, 0};
    alarm.timer.owner = &alarm;
    alarm.timer.on_expire = [](Timer& t) noexcept {
        auto& self = *static_cast<Alarm*>(t.owner);
        self.fired = self.reactor->now();
    };
    const Nanoseconds deadline = reactor_->now() + 30 * kMillisecond;
    reactor_->arm(alarm.timer, deadline);
    for (int i = 0; i < 200 && alarm.fired == 0; ++i) reactor_->turn(60 * kNanosecondsPerSecond);
    ASSERT_NE(alarm.fired, 0u);
    EXPECT_GE(alarm.fired, deadline);
    EXPECT_LE(alarm.fired, deadline + surface_->lateness_max());
}

TEST_P(ReactorTest, stop_ends_run) {
    Work work;
    work.action = [&] { reactor_->stop(); };
    reactor_->wake(work);
    reactor_->run();
    EXPECT_EQ(work.runs, 1u);
}

// --- Pollers ---

/// A ring of a worker, reduced to a counter.
struct Inbox final : Poller {
    unsigned waiting = 0;
    unsigned taken = 0;
    bool asleep = false;
    std::function<void()> on_announce;
    std::function<void()> on_take;
    bool poll() noexcept override {
        taken += waiting;
        if (waiting > 0 && on_take) on_take();
        return std::exchange(waiting, 0) > 0;
    }
    void announce_sleep() noexcept override {
        asleep = true;
        if (on_announce) on_announce();
    }
    void announce_awake() noexcept override { asleep = false; }
};

TEST_P(ReactorTest, what_arrives_between_the_announcement_and_the_sleep_is_seen) {
    Inbox inbox;
    reactor_->add_poller(inbox);
    inbox.on_announce = [&] { inbox.waiting = 1; };
    const Nanoseconds began = ring_->clock();
    reactor_->turn(60 * kNanosecondsPerSecond);
    EXPECT_EQ(inbox.taken, 1u);
    EXPECT_FALSE(inbox.asleep);
    EXPECT_LT(ring_->clock(), began + 30 * kNanosecondsPerSecond);
    inbox.unlink();
}

TEST_P(ReactorTest, what_a_poller_finds_is_worked_off_before_the_next_system_call) {
    Inbox inbox;
    Work work;
    Outlet outlet;
    reactor_->turn(0);
    uint64_t entered = ring_->counters().enters;
    reactor_->add_poller(inbox);
    inbox.on_announce = [&] { inbox.waiting = 1; };
    inbox.on_take = [&] { reactor_->wake(work); };
    work.action = [&] {
        EXPECT_FALSE(inbox.asleep);
        reactor_->flush_soon(outlet);
    };
    outlet.action = [&] { EXPECT_EQ(ring_->counters().enters, entered); };
    reactor_->turn(60 * kNanosecondsPerSecond);
    EXPECT_EQ(work.runs, 1u);
    EXPECT_EQ(outlet.flushes, 1u);
    EXPECT_EQ(ring_->counters().enters, entered + 1);
    inbox.unlink();
}

TEST_P(ReactorTest, a_doorbell_rung_at_the_end_does_not_keep_it_from_ending) {
    // Rung between the announcement and the sleep: its read may still be on its way when all is
    // over.
    Inbox inbox;
    unsigned delivered = 0;
    reactor_->add_poller(inbox);
    inbox.on_announce = [&] {
        std::ignore = reactor_->post({[](void* count, uint64_t) noexcept {
                                          ++*static_cast<unsigned*>(count);
                                      }, &delivered, 0});
    };
    for (int i = 0; i < 5; ++i) reactor_->turn(kMillisecond);
    inbox.unlink();
    EXPECT_GT(delivered, 0u);
    reactor_.reset();
}

// --- Fibers ---

struct Cell {
    explicit Cell(Reactor& core) : reactor(core), slot(core) {}
    [[nodiscard]] SlabMemory& fiber_frames() noexcept { return reactor.fiber_frames(); }

    Reactor& reactor;
    FiberSlot slot;
    Timer timer;
    ring::Op op;
    std::vector<int> steps;
    bool go = false;
};

Fiber waits_for_a_word(Cell& cell) {
    cell.steps.push_back(1);
    while (!cell.go) co_await next_event();
    cell.steps.push_back(2);
}

Fiber waits_for_time(Cell& cell, Nanoseconds deadline) {
    while (cell.reactor.now() < deadline) co_await until(cell.timer, deadline);
    cell.steps.push_back(1);
}

Fiber does_operations(Cell& cell, int count) {
    for (int i = 0; i < count; ++i) {
        cell.op.kind = ring::OpKind::nop;
        co_await completion(cell.op);
        while (cell.op.in_flight) co_await next_event();
        cell.steps.push_back(cell.op.result);
    }
}

TEST_P(ReactorTest, a_fiber_runs_from_the_reactor_and_returns_its_frame) {
    Cell cell(*reactor_);
    ASSERT_TRUE(cell.slot.start(waits_for_a_word(cell)));
    EXPECT_TRUE(cell.steps.empty());
    EXPECT_EQ(reactor_->fiber_frames().used(), 1u);
    reactor_->turn(0);
    EXPECT_EQ(cell.steps, std::vector<int>{1});
    cell.slot.wake();
    reactor_->turn(0);
    EXPECT_TRUE(cell.slot.running());
    cell.go = true;
    cell.slot.wake();
    reactor_->turn(0);
    EXPECT_EQ(cell.steps, (std::vector<int>{1, 2}));
    EXPECT_FALSE(cell.slot.running());
    EXPECT_EQ(reactor_->fiber_frames().used(), 0u);
    cell.slot.wake();
    reactor_->turn(0);
}

TEST_P(ReactorTest, a_fiber_sleeps_until_its_deadline_however_often_it_is_woken) {
    Cell cell(*reactor_);
    const Nanoseconds deadline = reactor_->now() + 20 * kMillisecond;
    ASSERT_TRUE(cell.slot.start(waits_for_time(cell, deadline)));
    while (cell.slot.running()) {
        cell.slot.wake();
        reactor_->turn(kMillisecond);
        ASSERT_EQ(cell.slot.running(), reactor_->now() < deadline);
    }
    EXPECT_EQ(cell.steps.size(), 1u);
    reactor_->disarm(cell.timer);
}

TEST_P(ReactorTest, a_fiber_does_one_operation_after_the_other) {
    Cell cell(*reactor_);
    ASSERT_TRUE(cell.slot.start(does_operations(cell, 20)));
    turn_until([&] { return !cell.slot.running(); });
    EXPECT_EQ(cell.steps, std::vector<int>(20, 0));
}

TEST_P(ReactorTest, fibers_without_a_frame_are_refused) {
    std::vector<std::unique_ptr<Cell>> cells;
    const size_t limit = reactor_->fiber_frames().limit();
    for (size_t i = 0; i < limit; ++i) {
        cells.push_back(std::make_unique<Cell>(*reactor_));
        ASSERT_TRUE(cells.back()->slot.start(waits_for_a_word(*cells.back())));
        cells.back()->go = true;
    }
    Cell refused(*reactor_);
    EXPECT_FALSE(refused.slot.start(waits_for_a_word(refused)));
    EXPECT_FALSE(refused.slot.running());
    turn_until([&] { return reactor_->fiber_frames().used() == 0; });
    EXPECT_EQ(reactor_->counters().runs, limit);
}

// --- Threads (the kernel's ring only: a simulated world belongs to one thread) ---

TEST_P(ReactorTest, messages_from_other_threads_arrive_promptly_while_it_sleeps_and_runs) {
    if (!surface_->has_threads()) GTEST_SKIP();
    static constexpr uint64_t kSenders = 2, kMessages = 20'000;
    struct Tally {
        std::atomic<uint64_t> count = 0;
        uint64_t sum = 0;
    } tally;
    std::vector<std::thread> senders;
    for (uint64_t sender = 0; sender < kSenders; ++sender) {
        senders.emplace_back([&] {
            for (uint64_t i = 1; i <= kMessages; ++i) {
                const Message message{[](void* context, uint64_t value) noexcept {
                                          auto& self = *static_cast<Tally*>(context);
                                          ++self.count;
                                          self.sum += value;
                                      }, &tally, i};
                while (!reactor_->post(message)) std::this_thread::yield();
                // The last one taken, the reactor falls asleep: a lost wake-up costs a minute.
                if (i % 1000 == 0) {
                    while (tally.count.load(std::memory_order_relaxed) % 1000 != 0)
                        std::this_thread::yield();
                }
            }
        });
    }
    const Nanoseconds began = ring_->clock();
    while (tally.count != kSenders * kMessages) reactor_->turn(60 * kNanosecondsPerSecond);
    for (std::thread& thread : senders) thread.join();
    EXPECT_EQ(tally.count, kSenders * kMessages);
    EXPECT_EQ(tally.sum, kSenders * kMessages * (kMessages + 1) / 2);
    EXPECT_LT(ring_->clock() - began, 60 * kNanosecondsPerSecond);
}

INSTANTIATE_TEST_SUITE_P(Variation, ReactorTest, ::testing::Range(0U, Surface::variations));

}  // namespace
}  // namespace ringtime::loop
