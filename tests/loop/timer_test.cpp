// The timer wheel against the simplest thing that could work: look at every timer.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "loop/timer.h"
#include "ring/sim/sim_random.h"

namespace ringtime::loop {
namespace {

constexpr Nanoseconds kTick = TimerWheel::tick;

uint64_t ticks_up(Nanoseconds time) { return (time + kTick - 1) / kTick; }

/// A wheel and what it should do, driven by chance.
class Rig {
 public:
    Rig(uint64_t seed, unsigned count)
        : seed_(seed), random_(seed), now_(random_.below(1'000'000) * kTick + random_.below(kTick)),
          wheel_(now_), timers_(count) {
        for (Entry& entry : timers_) {
            entry.timer.owner = &entry;
            entry.rig = this;
            entry.timer.on_expire = [](Timer& timer) noexcept {
                auto& fired = *static_cast<Entry*>(timer.owner);
                fired.rig->on_expire(fired);
            };
        }
    }
    ~Rig() {
        for (Entry& entry : timers_) wheel_.disarm(entry.timer);
        EXPECT_TRUE(wheel_.empty());
    }

    void step() {
        Entry& entry = timers_[random_.below(timers_.size())];
        switch (random_.below(8)) {
            case 0:
            case 1:
            case 2: return arm(entry, now_ + distance());
            case 3: return disarm(entry);
            // Most deadlines move later before they are met.
            case 4:
                if (entry.armed) arm(entry, entry.deadline + distance());
                return;
            case 5: return advance(now_ + random_.below(3 * kTick));
            case 6: return sleep();
            default:
                // The wheel walks tick by tick: an hour is far enough.
                if (random_.chance(20)) advance(now_ + std::min(distance(), (1 << 19) * kTick));
                return;
        }
    }

    [[nodiscard]] uint64_t fired() const { return fired_; }

 private:
    struct Entry {
        Timer timer;
        Rig* rig = nullptr;
        Nanoseconds deadline = 0;
        uint64_t due_tick = 0;  ///< The tick in which it must fire.
        bool armed = false;
    };

    // Within one slot, one level, several levels, and rarely beyond the wheel's 37 hours.
    Nanoseconds distance() {
        const uint64_t kind = random_.below(100);
        if (kind < 40) return random_.below(64 * kTick);
        if (kind < 75) return random_.below(4096 * kTick);
        if (kind < 97) return random_.below(uint64_t{64} * 4096 * kTick);
        return random_.below((uint64_t{1} << 25) * kTick);
    }

    void arm(Entry& entry, Nanoseconds deadline) {
        wheel_.arm(entry.timer, deadline);
        entry.deadline = deadline;
        // "Not before", and never in a tick that has begun.
        entry.due_tick = std::max(ticks_up(deadline), tick_ + 1);
        entry.armed = true;
    }

    void disarm(Entry& entry) {
        wheel_.disarm(entry.timer);
        entry.armed = false;
    }

    void on_expire(Entry& entry) {
        ++fired_;
        ASSERT_TRUE(entry.armed) << "seed=" << seed_;
        ASSERT_LE(entry.deadline, advancing_to_) << "seed=" << seed_;
        entry.armed = false;
        // Handlers may do anything to any timer; while one runs, the wheel stands at some tick of
        // the past, so what they arm may fire within this very advance.
        if (!random_.chance(300)) return;
        Entry& other = timers_[random_.below(timers_.size())];
        if (random_.chance(500)) return disarm(other);
        arm(other, advancing_to_ + distance());
        other.due_tick = std::max(other.due_tick, advancing_to_ / kTick + 1);
    }

    void advance(Nanoseconds to) {
        advancing_to_ = to;
        wheel_.advance(to);
        now_ = to;
        tick_ = to / kTick;
        check();
    }

