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

}  // namespace
}  // namespace ringtime::upstream
