// Idle connections that change cores: several cores in one world, moved step by step.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support.h"
#include "upstream/pool.h"
#include "upstream/reading.h"
#include "upstream/session.h"

namespace ringtime::upstream {
namespace {

constexpr uint16_t kPort = 9001;

/// A core as far as upstreams go.
struct OneCore {
    OneCore(unsigned index, Handover& handover) {
        std::string problem;
        ring = ring::Ring::open({}, problem);
        reactor = std::make_unique<loop::Reactor>(*ring, index);
        io = std::make_unique<net::Io>(*reactor);
        pool = std::make_unique<CorePool>(*io, &handover);
    }

    std::unique_ptr<ring::Ring> ring;
    std::unique_ptr<loop::Reactor> reactor;
    std::unique_ptr<net::Io> io;
    std::unique_ptr<CorePool> pool;
};

/// A GET on one core; `step` is what an exchange does when it is woken.
struct Get final : loop::Runnable {
    Get(OneCore& core, Upstream& upstream) : core_(core) {
        draft_.begin(received_);
        request_.method = "GET";
        request_.method_id = http::Method::get;
        request_.path = "/";
        request_.authority = "up.test";
        request_.fields = &draft_;
        session_ = core.pool->send(upstream, request_, *this);
    }
    ~Get() { leave(); }

    void run() noexcept override {
        if (!session_ || over()) return;
        using Phase = http::Answer::Phase;
        Phase phase = session_->advance();
        failed = phase == Phase::failed;
        if (phase != Phase::headed) return;
        Piece piece;
        while (session_->body().pull(piece, 4096) == http::Pull::data) {
            body += piece.view();
            piece.release();
        }
    }
    [[nodiscard]] bool over() const noexcept { return failed || !body.empty(); }
    void leave() noexcept {
        loop::Reactor::forget(static_cast<loop::Runnable&>(*this));
        if (session_) session_->release();
        session_ = nullptr;
    }

    std::string body;
    bool failed = false;

 private:
    OneCore& core_;
    http::FieldTable received_;
    http::FieldDraft draft_;
    UpstreamRequest request_;
    Session* session_;
};

class HandingOver : public testing::Test {
 protected:
    HandingOver() {
        UpstreamSpec spec;
        spec.name = "up";
        spec.servers.emplace_back();
        spec.servers[0].host = "127.0.0.1";
        spec.servers[0].port = kPort;
        upstream = std::make_shared<Upstream>(spec);
        world.serve(kPort, [this](ring::SimPeer& peer) {
            peers.push_back(&peer);
            peer.on_change = [](ring::SimPeer& each) {
                if (!each.received().ends_with("\r\n\r\n")) return;
                each.clear_received();
                each.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
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
};

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
