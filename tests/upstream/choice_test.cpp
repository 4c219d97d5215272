// Which server takes a request.

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "support.h"
#include "upstream/hashing.h"

namespace ringtime::upstream {
namespace {

Affinity key(uint64_t value) { return {0, scramble(value), true}; }

TEST(Choice, the_less_busy_of_two_takes_it) {
    Rig rig(spec_of(2));
    ServerPool& busy = rig.pool(0);
    ASSERT_TRUE(busy.enter());
    for (int i = 0; i < 50; ++i) EXPECT_EQ(rig.pick(), 1);
    busy.leave();
}

TEST(Choice, least_inflight_spreads_load_evenly_without_asking_all) {
    Rig rig(spec_of(10));
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(rig.group->pick({}, {}).pool->enter());
    for (unsigned i = 0; i < 10; ++i) {
        ServerPool& pool = rig.pool(i);
        EXPECT_NEAR(pool.in_flight(), 100, 12);
        while (pool.in_flight() > 0) pool.leave();
    }
}

TEST(Choice, turns_follow_the_weights_exactly_and_smoothly) {
    UpstreamSpec spec = spec_of(3);
    spec.balance = Balance::round_robin;
    spec.servers[0].weight = 3;
    Rig rig(spec);
    std::vector<int> counts(3);
    int run = 0;
    for (int i = 0; i < 500; ++i) {
        int server = rig.pick();
        ++counts[static_cast<size_t>(server)];
        run = server == 0 ? run + 1 : 0;
        EXPECT_LE(run, 2);
    }
    EXPECT_EQ(counts, (std::vector<int>{300, 100, 100}));
}

TEST(Choice, two_draws_follow_the_weights) {
    UpstreamSpec spec = spec_of(2);
    spec.balance = Balance::random_two;
    spec.servers[0].weight = 3;
    Rig rig(spec);
    int first = 0;
    for (int i = 0; i < 4000; ++i) first += rig.pick() == 0 ? 1 : 0;
    EXPECT_NEAR(first, 3000, 150);
}

TEST(Choice, a_key_stays_with_its_server_and_only_keys_of_a_lost_one_move) {
    UpstreamSpec spec = spec_of(5);
    spec.balance = Balance::hash;
    Rig rig(spec);
    std::vector<int> before;
    for (uint64_t k = 0; k < 1000; ++k) before.push_back(rig.pick(key(k)));
    for (uint64_t k = 0; k < 1000; ++k) ASSERT_EQ(rig.pick(key(k)), before[k]);
    rig.upstream->server(2).set_health(Health::down, 1);
    std::vector<int> counts(5);
    for (uint64_t k = 0; k < 1000; ++k) {
        int now = rig.pick(key(k));
        ++counts[static_cast<size_t>(now)];
        if (before[k] != 2) {
            EXPECT_EQ(now, before[k]);
        }
    }
    EXPECT_EQ(counts[2], 0);
    for (size_t i : {0, 1, 3, 4}) EXPECT_NEAR(counts[i], 250, 60);
}

TEST(Choice, a_key_does_not_depend_on_the_order_of_the_servers) {
    UpstreamSpec spec = spec_of(4);
    spec.balance = Balance::hash;
    UpstreamSpec turned = spec;
    std::reverse(turned.servers.begin(), turned.servers.end());
    std::vector<int> one;
    {
        Rig rig(spec);
        for (uint64_t k = 0; k < 100; ++k) one.push_back(rig.pick(key(k)));
    }
    Rig rig(turned);
    for (uint64_t k = 0; k < 100; ++k) EXPECT_EQ(3 - rig.pick(key(k)), one[k]);
}

TEST(Choice, one_hot_key_does_not_overrun_its_server) {
    UpstreamSpec spec = spec_of(4);
    spec.balance = Balance::hash;
    Rig rig(spec);
    for (int i = 0; i < 400; ++i) ASSERT_TRUE(rig.group->pick(key(7), {}).pool->enter());
    for (unsigned i = 0; i < 4; ++i) {
        ServerPool& pool = rig.pool(i);
        EXPECT_LE(pool.in_flight(), 400 / 4 * 1.25 + 10);
        while (pool.in_flight() > 0) pool.leave();
    }
}

TEST(Choice, a_cookie_names_the_server_unless_that_cannot_take_it) {
    Rig rig(spec_of(3));
    Affinity affinity{rig.upstream->server(1).identity(), 0, false};
    for (int i = 0; i < 20; ++i) EXPECT_EQ(rig.pick(affinity), 1);
    rig.upstream->server(1).set_health(Health::down, 1);
    for (int i = 0; i < 20; ++i) EXPECT_NE(rig.pick(affinity), 1);
}

TEST(Choice, backups_serve_only_while_no_other_can) {
    UpstreamSpec spec = spec_of(3);
    spec.servers[2].backup = true;
    Rig rig(spec);
    for (int i = 0; i < 50; ++i) EXPECT_NE(rig.pick(), 2);
    rig.upstream->server(0).set_health(Health::down, 1);
    for (int i = 0; i < 50; ++i) EXPECT_EQ(rig.pick(), 1);
    rig.upstream->server(1).set_health(Health::down, 1);
    for (int i = 0; i < 50; ++i) EXPECT_EQ(rig.pick(), 2);
    rig.upstream->server(0).set_health(Health::up, 2);
    EXPECT_EQ(rig.pick(), 0);
}

TEST(Choice, a_second_try_goes_to_another_server_while_there_is_one) {
    Rig rig(spec_of(3));
    Tried tried;
    std::set<int> seen;
    for (int i = 0; i < 3; ++i) {
        int server = rig.pick({}, tried);
        EXPECT_TRUE(seen.insert(server).second);
        EXPECT_TRUE(rig.group->has_other(tried, Group::Level::usable));
        tried.set(static_cast<size_t>(server));
    }
    EXPECT_FALSE(rig.group->has_other(tried, Group::Level::resolved));
    EXPECT_NE(rig.pick({}, tried), -1);
}

TEST(Choice, when_too_few_are_well_verdicts_are_not_believed) {
    UpstreamSpec spec = spec_of(10);
    spec.panic_percent = 30;
    Rig rig(spec);
    for (size_t i = 0; i < 7; ++i) rig.upstream->server(i).set_health(Health::down, 1);
    for (int i = 0; i < 100; ++i) EXPECT_GE(rig.pick(), 7);
    rig.upstream->server(7).set_health(Health::down, 1);
    std::set<int> seen;
    for (int i = 0; i < 300; ++i) seen.insert(rig.pick());
    EXPECT_EQ(seen.size(), 10u);
}

TEST(Choice, without_panic_nobody_is_picked_when_all_are_down) {
    UpstreamSpec spec = spec_of(2);
    spec.panic_percent = 0;
    Rig rig(spec);
    for (size_t i = 0; i < 2; ++i) rig.upstream->server(i).set_health(Health::down, 1);
    EXPECT_EQ(rig.group->pick({}, {}).outcome, Group::Outcome::unusable);
}

TEST(Choice, a_name_without_an_address_is_passed_over) {
    UpstreamSpec spec = spec_of(2);
    spec.servers[0].host = "nowhere.invalid";
    Rig rig(spec);
    for (int i = 0; i < 20; ++i) EXPECT_EQ(rig.pick(), 1);
    spec.servers.pop_back();
    Rig alone(spec);
    EXPECT_EQ(alone.group->pick({}, {}).outcome, Group::Outcome::unresolved);
}

TEST(Choice, full_servers_make_requests_wait_in_order) {
    UpstreamSpec spec = spec_of(1);
    spec.connections_max = 2;
    spec.queue_max = 1;
    Rig rig(spec);
    ServerPool& pool = rig.pool(0);
    ASSERT_TRUE(pool.enter());
    EXPECT_EQ(rig.pick(), 0);
    ASSERT_TRUE(pool.enter());
    EXPECT_FALSE(pool.enter());
    EXPECT_EQ(rig.group->pick({}, {}).outcome, Group::Outcome::full);
    struct Waker final : loop::Runnable {
        void run() noexcept override { ++runs; }
        int runs = 0;
    };
    Waker waker;
    Waiter first, second;
    first.waker = &waker;
    ASSERT_TRUE(rig.group->enqueue(first));
    EXPECT_FALSE(rig.group->enqueue(second));
    EXPECT_EQ(rig.upstream->queued.load(), 1u);
    pool.leave();
    rig.pass(1);
    EXPECT_EQ(waker.runs, 1);
    rig.group->dequeue(first);
    EXPECT_EQ(rig.upstream->queued.load(), 0u);
    pool.leave();
}

TEST(Choice, a_server_that_comes_back_starts_slowly) {
    UpstreamSpec spec = spec_of(2);
    spec.slow_start = 10'000;
    spec.servers[0].weight = 10;
    Rig rig(spec);
    ServerPool& pool = rig.pool(0);
    EXPECT_DOUBLE_EQ(pool.share(rig.reactor->now()), 10);
    Server& server = rig.upstream->server(0);
    server.set_health(Health::down, rig.reactor->now());
    server.set_health(Health::up, rig.reactor->now());
    EXPECT_DOUBLE_EQ(pool.share(rig.reactor->now()), 1);
    rig.pass(5'000);
    EXPECT_NEAR(pool.share(rig.reactor->now()), 5, 0.2);
    rig.pass(5'100);
    EXPECT_DOUBLE_EQ(pool.share(rig.reactor->now()), 10);
}

TEST(Ejection, failures_in_a_row_put_a_server_out_for_a_while) {
    Rig rig(spec_of(2));
    Server& server = rig.upstream->server(0);
    auto fail = [&] { return rig.upstream->note_failure(server, rig.reactor->now()); };
    for (int i = 0; i < 4; ++i) EXPECT_FALSE(fail());
    server.note_success();
    for (int i = 0; i < 4; ++i) EXPECT_FALSE(fail());
    EXPECT_TRUE(fail());
    for (int i = 0; i < 20; ++i) EXPECT_EQ(rig.pick(), 1);
    EXPECT_EQ(server.ejections(), 1u);
    rig.pass(30'100);
    EXPECT_TRUE(server.usable(rig.reactor->now()));
    // It has used up its credit.
    EXPECT_TRUE(fail());
}

TEST(Ejection, ends_when_checks_say_that_the_server_is_back) {
    Rig rig(spec_of(2));
    Server& server = rig.upstream->server(0);
    for (int i = 0; i < 5; ++i) (void)rig.upstream->note_failure(server, rig.reactor->now());
    EXPECT_TRUE(server.ejected(rig.reactor->now()));
    server.set_health(Health::down, rig.reactor->now());
    server.set_health(Health::up, rig.reactor->now());
    EXPECT_TRUE(server.usable(rig.reactor->now()));
}

TEST(Ejection, never_takes_out_more_than_the_allowed_share) {
    Rig rig(spec_of(4));
    int ejected = 0;
    for (size_t i = 0; i < 4; ++i) {
        for (int n = 0; n < 5; ++n)
            ejected += rig.upstream->note_failure(rig.upstream->server(i), rig.reactor->now());
    }
    EXPECT_EQ(ejected, 2);
    Rig alone(spec_of(1));
    for (int n = 0; n < 50; ++n)
        EXPECT_FALSE(alone.upstream->note_failure(alone.upstream->server(0), 1));
}

TEST(Addresses, families_take_turns_and_those_that_failed_come_last) {
    UpstreamSpec spec = spec_of(1);
    spec.servers[0].host = "name.test";
    Rig rig(spec);
    std::vector<net::Endpoint> endpoints(4);
    ASSERT_TRUE(net::Endpoint::from_ip("::1", 80, endpoints[0]));
    ASSERT_TRUE(net::Endpoint::from_ip("::2", 80, endpoints[1]));
    ASSERT_TRUE(net::Endpoint::from_ip("10.0.0.1", 80, endpoints[2]));
    ASSERT_TRUE(net::Endpoint::from_ip("10.0.0.2", 80, endpoints[3]));
    Server& server = rig.upstream->server(0);
    ASSERT_TRUE(server.publish(endpoints));
    EXPECT_FALSE(server.publish(endpoints));
    // Name servers turn their answers round.
    EXPECT_FALSE(server.publish({endpoints[1], endpoints[0], endpoints[3], endpoints[2]}));
    ServerPool& pool = rig.pool(0);
    const AddressSet& set = *server.addresses();
    uint8_t order[limits::upstream_addresses_max];
    auto next = [&] {
        unsigned count = pool.order_addresses(set, order);
        return std::vector<int>(order, order + count);
    };
    EXPECT_EQ(next(), (std::vector<int>{0, 2, 1, 3}));
    EXPECT_EQ(next(), (std::vector<int>{1, 3, 0, 2}));
    pool.shun(set, 0);
    EXPECT_EQ(next(), (std::vector<int>{2, 1, 3, 0}));
    rig.pass(30'100);
    next();
    EXPECT_EQ(next(), (std::vector<int>{0, 2, 1, 3}));
    // The set that was in force before stays valid: somebody may be connecting by it.
    endpoints.pop_back();
    ASSERT_TRUE(server.publish(endpoints));
    EXPECT_EQ(set.endpoints.size(), 4u);
    EXPECT_EQ(server.addresses()->endpoints.size(), 3u);
}

}  // namespace
}  // namespace ringtime::upstream
