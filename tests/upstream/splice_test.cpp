// Bodies that pass through a pipe, in a world whose clock the test moves.

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "get.h"
#include "ring/sim/sim_world.h"

namespace ringtime::upstream {
namespace {

constexpr uint16_t kPort = 9001;
constexpr size_t kBodyBytes = 3 * limits::relay_pipe_bytes;

/// A GET whose taker may hold back, and takes what the kernel has as the kernel would.
struct Taker final : loop::Runnable {
    Taker(OneCore& core, Upstream& upstream) {
        draft.begin(received);
        request.method = "GET";
        request.method_id = http::Method::get;
        request.path = "/";
        request.authority = "up.test";
        request.fields = &draft;
        session = core.pool->send(upstream, request, *this);
    }
    ~Taker() {
        loop::Reactor::forget(static_cast<loop::Runnable&>(*this));
        session->release();
    }

    void run() noexcept override {
        while (!over && !holds_back) {
            auto phase = session->advance();
            failed = over = phase == http::Answer::Phase::failed;
            if (phase != http::Answer::Phase::headed) return;
            if (!take_file() && !take_piece()) return;
        }
    }
    bool take_file() {
        http::FileRange range = session->body().file();
        if (range.size == 0) return false;
        EXPECT_TRUE(range.pipe);
        std::string bytes(std::min<uint64_t>(range.size, at_once), '\0');
        ssize_t size = ::read(range.fd, bytes.data(), bytes.size());
        EXPECT_EQ(size, static_cast<ssize_t>(bytes.size()));
        session->body().skip(bytes.size());
        body += bytes;
        spliced += bytes.size();
        return true;
    }
    bool take_piece() {
        Piece piece;
        switch (session->body().pull(piece, 4096)) {
            case http::Pull::pending: return false;
            case http::Pull::data: body += piece.view(); piece.release(); return true;
            case http::Pull::failed: failed = true; [[fallthrough]];
            case http::Pull::end: over = true;
        }
        return false;
    }

    std::string body;
    uint64_t spliced = 0;
    uint64_t at_once = UINT64_MAX;
    bool over = false, failed = false, holds_back = false;
    http::FieldTable received;
    http::FieldDraft draft;
    UpstreamRequest request;
    Session* session;
};

class Splicing : public testing::Test {
 protected:
    Splicing() {
        for (size_t i = 0; i < kBodyBytes; ++i) body += static_cast<char>('a' + i % 23);
        world.serve(kPort, [this](ring::SimPeer& each) {
            peer = &each;
            each.on_change = [this](ring::SimPeer& asked) {
                if (!asked.received().ends_with("\r\n\r\n")) return;
                asked.clear_received();
                asked.send("HTTP/1.1 200 OK\r\ncontent-length: " + std::to_string(body.size()) +
                           "\r\n\r\n" + body.substr(0, sent_at_once));
            };
        });
    }
    ~Splicing() override {
        turn_until([&] {
            core.pool->drain();
            return core.pool->drained();
        });
        EXPECT_EQ(core.io->pipes.used(), 0u);
        EXPECT_EQ(world.open_sockets(), 0u);
        core.pool->leave();
        core.reactor->turn(0);
        core.pool.reset();
        for (const std::string& violation : world.violations()) ADD_FAILURE() << violation;
    }

    template <typename Condition> void turn_until(Condition&& condition) {
        for (int i = 0; i < 10'000 && !condition(); ++i) {
            core.reactor->turn(0);
            world.advance_to(world.now() + 10'000);
        }
        EXPECT_TRUE(condition());
    }
    void pass(Milliseconds time) {
        world.advance_to(world.now() + from_milliseconds(time));
        for (int i = 0; i < 10; ++i) core.reactor->turn(0);
    }

    ring::SimWorld world{1, ring::SimFaults{}};
    Handover handover{1};
    OneCore core{0, handover};
    std::shared_ptr<Upstream> upstream = std::make_shared<Upstream>(one_server(kPort));
    ring::SimPeer* peer = nullptr;
    std::string body;
    size_t sent_at_once = SIZE_MAX;
};

TEST_F(Splicing, the_body_is_whole_and_the_connection_kept) {
    for (uint64_t at_once : {UINT64_MAX, uint64_t{1000}}) {
        for (int turn = 0; turn < 2; ++turn) {
            Taker taker(core, *upstream);
            taker.at_once = at_once;
            turn_until([&] { return taker.over; });
            EXPECT_FALSE(taker.failed);
            EXPECT_TRUE(taker.body == body);
            EXPECT_GT(taker.spliced, turn == 0 && at_once == UINT64_MAX ? 0 : body.size() / 2);
        }
    }
}

TEST_F(Splicing, without_a_pipe_it_is_received) {
    net::Pipe held[limits::relay_pipes];
    for (net::Pipe& pipe : held) pipe = core.io->pipes.take();
    EXPECT_FALSE(core.io->pipes.take().open());
    {
        Taker taker(core, *upstream);
        turn_until([&] { return taker.over; });
        EXPECT_TRUE(taker.body == body);
        EXPECT_EQ(taker.spliced, 0u);
    }
    for (net::Pipe& pipe : held) core.io->pipes.give(pipe);
}

TEST_F(Splicing, what_is_left_in_the_pipe_goes_with_it) {
    {
        Taker taker(core, *upstream);
        taker.at_once = 10;
        turn_until([&] { return taker.spliced > 0 || taker.over; });
        taker.holds_back = true;
    }
    Taker next(core, *upstream);
    turn_until([&] { return next.over; });
    EXPECT_TRUE(next.body == body);
}

TEST_F(Splicing, a_client_that_takes_nothing_is_no_fault_of_the_server) {
    Taker taker(core, *upstream);
    turn_until([&] { return taker.spliced > 0; });
    taker.holds_back = true;
    pass(10 * timeouts::upstream_idle_ms);
    taker.holds_back = false;
    core.reactor->wake(taker);
    turn_until([&] { return taker.over; });
    EXPECT_TRUE(taker.body == body);
    EXPECT_FALSE(taker.failed);
}

TEST_F(Splicing, a_server_that_says_no_more_is) {
    sent_at_once = body.size() / 2;
    Taker taker(core, *upstream);
    turn_until([&] { return taker.body.size() == sent_at_once; });
    pass(timeouts::upstream_idle_ms / 2);
    EXPECT_FALSE(taker.over);
    pass(timeouts::upstream_idle_ms);
    EXPECT_TRUE(taker.failed);
    EXPECT_EQ(taker.session->error().reason, Reason::upstream_timeout);
}

TEST_F(Splicing, a_body_cut_short_is_no_whole_one) {
    sent_at_once = body.size() / 2;
    Taker taker(core, *upstream);
    turn_until([&] { return taker.body.size() == sent_at_once; });
    peer->close();
    turn_until([&] { return taker.over; });
    EXPECT_TRUE(taker.failed);
    EXPECT_EQ(taker.session->error().reason, Reason::upstream_reset);
}

}  // namespace
}  // namespace ringtime::upstream
