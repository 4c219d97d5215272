// Idle connections, how long they are kept and how they change cores: several cores in one world,
// moved step by step.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "get.h"
#include "ring/sim/sim_world.h"
#include "upstream/reading.h"

namespace ringtime::upstream {
namespace {

constexpr uint16_t kPort = 9001;

class HandingOver : public testing::Test {
 protected:
    HandingOver() {
        upstream = std::make_shared<Upstream>(one_server(kPort));
        world.serve(kPort, [this](ring::SimPeer& peer) {
            peers.push_back(&peer);
            peer.on_change = [this](ring::SimPeer& each) {
                if (!each.received().ends_with("\r\n\r\n")) return;
                each.clear_received();
                each.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n" + said + "\r\nhi");
            };
        });
        for (unsigned i = 0; i < 3; ++i) cores.push_back(std::make_unique<OneCore>(i, handover));
    }
    ~HandingOver() override {
        turn_until([&] {
            bool drained = true;
            for (auto& core : cores) {
                core->pool->drain();
                drained = drained && core->pool->drained();
            }
            return drained;
        });
        EXPECT_EQ(world.open_sockets(), 0u);
        for (auto& core : cores) {
            core->pool->leave();
            core->reactor->turn(0);
        }
        for (auto& core : cores) core->pool.reset();
    }

