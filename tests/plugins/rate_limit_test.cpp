// plugins/gateway: buckets that cores share, without a lock.
#include "plugins/gateway/rate_limit.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr uint64_t kSecond = 1'000'000'000;

TEST(RateLimit, a_bucket_empties_and_fills) {
    RateLimit limit(2, 3, 16);
    uint64_t now = 1000 * kSecond;
    for (uint64_t left : {2, 1, 0}) {
        auto outcome = limit.take(7, now);
        EXPECT_TRUE(outcome.allowed);
        EXPECT_EQ(outcome.remaining, left);
    }
    auto refused = limit.take(7, now);
    EXPECT_FALSE(refused.allowed);
    EXPECT_EQ(refused.retry_in_s, 1u);
    EXPECT_EQ(refused.full_in_s, 2u);
    EXPECT_TRUE(limit.take(9, now).allowed);  // Somebody else.
    EXPECT_FALSE(limit.take(7, now + kSecond / 2 - 1).allowed);
    EXPECT_TRUE(limit.take(7, now + kSecond / 2).allowed);
    EXPECT_EQ(limit.take(7, now + 100 * kSecond).remaining, 2u);  // Never more than the burst.
}

// However many cores ask at once, exactly the burst gets through, to everyone.
TEST(RateLimit, cores_share_a_bucket) {
    constexpr uint64_t burst = 10'000;
    constexpr int threads_count = 4;
    RateLimit limit(0.001, burst, 1024);
    uint64_t clients[] = {RateLimit::hash("a"), RateLimit::hash("b"), RateLimit::hash("c")};
    for (uint64_t client : clients) (void)limit.take(client, kSecond);  // They have their places.
    std::atomic<uint64_t> allowed[3] = {};
    std::vector<std::thread> threads;
    for (int t = 0; t < threads_count; ++t) {
        threads.emplace_back([&] {
            for (uint64_t i = 0; i < burst; ++i) {
                for (size_t c = 0; c < 3; ++c)
                    allowed[c] += limit.take(clients[c], kSecond).allowed ? 1 : 0;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    for (const auto& count : allowed) EXPECT_EQ(count.load(), burst - 1);
}

TEST(RateLimit, more_clients_than_places) {
    RateLimit limit(1, 1, 8);
    for (uint64_t i = 0; i < 1000; ++i)
        EXPECT_TRUE(limit.take(RateLimit::hash(std::to_string(i)), kSecond).allowed);
}

TEST(RateLimit, a_network_of_64_bits_is_one_client) {
    auto hash = [](const char* address) { return RateLimit::hash_address(address); };
    EXPECT_EQ(hash("2001:db8:1:2::1"), hash("2001:db8:1:2:ff::"));
    EXPECT_NE(hash("2001:db8:1:2::1"), hash("2001:db8:1:3::1"));
    EXPECT_NE(hash("10.0.0.1"), hash("10.0.0.2"));
}

}  // namespace
