// A machine with store buffers, in which the protocol of the rings runs in every possible order.
// Real hardware shows a missing fence once in ten thousand messages, if it likes; this shows it
// always. The code under test is worker_abi.h itself: its atomic accesses are led into the model.
//
// Every thread of the model is a function that is run again from its start for each step, with the
// results of its accesses so far. So a state is what the threads have seen, what their buffers and
// the memory hold; each is visited once.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

struct Pause {};  // Thrown where a thread reaches the access it has not made yet.

struct Store {
    const void* at;
    uint64_t value;
};

enum class Next : uint8_t { step, blocked, done };

class Machine {
  public:
    using Program = std::function<void(Machine&)>;
    struct Thread {
        Program program;
        bool fences = true;
        std::vector<uint64_t> seen;  // The results of its accesses.
        std::deque<Store> buffer;    // Its stores that nobody else sees yet.
    };

    std::vector<Thread> threads;
    std::map<const void*, uint64_t> memory;

    // ---- The accesses, called by the programs ----

    uint64_t load(const void* at) {
        return access([&] {
            Thread& self = threads[running_];
            for (auto store = self.buffer.rbegin(); store != self.buffer.rend(); ++store)
                if (store->at == at) return store->value;
            return memory[at];
        });
    }
    void store(const void* at, uint64_t value) {
        access([&] {
            threads[running_].buffer.push_back({at, value});
            return uint64_t{0};
        });
    }
    void fence() {
        if (threads[running_].fences) access([&] { return drain(); });
    }
    // A system call orders like a fence, whatever was removed.
    void ring() {
        access([&] {
            drain();
            return bell_ = 1;
        });
    }
    void wait_for_ring() {
        access([&] {
            if (bell_ == 0) throw Next::blocked;
            drain();
            return bell_ = 0;
        });
    }

    // ---- Exploring ----

    // Visits every state that can be reached and calls `end` for those nothing follows on.
    void explore(const std::function<void(Machine&, bool all_done)>& end) {
        if (!visited().insert(key()).second) return;
        bool moved = false;
        bool all_done = true;
        for (size_t i = 0; i < threads.size(); ++i) {
            if (!threads[i].buffer.empty()) {
                Machine after = *this;
                after.flush_one(i);
                after.explore(end);
                moved = true;
            }
            Machine after = *this;
            Next next = after.step(i);
            all_done = all_done && next == Next::done;
            if (next != Next::step) continue;
            after.explore(end);
            moved = true;
        }
        if (!moved) end(*this, all_done);
    }
    size_t states() { return visited().size(); }

    static Machine* current;

  private:
    template <typename Action>
    uint64_t access(Action&& action) {
        std::vector<uint64_t>& seen = threads[running_].seen;
        if (position_ < seen.size()) return seen[position_++];
        if (!may_act_) throw Pause{};
        uint64_t value = action();
        may_act_ = false;
        seen.push_back(value);
        ++position_;
        return value;
    }
    uint64_t drain() {
        while (!threads[running_].buffer.empty()) flush_one(running_);
        return 0;
    }
    void flush_one(size_t thread) {
        Store store = threads[thread].buffer.front();
        threads[thread].buffer.pop_front();
        memory[store.at] = store.value;
    }
    Next step(size_t thread) {
        running_ = thread;
        position_ = 0;
        may_act_ = true;
        current = this;
        try {
            threads[thread].program(*this);
        } catch (Pause) {
            return Next::step;
        } catch (Next next) {
            return next;
        }
        return may_act_ ? Next::done : Next::step;
    }
    std::string key() const {
        std::ostringstream text;
        for (const Thread& thread : threads) {
            for (uint64_t value : thread.seen) text << value << ' ';
            text << '|';
            for (const Store& store : thread.buffer) text << store.at << '=' << store.value << ' ';
            text << '|';
        }
        for (const auto& [at, value] : memory)
            if (value != 0) text << at << '=' << value << ' ';
        text << bell_;
        return text.str();
    }
    std::set<std::string>& visited() { return *visited_; }

    std::shared_ptr<std::set<std::string>> visited_ = std::make_shared<std::set<std::string>>();
    uint64_t bell_ = 0;
    size_t running_ = 0;
    size_t position_ = 0;
    bool may_act_ = false;
};