    template <typename Condition>
    void turn_until(Condition&& condition) {
        for (int i = 0; i < 10'000 && !condition(); ++i) {
            for (auto& core : cores) core->reactor->turn(0);
            world.advance_to(world.now() + 10'000);
        }
        EXPECT_TRUE(condition());
    }
    std::string ask(unsigned core) {
        Get get(*cores[core], *upstream);
        turn_until([&] { return get.over(); });
        return get.body;
    }
    /// Only this core's time passes: the others are busy with something else.
    void turn_alone(unsigned core, Milliseconds time) {
        for (Milliseconds i = 0; i < time; ++i) {
            cores[core]->reactor->turn(0);
            world.advance_to(world.now() + kNanosecondsPerMillisecond);
        }
        cores[core]->reactor->turn(0);
    }
    ServerReading read() { return read_upstream(*upstream, world.now()).servers[0]; }

    ring::SimWorld world{1, ring::SimFaults{}};
    Handover handover{3};
    std::vector<std::unique_ptr<OneCore>> cores;
    std::shared_ptr<Upstream> upstream;
    std::vector<ring::SimPeer*> peers;
    std::string said;  ///< Beside the length.
};

TEST_F(HandingOver, a_connection_is_let_go_of_before_its_server_does) {
    said = "keep-alive: timeout=5, max=100\r\n";
    EXPECT_EQ(ask(0), "hi");
    turn_alone(0, 3'700);
    EXPECT_EQ(read().idle, 1u);
    turn_alone(0, 100);
    EXPECT_EQ(read().idle, 0u);
    said = "keep-alive: timeout=0\r\n";
    EXPECT_EQ(ask(0), "hi");
    EXPECT_EQ(read().idle, 0u);
}

TEST_F(HandingOver, a_core_without_a_connection_gets_one_from_another) {
    for (unsigned core : {0U, 1U, 2U, 1U, 0U}) EXPECT_EQ(ask(core), "hi");
    ServerReading seen = read();
    EXPECT_EQ(peers.size(), 1u);
    EXPECT_EQ(seen.connects, 1u);
    EXPECT_EQ(seen.handed_over, 4u);
    EXPECT_EQ(seen.reused, 4u);
    EXPECT_EQ(seen.idle, 1u);
}

TEST_F(HandingOver, who_has_most_is_asked) {
    {
        Get one(*cores[0], *upstream), two(*cores[0], *upstream), three(*cores[1], *upstream);
        turn_until([&] { return one.over() && two.over() && three.over(); });
    }
    EXPECT_EQ(read().idle, 3u);
    EXPECT_EQ(ask(2), "hi");
    EXPECT_EQ(read().connects, 3u);
    EXPECT_EQ(ask(0), "hi");
    // Core 0 had two and has one; the request on it did not have to ask.
    EXPECT_EQ(read().handed_over, 1u);
}

TEST_F(HandingOver, one_that_does_not_answer_is_not_waited_for_and_its_connection_is_kept) {
    EXPECT_EQ(ask(0), "hi");
    {
        Get get(*cores[1], *upstream);
        turn_alone(1, 100);
        EXPECT_EQ(get.body, "hi");
    }
    EXPECT_EQ(read().connects, 2u);
    // Nor asked, for a while.
    {
        Get first(*cores[1], *upstream), second(*cores[1], *upstream);
        turn_alone(1, 8);
        EXPECT_EQ(second.body, "hi");
    }
    EXPECT_EQ(read().connects, 3u);
    turn_until([&] { return read().handed_over == 1; });
    EXPECT_EQ(read().idle, 3u);
}

TEST_F(HandingOver, a_request_that_ends_while_it_waits_leaves_the_connection_behind) {
    EXPECT_EQ(ask(0), "hi");
    {
        Get get(*cores[1], *upstream);
    }
    turn_until([&] { return read().handed_over == 1 && read().idle == 1; });
    EXPECT_EQ(ask(1), "hi");
    EXPECT_EQ(peers.size(), 1u);
}

TEST_F(HandingOver, what_the_server_has_closed_is_not_handed_over) {
    EXPECT_EQ(ask(0), "hi");
    // On its way while the other core asks.
    peers[0]->half_close();
    Get get(*cores[1], *upstream);
    cores[1]->reactor->turn(0);
    world.advance_to(world.now() + kNanosecondsPerMillisecond);
    turn_until([&] { return get.over(); });
    EXPECT_EQ(get.body, "hi");
    EXPECT_EQ(read().handed_over, 0u);
    EXPECT_EQ(read().connects, 2u);
}

TEST_F(HandingOver, what_came_while_nobody_listened_is_taken_for_no_answer) {
    EXPECT_EQ(ask(0), "hi");
    Get get(*cores[1], *upstream);
    // Core 0 lets go; before core 1 hears of it the server speaks unasked.
    for (int i = 0; i < 4; ++i) cores[0]->reactor->turn(0);
    peers[0]->send("HTTP/1.1 408 Request Timeout\r\ncontent-length: 2\r\n\r\nno");
    world.advance_to(world.now() + kNanosecondsPerMillisecond);
    turn_until([&] { return get.over(); });
    EXPECT_EQ(get.body, "hi");
    EXPECT_EQ(read().handed_over, 0u);
}

TEST_F(HandingOver, a_core_that_has_left_is_passed_by) {
    EXPECT_EQ(ask(0), "hi");
    cores[0]->pool->leave();
    EXPECT_EQ(ask(1), "hi");
    EXPECT_EQ(read().connects, 2u);
}

TEST_F(HandingOver, an_upstream_that_is_forgotten_meanwhile_gets_nothing_back) {
    EXPECT_EQ(ask(0), "hi");
    {
        Get get(*cores[1], *upstream);
    }
    EXPECT_TRUE(cores[1]->pool->forget(*upstream));
    turn_until([&] { return cores[1]->pool->drained(); });
    EXPECT_EQ(read().idle, 0u);
    EXPECT_EQ(read().handed_over, 0u);
}

/// A server with few places, which answers when it is told to.
class Places : public HandingOver {
 protected:
    Places() {
        UpstreamSpec spec = one_server(kPort + 1);
        spec.connections_max = 2;
        spec.queue_max = 10;
        upstream = std::make_shared<Upstream>(spec);
        world.serve(kPort + 1, [this](ring::SimPeer& peer) {
            peer.on_change = [this](ring::SimPeer& each) {
                if (!each.received().ends_with("\r\n\r\n")) return;
                each.clear_received();
                busy.push_back(&each);
                EXPECT_LE(busy.size(), 2u);
            };
        });
    }
    void answer_one() {
        ASSERT_FALSE(busy.empty());
        ring::SimPeer* first = busy.front();
        busy.erase(busy.begin());
        first->send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
    }
    Get& get(unsigned core) {
        gets.push_back(std::make_unique<Get>(*cores[core], *upstream));
        Get& made = *gets.back();
        cores[core]->reactor->wake(made);  // As an exchange, which looks at once.
        turn_shortly();
        return made;
    }
    /// Less than those who wait would look for a place by themselves.
    void turn_shortly() {
        for (int i = 0; i < 300; ++i) turn_all();
    }
    void turn_all() {
        for (auto& core : cores) core->reactor->turn(0);
        for (auto& one : gets) {
            if (one->over()) one->leave();
        }
        world.advance_to(world.now() + 10'000);
    }

    std::vector<ring::SimPeer*> busy;  ///< With a request that is not answered.
    std::vector<std::unique_ptr<Get>> gets;
};

TEST_F(Places, are_the_upstreams_whichever_core_asks) {
    for (unsigned i = 0; i < 12; ++i) get(i % 3);
    EXPECT_EQ(upstream->queued.load(), 10u);
    EXPECT_TRUE(get(0).failed);  // The queue is the upstream's, too.
    gets.pop_back();
    for (unsigned answered = 1; answered <= 12; ++answered) {
        answer_one();
        turn_shortly();
        auto over = std::count_if(gets.begin(), gets.end(), [](auto& one) { return one->over(); });
        EXPECT_EQ(over, answered);
    }
    for (auto& one : gets) EXPECT_EQ(one->body, "hi");
    EXPECT_EQ(upstream->queued.load(), 0u);
    EXPECT_EQ(upstream->waiting_cores.load(), 0u);
}

TEST_F(Places, a_turn_is_not_lost_with_the_request_it_was_for) {
    Get& first = get(0);
    get(0);
    Get& leaves = get(1);
    Get& stays = get(2);
    EXPECT_EQ(upstream->queued.load(), 2u);
    answer_one();
    // Core 0 gives the place back, and core 1 the turn; there nobody waits any more.
    for (int i = 0; i < 300 && !first.over(); ++i) {
        cores[0]->reactor->turn(0);
        world.advance_to(world.now() + 10'000);
    }
    EXPECT_TRUE(first.over());
    first.leave();
    leaves.leave();
    turn_shortly();
    ASSERT_EQ(busy.size(), 2u);
    answer_one();
    answer_one();
    turn_shortly();
    EXPECT_EQ(stays.body, "hi");
}

TEST_F(Places, one_looks_again_by_itself_should_its_turn_get_lost) {
    get(0);
    get(0);
    Get& waits = get(1);
    cores[1]->pool->leave();  // Hears of nothing any more.
    answer_one();
    answer_one();
    turn_shortly();
    EXPECT_EQ(busy.size(), 0u);
    turn_until([&] { return busy.size() == 1; });
    answer_one();
    turn_until([&] { return waits.over(); });
    waits.leave();
}

}  // namespace
}  // namespace ringtime::upstream