    // As the reactor does: wait until the wheel has something to do.
    void sleep() {
        const Nanoseconds next = wheel_.next_deadline();
        if (next == UINT64_MAX) {
            for (const Entry& entry : timers_) ASSERT_FALSE(entry.armed) << "seed=" << seed_;
            return;
        }
        ASSERT_GT(next, now_) << "a wheel that asks for no wait spins; seed=" << seed_;
        for (const Entry& entry : timers_) {
            if (entry.armed) {
                ASSERT_LE(next, entry.due_tick * kTick) << "seed=" << seed_;
            }
        }
        // Far sleeps cost time in this test only.
        if (next - now_ < uint64_t{5000} * kTick) advance(next);
    }

    void check() {
        for (const Entry& entry : timers_) {
            ASSERT_EQ(entry.armed, entry.timer.armed()) << "seed=" << seed_;
            if (entry.armed) {
                ASSERT_GT(entry.due_tick, tick_) << "late by "
                    << (tick_ - entry.due_tick) << " ticks; seed=" << seed_;
            }
        }
    }

    uint64_t seed_;
    ring::SimRandom random_;
    Nanoseconds now_;
    uint64_t tick_ = now_ / kTick;
    Nanoseconds advancing_to_ = 0;
    TimerWheel wheel_;
    std::vector<Entry> timers_;
    uint64_t fired_ = 0;
};

TEST(TimerWheel, agrees_with_a_list_of_deadlines) {
    uint64_t fired = 0;
    for (uint64_t seed = 1; seed <= 400 && !HasFatalFailure(); ++seed) {
        Rig rig(seed, seed % 4 == 0 ? 200 : 20);
        for (int i = 0; i < 5000 && !HasFatalFailure(); ++i) rig.step();
        fired += rig.fired();
    }
    EXPECT_GT(fired, 100'000u);
}

struct Fired {
    Timer timer;
    unsigned times = 0;
    Fired() {
        timer.owner = this;
        timer.on_expire = [](Timer& t) noexcept { ++static_cast<Fired*>(t.owner)->times; };
    }
};

TEST(TimerWheel, a_deadline_at_every_distance_is_met_within_a_tick) {
    for (uint64_t ticks : {1, 2, 63, 64, 65, 127, 128, 4095, 4096, 4097, 8191, 262143, 262144}) {
        for (uint64_t start : {0, 1, 62, 63, 64, 4095, 4096, 262143}) {
            const Nanoseconds begin = start * kTick;
            TimerWheel wheel(begin);
            Fired fired;
            wheel.arm(fired.timer, begin + ticks * kTick);
            wheel.advance(begin + ticks * kTick - 1);
            EXPECT_EQ(fired.times, 0u) << ticks << " ticks from " << start;
            wheel.advance(begin + ticks * kTick);
            EXPECT_EQ(fired.times, 1u) << ticks << " ticks from " << start;
            wheel.disarm(fired.timer);
        }
    }
}

TEST(TimerWheel, a_deadline_beyond_the_wheel_is_met_too) {
    constexpr Nanoseconds kFar = (uint64_t{1} << 24) * kTick + 5 * kTick;
    TimerWheel wheel(7 * kTick);
    Fired fired;
    wheel.arm(fired.timer, kFar);
    wheel.advance(kFar - kTick);
    EXPECT_EQ(fired.times, 0u);
    wheel.advance(kFar);
    EXPECT_EQ(fired.times, 1u);
}

TEST(TimerWheel, an_empty_wheel_asks_for_no_wake_up) {
    TimerWheel wheel(12345 * kTick);
    EXPECT_EQ(wheel.next_deadline(), UINT64_MAX);
    Fired fired;
    wheel.arm(fired.timer, 12346 * kTick);
    EXPECT_LE(wheel.next_deadline(), 12346 * kTick);
    wheel.disarm(fired.timer);
    EXPECT_TRUE(wheel.empty());
    EXPECT_EQ(wheel.next_deadline(), UINT64_MAX);
}

TEST(TimerWheel, a_deadline_of_the_past_fires_at_the_next_tick) {
    TimerWheel wheel(100 * kTick);
    Fired fired;
    wheel.arm(fired.timer, 3);
    wheel.advance(101 * kTick);
    EXPECT_EQ(fired.times, 1u);
}

}  // namespace
}  // namespace ringtime::loop