Machine* Machine::current = nullptr;

template <typename Word>
Word model_load(const Word* at) {
    return static_cast<Word>(Machine::current->load(at));
}
template <typename Word, typename Value>
void model_store(Word* at, Value value) {
    Machine::current->store(at, value);
}

}  // namespace

#define __atomic_load_n(at, order) model_load(at)
#define __atomic_store_n(at, value, order) model_store(at, value)
#define __atomic_thread_fence(order) Machine::current->fence()
#define __atomic_fetch_add(at, value, order) ((void)*(at), Machine::current->fence())
#include "ringtime/worker_abi.h"

namespace {

enum class Fences : uint8_t { both, first_removed, second_removed };

rtw_region region_a;
rtw_region region_b;

// One side sends twice, the other takes two and sleeps whenever it finds nothing.
unsigned lost_wake_ups(Fences fences) {
    static constexpr unsigned kMessages = 2;
    Machine machine;
    machine.threads.resize(2);
    machine.threads[0].fences = fences != Fences::first_removed;
    machine.threads[1].fences = fences != Fences::second_removed;
    machine.threads[0].program = [](Machine& self) {
        rtw_producer producer{&region_a, &region_b, 0, 0, 0};
        for (unsigned i = 0; i < kMessages; ++i) {
            rtw_desc desc{};
            rtw_put(&producer, &desc);
            if (rtw_publish(&producer)) self.ring();
        }
    };
    machine.threads[1].program = [](Machine& self) {
        rtw_consumer consumer{&region_a, &region_b, 0, 0};
        for (unsigned taken = 0; taken < kMessages;) {
            rtw_store(&region_b.wants_wake, 1);
            rtw_full_fence();
            if (rtw_available(&consumer) == 0) self.wait_for_ring();
            rtw_store(&region_b.wants_wake, 0);
            for (uint32_t count = rtw_available(&consumer); count; --count, ++taken)
                ++consumer.head;  // rtw_take() without the loads of the descriptor's bytes.
        }
    };
    unsigned lost = 0;
    machine.explore([&](Machine&, bool all_done) { lost += !all_done; });
    EXPECT_GT(machine.states(), 100U) << "not explored";
    return lost;
}

TEST(Fences, with_both_no_order_of_events_loses_a_wake_up) {
    EXPECT_EQ(lost_wake_ups(Fences::both), 0U);
}

TEST(Fences, without_the_producer_s_a_wake_up_is_lost) {
    EXPECT_GT(lost_wake_ups(Fences::first_removed), 0U);
}

TEST(Fences, without_the_sleeper_s_a_wake_up_is_lost) {
    EXPECT_GT(lost_wake_ups(Fences::second_removed), 0U);
}

// A request that was handed over in advance is taken back while the worker begins it: the gateway
// and the worker may both give way, but never run it both.
unsigned run_twice(Fences fences) {
    Machine machine;
    machine.threads.resize(2);
    machine.threads[0].fences = fences != Fences::first_removed;
    machine.threads[1].fences = fences != Fences::second_removed;
    static uint32_t ran_here;
    static uint32_t ran_elsewhere;
    machine.threads[0].program = [](Machine& self) {  // Link::recall()
        rtw_store(&region_a.recall_from, 1);
        rtw_store(&region_a.recalling, 1);
        rtw_full_fence();
        if (rtw_load(&region_b.begun) == 0) self.store(&ran_elsewhere, 1);
    };
    machine.threads[1].program = [](Machine& self) {  // begin_request()
        rtw_store(&region_b.begun, 1);
        rtw_full_fence();
        bool recalled = rtw_load(&region_a.recalling) && rtw_peek(&region_a.recall_from) <= 1;
        if (!recalled) self.store(&ran_here, 1);
    };
    unsigned twice = 0;
    machine.explore([&](Machine& end, bool) {
        twice += end.memory[&ran_here] != 0 && end.memory[&ran_elsewhere] != 0;
    });
    return twice;
}

TEST(Fences, a_request_that_is_recalled_never_runs_twice) {
    EXPECT_EQ(run_twice(Fences::both), 0U);
    EXPECT_GT(run_twice(Fences::first_removed), 0U);
    EXPECT_GT(run_twice(Fences::second_removed), 0U);
}

}  // namespace
