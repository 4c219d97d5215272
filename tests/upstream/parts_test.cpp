// The small parts: budget, replayed bodies, counters.

#include <gtest/gtest.h>

#include <string>

#include "http/head_parser.h"
#include "support.h"
#include "upstream/keep_alive.h"
#include "upstream/replay.h"
#include "upstream/retry_budget.h"

namespace ringtime::upstream {
namespace {

TEST(RetryBudget, a_burst_then_a_share_of_the_requests) {
    RetryBudget budget(20);
    uint64_t burst = 0;
    while (budget.take()) ++burst;
    EXPECT_EQ(burst, limits::retry_burst_max);
    unsigned retries = 0;
    for (int i = 0; i < 1000; ++i) {
        budget.add_request();
        retries += budget.take() ? 1 : 0;
    }
    EXPECT_EQ(retries, 200u);
    RetryBudget none(0);
    none.add_request();
    EXPECT_FALSE(none.take());
}

std::string kept(const Replay& replay) {
    std::string text;
    replay.for_each([&](const Piece& piece) {
        text += piece.view();
        piece.release();
    });
    return text;
}

TEST(Replay, gives_the_same_bytes_again_and_again) {
    Rig rig(spec_of(1));
    Replay replay(rig.io->texts);
    std::string body;
    for (size_t size : {1UL, 100UL, 5000UL, 1UL, 70'000UL, 200'000UL, 3UL, 600'000UL}) {
        replay.begin(limits::replay_bytes_max);
        body.clear();
        while (body.size() + size <= limits::replay_bytes_max && body.size() < 100 * size) {
            std::string piece(size, static_cast<char>('a' + body.size() % 26));
            body += piece;
            replay.add(piece);
        }
        EXPECT_TRUE(replay.whole());
        EXPECT_TRUE(kept(replay) == body) << size;
        EXPECT_TRUE(kept(replay) == body) << size;
    }
    replay.clear();
    EXPECT_EQ(rig.io->texts.used(), 0u);
}

TEST(Replay, keeps_nothing_of_a_body_that_is_too_large) {
    Rig rig(spec_of(1));
    Replay replay(rig.io->texts);
    replay.begin(1000);
    replay.add(std::string(900, 'x'));
    EXPECT_TRUE(replay.whole());
    replay.add(std::string(101, 'x'));
    EXPECT_FALSE(replay.whole());
    EXPECT_EQ(rig.io->texts.used(), 0u);
    replay.begin(0);
    EXPECT_TRUE(replay.whole());
    replay.add("x");
    EXPECT_FALSE(replay.whole());
}

TEST(KeepAlive, three_quarters_of_what_the_server_says) {
    const std::pair<std::string, Milliseconds> rows[] = {
        {"keep-alive: timeout=5", 3750},
        {"Keep-Alive: max=100,Timeout=20 ", 15'000},
        {"Keep-Alive: timeout=0", 0},
        {"Keep-Alive: timeout=4294967295", 3'221'225'471'250},
        {"Keep-Alive: timeout=4294967296", keeps_for_ever},
        {"Keep-Alive: timeout=", keeps_for_ever},
        {"Keep-Alive: timeout=5s", keeps_for_ever},
        {"Keep-Alive: timeout=-1", keeps_for_ever},
        {"Keep-Alive: max=5", keeps_for_ever},
        {"Connection: keep-alive", keeps_for_ever},
    };
    for (const auto& [line, expected] : rows) {
        std::string text = "HTTP/1.1 200 OK\r\n" + line + "\r\n\r\n";
        http::ResponseParser parser;
        http::ResponseHead head;
        ASSERT_TRUE(parser.parse(text.data(), text.size(), head).complete()) << line;
        EXPECT_EQ(announced_keep_alive(head.fields), expected) << line;
    }
}

TEST(LatencyScale, buckets_hold_what_their_bounds_say) {
    for (uint64_t us = 1; us < 60'000'000; us += us / 7 + 1) {
        unsigned bucket = LatencyScale::bucket_of(us);
        EXPECT_LT(us, LatencyScale::bound_us(bucket)) << us;
        if (bucket > 0) {
            EXPECT_GE(us, LatencyScale::bound_us(bucket - 1)) << us;
        }
    }
    EXPECT_LT(LatencyScale::bucket_of(UINT64_MAX), LatencyScale::buckets);
    EXPECT_GT(LatencyScale::bound_us(LatencyScale::buckets - 1), 60'000'000u);
}

}  // namespace
}  // namespace ringtime::upstream
