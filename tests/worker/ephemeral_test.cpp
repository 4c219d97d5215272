// Ephemeral apps: every request in a process of its own, forked from one that is warm.
#include <fcntl.h>
#include <signal.h>

#include <algorithm>
#include <set>

#include "harness.h"

namespace ringtime::worker::test {
namespace {

AppSpec ephemeral_app(uint32_t spares = 1) {
    AppSpec app = plain_app();
    app.ephemeral = true;
    app.workers = spares;
    return app;
}

std::function<void(SupervisorOptions&)> at_once(uint32_t most) {
    return [most](SupervisorOptions& options) { options.ephemeral_max = most; };
}

size_t open_descriptors() {
    size_t count = 0;
    for (int fd = 0; fd < 4096; ++fd) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

int32_t origin_of(World& world) {
    for (const WorkerView& view : world.supervisor().workers())
        if (view.role == WorkerRole::origin) return view.pid;
    return 0;
}

TEST(Ephemeral, every_request_finds_the_state_as_it_was_loaded) {
    World world({ephemeral_app()});
    std::set<std::string> pids;
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(world.fetch(World::request("/calls"))->received, "1");
        pids.insert(world.fetch(World::request("/pid"))->received);
    }
    EXPECT_EQ(pids.size(), 20U);
    EXPECT_EQ(world.supervisor().counters().started, 1U) << "not forked from one process";
    EXPECT_GE(world.supervisor().counters().forked, 40U);
    EXPECT_EQ(world.supervisor().counters().crashed, 0U);
}

TEST(Ephemeral, modules_are_templates_too) {
    AppSpec app = module_app("ten_lines");
    app.ephemeral = true;
    World world({app});
    for (int i = 0; i < 5; ++i)
        EXPECT_EQ(world.fetch(World::request("/x"))->received, "hello from /x\n");
    EXPECT_EQ(world.supervisor().counters().started, 1U);
}

TEST(Ephemeral, a_program_with_a_loop_of_its_own_gets_a_process_per_request) {
    AppSpec app = program_app("ticker");
    app.ephemeral = true;
    World world({app});
    for (int i = 0; i < 3; ++i) {
        Client client(world.pool(), World::request("/"));
        ASSERT_TRUE(world.until([&] { return client.received_bytes > 0; }));
    }
    EXPECT_EQ(world.supervisor().counters().forked, 0U);
    EXPECT_GE(world.supervisor().counters().started, 3U);
}

TEST(Ephemeral, many_at_once_share_a_few_seats) {
    World world({ephemeral_app()}, at_once(4));
    ASSERT_TRUE(world.until([&] { return world.supervisor().ready(0); }));
    Clients clients;
    for (int i = 0; i < 200; ++i)
        clients.push_back(std::make_unique<Client>(world.pool(), World::request("/calls")));
    size_t most = 0;
    ASSERT_TRUE(world.until([&] {
        most = std::max(most, world.supervisor().workers().size());
        return all_done(clients);
    }));
    for (const auto& client : clients) EXPECT_EQ(client->received, "1");
    EXPECT_LE(most, 9U) << "four at work, four for the next, and what they are forked from";
    EXPECT_GT(most, 2U) << "did not grow";
}

// However many have a process ready; and who waits for an app's turn does not lose it to another's.
TEST(Ephemeral, all_apps_together_run_no_more_than_allowed) {
    std::vector<AppSpec> apps(3, ephemeral_app(2));
    apps.push_back(program_app("ticker"));  // Has a process started for each.
    apps.back().ephemeral = true;
    World world(apps, at_once(2));
    ASSERT_TRUE(world.supervisor().wait_ready(monotonic_now() + 60 * kNanosecondsPerSecond));
    Clients clients;
    for (uint32_t i = 0; i < 60; ++i) {
        WorkerRequest request = World::request(i % 4 == 3 ? "/crash" : "/sleep", "3");
        if (i % 4 == 3) request.method = http::Method::post;  // One that dies gives its turn back.
        request.app = i % 3;
        clients.push_back(std::make_unique<Client>(world.pool(), request));
    }
    WorkerRequest ticking = World::request("/");
    ticking.app = 3;
    auto endless = std::make_unique<Client>(world.pool(), ticking);
    uint32_t most = 0;
    ASSERT_TRUE(world.until([&] {
        uint32_t running = 0;
        for (const WorkerView& view : world.supervisor().workers()) running += view.in_flight;
        most = std::max(most, running);
        if (endless && endless->received_bytes > 0) endless.reset();
        return all_done(clients) && !endless;
    }));
    for (uint32_t i = 0; i < clients.size(); ++i)
        EXPECT_EQ(clients[i]->reason(), i % 4 == 3 ? Reason::worker_crashed : Reason::none);
    EXPECT_EQ(most, 2U);
}

TEST(Ephemeral, seats_are_used_again_and_nothing_leaks) {
    World world({ephemeral_app(2)}, at_once(3));
    size_t before = 0;
    for (int i = 0; i < 400; ++i) {
        ASSERT_EQ(world.fetch(World::request("/calls"))->received, "1");
        if (i == 100) before = open_descriptors();
    }
    // A seat has two, a process its pidfd: a few seats more or less, not hundreds.
    EXPECT_TRUE(world.until([&] { return open_descriptors() <= before + 9; }))
        << open_descriptors() << " descriptors, " << before << " before";
    EXPECT_EQ(world.supervisor().counters().crashed, 0U);
    EXPECT_EQ(world.pool().counters().strikes, 0U);
}

TEST(Ephemeral, bodies_pass_both_ways) {
    World world({ephemeral_app()});
    std::string body(300'000, 'b');
    WorkerRequest request = World::request("/echo", {}, http::Method::post);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(world.fetch(request, body)->received, body);
    Client large(world.pool(), World::request("/generate", "20000000"));
    large.keep_bytes = false;
    ASSERT_TRUE(world.until([&] { return large.done(); }));
    EXPECT_EQ(large.received_bytes, 20'000'000U);
}

TEST(Ephemeral, bytes_of_a_process_that_has_ended_stay_until_they_are_read) {
    World world({ephemeral_app()});
    Client slow(world.pool(), World::request("/echo", {}, http::Method::post),
                std::string(50'000, 's'));
    slow.hold_pieces = true;
    ASSERT_TRUE(world.until([&] { return slow.done(); }));
    for (int i = 0; i < 20; ++i)
        EXPECT_EQ(world.fetch(World::request("/hello"))->received, "hello\n");
    std::string seen;
    for (const Piece& piece : slow.pieces) seen.append(piece.view());
    EXPECT_EQ(seen, std::string(50'000, 's'));
    slow.release();
    EXPECT_EQ(world.fetch(World::request("/hello"))->received, "hello\n");
}

TEST(Ephemeral, a_crash_is_its_own_request_s_only) {
    World world({ephemeral_app()});
    WorkerRequest request = World::request("/crash", {}, http::Method::post);
    EXPECT_EQ(world.fetch(request)->reason(), Reason::worker_crashed);
    EXPECT_EQ(world.fetch(World::request("/calls"))->received, "1");
    EXPECT_EQ(world.supervisor().counters().crashed, 1U);
    EXPECT_EQ(world.supervisor().counters().started, 1U);
}

TEST(Ephemeral, the_death_of_its_origin_is_survived) {
    World world({ephemeral_app()}, [](SupervisorOptions& options) {
        options.restart_first_ms = 1;
    });
    EXPECT_EQ(world.fetch(World::request("/hello"))->received, "hello\n");
    int32_t origin = origin_of(world);
    ASSERT_GT(origin, 0);
    kill(origin, SIGKILL);
    ASSERT_TRUE(world.until([&] { return world.supervisor().counters().started == 2; }));
    EXPECT_EQ(world.fetch(World::request("/hello"))->received, "hello\n");
}

TEST(Ephemeral, a_process_that_hangs_is_ended_and_its_seat_used_again) {
    AppSpec app = ephemeral_app();
    app.timeout_ms = 2000;
    app.grace_ms = 300;
    World world({app}, at_once(1));
    WorkerRequest request = World::request("/sleep", "60000", http::Method::post);
    EXPECT_EQ(world.fetch(request)->reason(), Reason::worker_timeout);
    ASSERT_TRUE(world.until([&] { return world.supervisor().counters().killed == 1; }));
    EXPECT_EQ(world.fetch(World::request("/hello"))->received, "hello\n");
}

TEST(Ephemeral, an_operator_replaces_the_origin_without_a_gap) {
    World world({ephemeral_app()});
    EXPECT_EQ(world.fetch(World::request("/hello"))->received, "hello\n");
    int32_t first = origin_of(world);
    uint32_t id = UINT32_MAX;
    for (const WorkerView& view : world.supervisor().workers())
        if (view.pid == first) id = view.id;
    ASSERT_TRUE(world.supervisor().restart(id));
    ASSERT_TRUE(world.until([&] {
        EXPECT_EQ(world.fetch(World::request("/hello"))->reason(), Reason::none);
        return origin_of(world) != 0 && kill(first, 0) != 0;
    }));
    EXPECT_EQ(world.supervisor().counters().crashed, 0U);
}

TEST(Ephemeral, an_app_that_is_removed_leaves_nothing) {
    World world({ephemeral_app(3), plain_app()});
    ASSERT_TRUE(world.until([&] { return world.supervisor().ready(0); }));
    Client last(world.pool(), World::request("/sleep", "100"));
    world.run_for(20);
    world.supervisor().remove(0, in_a_minute());
    ASSERT_TRUE(world.until([&] { return last.done(); }));
    EXPECT_EQ(last.received, "slept") << "removal cut a request";
    EXPECT_TRUE(world.until([&] { return world.supervisor().workers().size() == 1; }));
}

TEST(Ephemeral, a_stream_of_a_removed_app_ends_at_its_deadline) {
    AppSpec app = ephemeral_app();
    World world({app});
    Client stream(world.pool(), World::request("/events", "1000000"));
    ASSERT_TRUE(world.until([&] { return stream.received_bytes > 0; }));
    world.supervisor().remove(0, monotonic_now() + 50 * kNanosecondsPerMillisecond);
    ASSERT_TRUE(world.until([&] { return stream.done(); }));
    EXPECT_EQ(stream.reason(), Reason::draining);
    EXPECT_TRUE(world.until([&] { return world.supervisor().workers().empty(); }));
}

TEST(Ephemeral, apps_that_nobody_asks_make_room) {
    AppSpec first = ephemeral_app();
    AppSpec second = ephemeral_app();
    second.name = "second";
    World world({first, second}, [](SupervisorOptions& options) { options.pool_size = 2; });
    WorkerRequest request = World::request("/hello");
    for (int i = 0; i < 6; ++i) {
        request.app = static_cast<uint32_t>(i % 2);
        EXPECT_EQ(world.fetch(request)->received, "hello\n");
        EXPECT_LE(world.supervisor().workers().size(), 2U);
    }
}

}  // namespace
}  // namespace ringtime::worker::test
