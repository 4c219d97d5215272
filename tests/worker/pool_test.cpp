// One core and real worker processes: what a request sees.
#include <fcntl.h>

#include <set>
#include <unordered_map>

#include "harness.h"

namespace ringtime::worker::test {
namespace {

TEST(Pool, answers_from_a_worker_process) {
    World world({plain_app()});
    auto client = world.fetch(World::request("/hello"));
    EXPECT_EQ(client->reason(), Reason::none);
    EXPECT_EQ(client->status(), 200);
    EXPECT_EQ(client->received, "hello\n");
    EXPECT_EQ(client->field_text, "content-type: text/plain\n");
}

TEST(Pool, shows_the_head_as_it_was_dispatched) {
    World world({plain_app()});
    http::FieldTable table;
    table.clear();
    table.base = "acceptx/ysecret";
    table.add({.name_offset = 0, .name_size = 6, .value_offset = 6, .value_size = 3});
    table.add({.name_offset = 9, .name_size = 6, .value_offset = 9, .value_size = 6});
    http::FieldDraft draft;
    draft.begin(table);
    draft.drop(1);
    WorkerRequest request = World::request("/show", "a=1&b");
    request.fields = &draft;
    auto client = world.fetch(request);
    EXPECT_EQ(client->received,
              "GET\n/show\na=1&b\nexample.test\n/app\n192.0.2.1\nr-1\naccept: x/y\n");
}

TEST(Pool, many_at_once_reach_one_worker_in_order_of_arrival) {
    AppSpec app = plain_app();
    app.workers_max = 1;
    World world({app});
    Clients clients;
    for (int i = 0; i < 500; ++i)
        clients.push_back(std::make_unique<Client>(world.pool(), World::request("/hello")));
    ASSERT_TRUE(world.until([&] { return all_done(clients); }));
    for (const auto& client : clients) EXPECT_EQ(client->received, "hello\n");
    EXPECT_EQ(world.supervisor().counters().started, 1U);
}

TEST(Pool, echoes_bodies_of_every_size_by_push_and_by_reserve) {
    World world({plain_app()});
    for (bool reserve : {false, true}) {
        for (size_t size : {1UL, 1023UL, 1024UL, 4097UL, 65536UL, 65537UL, 300'000UL}) {
            std::string body(size, 'a');
            for (size_t i = 0; i < size; ++i) body[i] = static_cast<char>('a' + i * 7 % 23);
            WorkerRequest request = World::request("/echo", {}, http::Method::post);
            request.body_length = size;
            Client client(world.pool(), request, body);
            client.use_reserve = reserve;
            client.pull_max = 1000;
            ASSERT_TRUE(world.until([&] { return client.done(); }));
            EXPECT_EQ(client.reason(), Reason::none);
            EXPECT_EQ(client.received == body, true) << size;
        }
    }
}

TEST(Pool, a_body_of_unknown_length_may_be_empty) {
    World world({plain_app()});
    WorkerRequest request = World::request("/count", {}, http::Method::post);
    request.body_length = http::BodySource::unknown_length;
    EXPECT_EQ(world.fetch(request)->received, "0");
    EXPECT_EQ(world.fetch(request, "four")->received, "4");
}

TEST(Pool, large_bodies_pass_in_bounded_memory) {
    World world({plain_app()});
    static constexpr uint64_t kBytes = 64 << 20;
    WorkerRequest request = World::request("/count", {}, http::Method::post);
    request.body_length = kBytes;
    Client upload(world.pool(), request);
    upload.body_left = kBytes;
    ASSERT_TRUE(world.until([&] { return upload.done(); }));
    EXPECT_EQ(upload.received, std::to_string(kBytes));

    std::string query = std::to_string(kBytes);
    Client download(world.pool(), World::request("/generate", query));
    download.keep_bytes = false;
    ASSERT_TRUE(world.until([&] { return download.done(); }));
    EXPECT_EQ(download.received_bytes, kBytes);
    EXPECT_EQ(download.reason(), Reason::none);
}

TEST(Pool, a_client_that_does_not_read_holds_at_most_its_window) {
    AppSpec app = plain_app();
    app.workers = app.workers_max = 1;
    World world({app});
    Client slow(world.pool(), World::request("/generate", "10000000"));
    slow.hold_pieces = true;
    slow.keep_bytes = false;
    ASSERT_TRUE(world.until([&] { return slow.received_bytes > 0; }));
    world.run_for(200);
    EXPECT_FALSE(slow.done());
    EXPECT_LE(slow.received_bytes, RTW_WINDOW_BYTES);
    slow.hold_pieces = false;
    slow.drop_pieces();
    ASSERT_TRUE(world.until([&] { return slow.done(); }));
    EXPECT_EQ(slow.received_bytes, 10'000'000U);
}

TEST(Pool, events_arrive_as_they_are_produced) {
    World world({plain_app()});
    // Gathered first, they would not come for an hour.
    Client endless(world.pool(), World::request("/events", "180000"));
    ASSERT_TRUE(world.until([&] { return endless.received.starts_with("data: 0\n\n"); }));
    ASSERT_TRUE(
        world.until([&] { return endless.received.find("data: 3\n\n") != std::string::npos; }));
    EXPECT_FALSE(endless.done());
    endless.release();
    auto client = world.fetch(World::request("/events", "2"));
    EXPECT_EQ(client->received, "data: 0\n\ndata: 1\n\n");
    EXPECT_EQ(client->reason(), Reason::none);
}

TEST(Pool, head_requests_get_the_length_and_no_body) {
    World world({plain_app()});
    auto client = world.fetch(World::request("/hello", {}, http::Method::head));
    EXPECT_EQ(client->status(), 200);
    EXPECT_EQ(client->received, "");
    EXPECT_EQ(client->reason(), Reason::none);
}

TEST(Pool, an_invalid_head_of_the_application_is_its_own_500) {
    World world({plain_app()});
    EXPECT_EQ(world.fetch(World::request("/bad-head"))->status(), 500);
    EXPECT_EQ(world.fetch(World::request("/fail"))->reason(), Reason::worker_failed);
    EXPECT_EQ(world.pool().counters().strikes, 0U);
}

TEST(Pool, a_client_that_goes_away_leaves_nothing_behind) {
    AppSpec app = plain_app();
    app.workers_max = 1;
    World world({app});
    for (int i = 0; i < 50; ++i) {
        Client client(world.pool(), World::request("/generate", "5000000"));
        client.hold_pieces = true;
        ASSERT_TRUE(world.until([&] { return client.received_bytes > 0; }));
        client.release();
    }
    EXPECT_EQ(world.fetch(World::request("/hello"))->received, "hello\n");
    auto upload = World::request("/count", {}, http::Method::post);
    upload.body_length = 1 << 20;
    {
        Client client(world.pool(), upload);
        client.body_left = 1 << 19;  // And then it stops.
        world.run_for(30);
    }
    EXPECT_EQ(world.fetch(World::request("/hello"))->received, "hello\n");
    EXPECT_EQ(world.pool().counters().strikes, 0U);
}

// ---- Choice, queue, growth ----

TEST(Pool, grows_while_requests_wait_and_never_exceeds_the_concurrency) {
    AppSpec app = plain_app();
    app.workers = 1;
    app.workers_max = 4;
    World world({app});
    ASSERT_TRUE(world.until([&] { return world.supervisor().ready(0); }));
    Clients clients;
    for (int i = 0; i < 12; ++i) clients.push_back(world.unfinished());
    ASSERT_TRUE(world.until([&] { return world.in_flight() >= 4; }));
    world.run_for(50);
    EXPECT_EQ(world.supervisor().workers().size(), 4U);
    for (const auto& view : world.supervisor().workers()) EXPECT_EQ(view.in_flight, 1U);
    for (auto& client : clients) client->finish();
    ASSERT_TRUE(world.until([&] { return all_done(clients); }));
    for (const auto& client : clients) EXPECT_EQ(client->received, "1");
}

TEST(Pool, retires_idle_instances_above_the_warm_ones) {
    AppSpec app = plain_app();
    app.workers = 1;
    app.workers_max = 3;
    app.ttl_ms = 100;
    World world({app});
    Clients clients;
    for (int i = 0; i < 6; ++i) clients.push_back(world.unfinished());
    ASSERT_TRUE(world.until([&] { return world.in_flight() == 3; }));
    for (auto& client : clients) client->finish();
    ASSERT_TRUE(world.until([&] { return all_done(clients); }));
    EXPECT_TRUE(world.until([&] { return world.supervisor().workers().size() == 1; }));
    EXPECT_EQ(world.supervisor().counters().crashed, 0U);
}

TEST(Pool, a_full_queue_refuses_and_a_long_wait_ends) {
    AppSpec app = plain_app();
    app.workers_max = 1;
    app.queue_max = 2;
    app.queue_timeout_ms = 100;
    World world({app});
    ASSERT_TRUE(world.until([&] { return world.supervisor().ready(0); }));
    Clients clients;
    clients.push_back(world.unfinished());
    ASSERT_TRUE(world.until([&] { return world.in_flight() == 1; }));
    for (int i = 0; i < 3; ++i) clients.push_back(world.unfinished());
    ASSERT_TRUE(world.until(
        [&] { return clients[1]->done() && clients[2]->done() && clients[3]->done(); }));
    EXPECT_FALSE(clients[0]->done());
    clients[0]->finish();
    ASSERT_TRUE(world.until([&] { return clients[0]->done(); }));
    EXPECT_EQ(clients[0]->received, "1");
    EXPECT_EQ(clients[1]->reason(), Reason::queue_timeout);
    EXPECT_EQ(clients[2]->reason(), Reason::queue_timeout);
    EXPECT_EQ(clients[3]->reason(), Reason::queue_full);
}

TEST(Pool, apps_share_the_pool_and_only_idle_workers_make_room) {
    AppSpec first = plain_app();
    AppSpec second = plain_app();
    AppSpec third = plain_app();
    first.name = "first";
    second.name = "second";
    third.name = "third";
    World world({first, second, third}, [](SupervisorOptions& options) { options.pool_size = 2; });
    ASSERT_TRUE(
        world.until([&] { return world.supervisor().ready(0) && world.supervisor().ready(1); }));
    auto busy = world.unfinished();
    ASSERT_TRUE(world.until([&] { return world.in_flight() == 1; }));
    WorkerRequest request = World::request("/hello");
    request.app = 2;
    auto client = world.fetch(request);
    EXPECT_EQ(client->received, "hello\n");
    EXPECT_EQ(world.supervisor().counters().retired, 1U);
    busy->finish();
    ASSERT_TRUE(world.until([&] { return busy->done(); }));
    EXPECT_EQ(busy->received, "1");
}

TEST(Pool, an_app_makes_no_room_for_itself) {
    AppSpec app = plain_app();
    AppSpec other = plain_app();
    app.workers = 0;
    other.workers_max = 1;
    World world({app, other}, [](SupervisorOptions& options) { options.pool_size = 2; });
    auto busy = world.unfinished(1);
    ASSERT_TRUE(world.until([&] { return world.in_flight() == 1; }));
    Client client(world.pool(), World::request("/hello"));
    ASSERT_TRUE(world.until([&] { return world.supervisor().counters().started == 2; }));
    // The core has not seen yet that it is ready, and asks.
    Supervisor& supervisor = world.supervisor();
    while (supervisor.app(0).ready.load() == 0) supervisor.poll_once(10);
    supervisor.board().post(supervisor.app(0).notice, kAppWantsMore);
    supervisor.poll_once(10);
    EXPECT_EQ(supervisor.counters().retired, 0U);
    busy->finish();
    EXPECT_TRUE(world.until([&] { return client.done() && busy->done(); }));
    EXPECT_EQ(supervisor.counters().started, 2U);
}

TEST(Pool, an_idle_app_is_told_once) {
    AppSpec app = plain_app();
    app.idle_timeout_ms = 150;
    World world({app});
    auto calls = [&] { return std::stoi(world.fetch(World::request("/idle-calls"))->received); };
    int before = calls();
    int after = before;
    // One wait is three times its limit; on a machine that stands still it may need another.
    for (int wait = 0; wait < 20 && after == before; ++wait) {
        world.run_for(450);
        after = calls();
    }
    EXPECT_EQ(after, before + 1);
}

TEST(Pool, apps_come_and_go_while_the_core_runs) {
    AppSpec app = plain_app();
    app.workers_max = 1;
    World world({app});
    EXPECT_EQ(world.fetch(World::request("/hello"))->received, "hello\n");
    WorkerRequest request = World::request("/hello");
    request.app = world.supervisor().add(app);
    EXPECT_EQ(request.app, 1U);
    EXPECT_EQ(world.fetch(request)->received, "hello\n");
    auto last = world.unfinished();
    ASSERT_TRUE(world.until([&] { return world.in_flight() == 1; }));
    world.supervisor().remove(0, in_a_minute());
    last->finish();
    ASSERT_TRUE(world.until([&] { return last->done(); }));
    EXPECT_EQ(last->received, "1") << "removal cut a request";
    EXPECT_TRUE(world.until([&] { return world.supervisor().workers().size() == 1; }));
}

AppSpec the_only_ticker() {
    AppSpec app = program_app("ticker");
    app.workers_max = 1;
    return app;
}

TEST(Pool, a_stream_of_a_removed_app_ends_at_its_deadline) {
    World world({the_only_ticker()});
    Client stream(world.pool(), World::request("/"));
    ASSERT_TRUE(world.until([&] { return stream.received_bytes > 0; }));
    world.supervisor().remove(0, monotonic_now() + 50 * kNanosecondsPerMillisecond);
    EXPECT_EQ(world.supervisor().workers().at(0).phase, WorkerPhase::draining);
    ASSERT_TRUE(world.until([&] { return stream.done(); }));
    EXPECT_EQ(stream.reason(), Reason::draining);
    EXPECT_TRUE(world.until([&] { return world.supervisor().workers().empty(); }));
    EXPECT_EQ(world.supervisor().counters().crashed, 0U);
}

// Nobody waits for the other: what it still has when its app goes is in the same hurry.
TEST(Pool, one_that_drained_before_its_app_was_removed_ends_at_the_same_deadline) {
    World world({the_only_ticker()});
    Client stream(world.pool(), World::request("/"));
    ASSERT_TRUE(world.until([&] { return stream.received_bytes > 0; }));
    ASSERT_TRUE(world.supervisor().drain(world.supervisor().workers().at(0).id));
    world.supervisor().remove(0, monotonic_now());
    ASSERT_TRUE(world.until([&] { return world.supervisor().workers().empty(); }));
}

TEST(Pool, deployments_without_end_use_the_same_numbers) {
    AppSpec app = plain_app();
    World world({app});
    WorkerRequest request = World::request("/hello");
    uint32_t highest = 0;
    for (uint32_t i = 0; i < 40; ++i) {
        uint32_t before = request.app;
        AppSpec next = i % 2 ? program_app("routed") : plain_app();
        next.workers = i % 3;  // One that was never asked to start either.
        next.ephemeral = i % 4 == 0;
        request.app = world.supervisor().add(next);
        EXPECT_EQ(world.supervisor().app(request.app).spec, next);
        highest = std::max(highest, request.app);
        EXPECT_EQ(world.fetch(request)->received == "hello\n", i % 2 == 0) << i;
        world.supervisor().remove(before, in_a_minute());
        ASSERT_TRUE(world.until([&] {
            auto views = world.supervisor().workers();
            return std::all_of(views.begin(), views.end(), [&](const WorkerView& view) {
                return view.app_index == request.app;
            });
        })) << i;
    }
    EXPECT_LE(highest, 3U) << "numbers of removed apps are not used again";
}

// ---- Recycling ----

TEST(Pool, recycling_costs_no_request_and_leaks_nothing) {
    AppSpec app = plain_app();
    app.requests_max = 5;
    World world({app});
    ASSERT_TRUE(world.until([&] { return world.supervisor().ready(0); }));
    EXPECT_EQ(world.fetch(World::request("/hello"))->status(), 200);
    auto count_descriptors = [] {
        size_t count = 0;
        for (int fd = 0; fd < 4096; ++fd)
            if (fcntl(fd, F_GETFD) >= 0) ++count;
        return count;
    };
    size_t before = 0;
    while (world.supervisor().counters().recycled < 210) {
        auto client = world.fetch(World::request("/pid"));
        ASSERT_EQ(client->reason(), Reason::none);
        if (before == 0 && world.supervisor().counters().recycled == 10) {
            world.run_for(100);
            before = count_descriptors();
        }
    }
    EXPECT_TRUE(world.until([&] {
        return world.supervisor().workers().size() == 1 && count_descriptors() <= before;
    })) << world.supervisor().workers().size()
        << " workers, " << count_descriptors() << " descriptors, " << before << " before";
    EXPECT_EQ(world.supervisor().counters().crashed, 0U);
}

TEST(Pool, an_ephemeral_app_serves_every_request_from_a_fresh_process) {
    AppSpec app = plain_app();
    app.ephemeral = true;
    app.workers = 2;
    World world({app});
    std::unordered_map<std::string, int> seen;
    for (int i = 0; i < 20; ++i) ++seen[world.fetch(World::request("/pid"))->received];
    EXPECT_EQ(seen.size(), 20U);
}

TEST(Pool, a_worn_out_instance_goes_when_others_are_enough) {
    AppSpec app = plain_app();
    app.workers_max = 2;
    app.requests_max = 30;
    World world({app});
    Clients clients;
    for (int i = 0; i < 2; ++i) clients.push_back(world.unfinished());
    ASSERT_TRUE(world.until([&] { return world.in_flight() == 2; }));
    for (auto& client : clients) client->finish();
    ASSERT_TRUE(world.until([&] { return all_done(clients); }));
    for (int i = 0; i < 30; ++i) world.fetch(World::request("/hello"));
    EXPECT_TRUE(world.until([&] { return world.supervisor().counters().recycled > 0; }));
}

TEST(Pool, an_operator_drains_an_instance_and_its_last_request_ends_well) {
    World world({plain_app()});
    std::string first = world.fetch(World::request("/pid"))->received;
    auto last = world.unfinished();
    ASSERT_TRUE(world.until([&] { return world.in_flight() == 1; }));
    ASSERT_TRUE(world.supervisor().drain(0));
    EXPECT_FALSE(world.supervisor().drain(0)) << "it drains already";
    EXPECT_NE(world.fetch(World::request("/pid"))->received, first);
    last->finish();
    ASSERT_TRUE(world.until([&] { return last->done(); }));
    EXPECT_EQ(last->received, "1");
    for (const WorkerView& view : world.supervisor().workers()) EXPECT_GT(view.rss_bytes, 0U);
}

TEST(Pool, an_operator_restarts_an_instance_without_a_gap) {
    World world({plain_app()});
    std::string first = world.fetch(World::request("/pid"))->received;
    ASSERT_TRUE(world.supervisor().restart(0));
    std::string now = first;
    ASSERT_TRUE(world.until([&] {
        auto client = world.fetch(World::request("/pid"));
        EXPECT_EQ(client->reason(), Reason::none);
        now = client->received;
        return now != first;
    }));
}

TEST(Pool, instances_of_a_full_pool_are_replaced_one_after_the_other) {
    AppSpec app = plain_app();
    app.workers = 2;
    World world({app}, [](SupervisorOptions& options) { options.pool_size = 2; });
    auto ready = [&] {
        std::set<int32_t> pids;
        for (const WorkerView& view : world.supervisor().workers())
            if (view.phase == WorkerPhase::ready) pids.insert(view.pid);
        return pids;
    };
    ASSERT_TRUE(world.until([&] { return ready().size() == 2; }));
    for (size_t restarted : {1, 2}) {
        std::set<int32_t> before = ready();
        size_t left = restarted;
        for (const WorkerView& view : world.supervisor().workers())
            if (left > 0 && world.supervisor().restart(view.id)) --left;
        ASSERT_TRUE(world.until([&] {
            EXPECT_FALSE(ready().empty());
            std::set<int32_t> both = before;
            both.merge(ready());
            return ready().size() == 2 && both.size() == 2 + restarted;
        })) << restarted;
    }
}

}  // namespace
}  // namespace ringtime::worker::test
