// Many slow readers beside quick ones; several cores beside each other.
#include <atomic>
#include <thread>

#include "harness.h"

namespace ringtime::worker::test {
namespace {

using Clients = std::vector<std::unique_ptr<Client>>;

TEST(Streams, slow_readers_stall_only_themselves) {
    AppSpec app = program_app("ticker");
    app.concurrency = 0;
    app.workers_max = 1;
    World world({app});
    Clients slow;
    for (int i = 0; i < 400; ++i) {
        slow.push_back(std::make_unique<Client>(world.pool(), World::request("/")));
        slow.back()->hold_pieces = true;
        slow.back()->keep_bytes = false;
    }
    Client quick(world.pool(), World::request("/"));
    quick.keep_bytes = false;
    ASSERT_TRUE(world.until([&] { return quick.received_bytes > 20'000; }));
    // Enough for the slow ones to have taken all the memory, if they could.
    uint64_t before = quick.received_bytes;
    ASSERT_TRUE(world.until([&] { return quick.received_bytes > before + 200 * 512; }))
        << "the quick reader got " << quick.received_bytes - before;
    uint64_t held = 0;
    for (const auto& client : slow) held += client->received_bytes;
    EXPECT_LT(held, 4U << 20);
    EXPECT_EQ(world.pool().counters().strikes, 0U);
    // A new one still gets its head.
    Client late(world.pool(), World::request("/"));
    EXPECT_TRUE(world.until([&] { return late.received_bytes > 0; }));
    slow.clear();
    EXPECT_TRUE(world.until([&] { return world.supervisor().workers().at(0).in_flight == 2; }));
}

TEST(Streams, a_tunnel_carries_bytes_both_ways) {
    World world({plain_app()});
    WorkerRequest request = World::request("/tunnel");
    EXPECT_EQ(world.fetch(request)->status(), 426);
    request.upgrade = WorkerRequest::Upgrade::yes;
    request.body_length = http::BodySource::unknown_length;
    auto client = world.fetch(request, "polly");
    EXPECT_EQ(client->status(), 101);
    EXPECT_EQ(client->received, "hi polly bye");
    EXPECT_EQ(client->field_text, "upgrade: parrot\n");
    // An answer without a change of protocol is an ordinary one.
    request.path = "/hello";
    EXPECT_EQ(world.fetch(request)->received, "hello\n");
    EXPECT_EQ(world.pool().counters().strikes, 0U);
}

// ---- Several cores ----

struct CoreRun {
    std::atomic<unsigned> done{0};
    std::atomic<unsigned> failed{0};
    std::atomic<bool> finished{false};
};

// One core's thread: `count` requests, eight at a time, then it leaves.
void run_core(Supervisor& supervisor, unsigned core, unsigned count, std::string_view path,
              std::string_view query, CoreRun& run) {
    std::string problem;
    auto ring = ring::Ring::open({}, problem);
    ASSERT_TRUE(ring) << problem;
    loop::Reactor reactor(*ring, core);
    CorePool pool(reactor, supervisor);
    Clients clients;
    unsigned started = 0;
    while (run.done.load() < count) {
        while (clients.size() < 8 && started < count) {
            clients.push_back(std::make_unique<Client>(pool, World::request(path, query)));
            ++started;
        }
        reactor.turn(kNanosecondsPerMillisecond);
        for (auto& client : clients) {
            if (!client->done()) continue;
            if (client->reason() != Reason::none) run.failed.fetch_add(1);
            run.done.fetch_add(1);
            client.reset();
        }
        std::erase(clients, nullptr);
    }
    pool.close();
    while (!pool.closed()) reactor.turn(kNanosecondsPerMillisecond);
    run.finished = true;
}

void run_two_cores(AppSpec app, unsigned count, std::string_view path, std::string_view query) {
    SupervisorOptions options;
    options.ephemeral_max = 2;
    options.host_path = WORKER_HOST;
    options.cores = 2;
    Supervisor supervisor(options);
    std::string problem;
    bool forks = app.ephemeral;  // For the cores it knows.
    ASSERT_TRUE(supervisor.start({std::move(app)}, problem)) << problem;
    ASSERT_TRUE(forks || supervisor.wait_ready(monotonic_now() + 60 * kNanosecondsPerSecond));
    CoreRun runs[2];
    std::thread first([&] { run_core(supervisor, 0, count, path, query, runs[0]); });
    std::thread second([&] { run_core(supervisor, 1, count, path, query, runs[1]); });
    Nanoseconds deadline = monotonic_now() + 60 * kNanosecondsPerSecond;
    while (!(runs[0].finished && runs[1].finished) && monotonic_now() < deadline)
        supervisor.poll_once(5);
    EXPECT_TRUE(runs[0].finished && runs[1].finished)
        << runs[0].done << " and " << runs[1].done << " of " << count;
    if (!(runs[0].finished && runs[1].finished)) std::abort();
    first.join();
    second.join();
    EXPECT_EQ(runs[0].failed + runs[1].failed, 0U);
    supervisor.stop(2000);
}

TEST(Cores, share_one_worker_without_forgetting_each_other) {
    AppSpec app = plain_app();
    app.workers_max = 1;
    run_two_cores(app, 3000, "/hello", {});
}

TEST(Cores, take_turns_at_slow_workers) {
    AppSpec app = plain_app();
    app.workers = 2;
    app.workers_max = 2;
    run_two_cores(app, 60, "/sleep", "10");
}

TEST(Cores, see_recycling_as_nothing) {
    AppSpec app = plain_app();
    app.requests_max = 20;
    run_two_cores(app, 1000, "/hello", {});
}

TEST(Cores, take_turns_at_the_gate_of_ephemeral_apps) {
    AppSpec app = plain_app();
    app.ephemeral = true;
    run_two_cores(app, 300, "/hello", {});
}

}  // namespace
}  // namespace ringtime::worker::test
