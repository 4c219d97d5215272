// Many slow readers beside quick ones; several cores beside each other.
#include <atomic>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "harness.h"

namespace ringtime::worker::test {
namespace {

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

TEST(Streams, memory_of_answers_that_are_over_wakes_only_who_waits_for_it) {
    AppSpec app = plain_app();
    app.workers = app.workers_max = 1;
    World world({app}, [](SupervisorOptions& options) { options.arena_bytes = 256 * 1024; });
    auto asleep = [&] {
        std::ifstream stat("/proc/" + std::to_string(world.supervisor().workers().at(0).pid) +
                           "/stat");
        std::string pid, name, state;
        stat >> pid >> name >> state;
        return state == "S";
    };
    Clients held;
    auto take = [&] {
        held.push_back(std::make_unique<Client>(world.pool(), World::request("/generate", "9000")));
        held.back()->hold_pieces = true;
        held.back()->keep_bytes = false;
        return held.back().get();
    };
    Client* first = take();
    ASSERT_TRUE(world.until([&] { return first->done() && asleep(); }));
    uint64_t rung = world.pool().counters().doorbells;
    first->drop_pieces();
    world.run_for(20);
    EXPECT_EQ(world.pool().counters().doorbells, rung);
    // Others' answers are held until one finds no memory. It gets theirs, its own still held.
    Client* last = first;
    while (held.size() < 64 && (last->done() || world.until([&] { return last->done(); }, 300)))
        last = take();
    ASSERT_LT(held.size(), 64U);
    for (const auto& client : held)
        if (client.get() != last) client->drop_pieces();
    EXPECT_TRUE(world.until([&] { return last->done(); }));
    EXPECT_EQ(last->received_bytes, 9000U);
}

// The gateway gives back together what lies one behind the other: of several slabs as well.
TEST(Streams, memory_of_small_pieces_comes_back) {
    World world({plain_app()});
    for (int round = 0; round < 100; ++round) {
        auto client = world.fetch(World::request("/pieces", "100"));
        ASSERT_EQ(client->received_bytes, 70'000U) << "in round " << round;
    }
    // All of it is there for one that does not read.
    Client slow(world.pool(), World::request("/generate", "1000000"));
    slow.hold_pieces = true;
    EXPECT_TRUE(world.until([&] { return slow.received_bytes > 200'000; }, 10'000))
        << "there was room for " << slow.received_bytes;
    slow.release();
    EXPECT_TRUE(world.until([&] { return world.in_flight() == 0; }));
}

// Pages of shared memory that the process has touched.
uint64_t shared_kb(int32_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/status");
    std::string word;
    uint64_t kb = 0;
    while (file >> word && word != "RssShmem:") continue;
    file >> kb;
    return kb;
}

TEST(Streams, an_idle_worker_gives_the_memory_of_its_answers_back) {
    AppSpec app = plain_app();
    app.idle_timeout_ms = 20;
    app.workers_max = 1;
    World world({app});
    {
        Client slow(world.pool(), World::request("/generate", "1000000"));
        slow.hold_pieces = true;
        ASSERT_TRUE(world.until([&] { return slow.received_bytes > 200'000; }));
        slow.hold_pieces = false;
        slow.drop_pieces();
        ASSERT_TRUE(world.until([&] { return slow.done(); }));
    }
    int32_t pid = world.supervisor().workers().at(0).pid;
    EXPECT_TRUE(world.until([&] { return shared_kb(pid) < 200; })) << shared_kb(pid) << " KiB";
    EXPECT_EQ(world.fetch(World::request("/generate", "300000"))->received_bytes, 300'000U);
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

// Which memory a process shares with others.
std::set<std::string> shared_memory(int32_t pid) {
    std::ifstream maps("/proc/" + std::to_string(pid) + "/maps");
    std::set<std::string> inodes;
    for (std::string line; std::getline(maps, line);) {
        std::istringstream words(line);
        std::string range, access, offset, device, inode, name;
        words >> range >> access >> offset >> device >> inode >> name;
        if (name.starts_with("/memfd:")) inodes.insert(inode);
    }
    return inodes;
}

TEST(Streams, an_idle_worker_gets_other_memory_when_uploads_have_touched_much_of_it) {
    AppSpec app = plain_app();
    app.idle_timeout_ms = 20;
    app.workers_max = 1;
    World world({app}, [](SupervisorOptions& options) { options.arena_kept_bytes = 150'000; });
    Client slow(world.pool(), World::request("/generate", "100000"));
    slow.hold_pieces = true;
    ASSERT_TRUE(world.until([&] { return slow.done(); }));
    int32_t pid = world.supervisor().workers().at(0).pid;
    std::set<std::string> before = shared_memory(pid);
    ASSERT_EQ(before.size(), 2U);
    auto upload = [&](size_t size) {
        return world.fetch(World::request("/count", {}, http::Method::post), std::string(size, 'x'))
            ->received;
    };
    EXPECT_EQ(upload(10'000), "10000");
    world.run_for(100);
    EXPECT_EQ(shared_memory(pid), before);
    for (int round = 0; round < 3; ++round) {
        EXPECT_EQ(upload(200'000), "200000");
        ASSERT_TRUE(world.until([&] {
            std::set<std::string> both = shared_memory(pid);
            both.merge(std::set<std::string>(before));
            return both.size() == 4;
        }));
        before = shared_memory(pid);
    }
    EXPECT_EQ(world.supervisor().workers().at(0).pid, pid);
    // What was answered from the first pair is still there.
    EXPECT_EQ(slow.received, std::string(100'000, 'x'));
    slow.drop_pieces();
    EXPECT_EQ(upload(10), "10");
    EXPECT_EQ(world.pool().counters().strikes, 0U);
}

// ---- Several cores ----

struct CoreRun {
    std::atomic<unsigned> done{0};
    std::atomic<unsigned> failed{0};
    std::atomic<bool> finished{false};
    Nanoseconds pause = 0;  ///< Behind each eight.
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
    Nanoseconds resume_at = 0;
    while (run.done.load() < count) {
        while (clients.size() < 8 && started < count && monotonic_now() >= resume_at) {
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
        if (std::erase(clients, nullptr) > 0 && clients.empty())
            resume_at = monotonic_now() + run.pause;
    }
    pool.close();
    while (!pool.closed()) reactor.turn(kNanosecondsPerMillisecond);
    run.finished = true;
}

void run_two_cores(AppSpec app, unsigned count, std::string_view path, std::string_view query,
                   Nanoseconds pause = 0) {
    SupervisorOptions options;
    if (pause > 0) options.arena_kept_bytes = 0;
    options.ephemeral_max = 2;
    options.host_path = WORKER_HOST;
    options.cores = 2;
    Supervisor supervisor(options);
    std::string problem;
    bool forks = app.ephemeral;  // For the cores it knows.
    ASSERT_TRUE(supervisor.start({std::move(app)}, problem)) << problem;
    ASSERT_TRUE(forks || supervisor.wait_ready(monotonic_now() + 60 * kNanosecondsPerSecond));
    CoreRun runs[2];
    for (CoreRun& run : runs) run.pause = pause;
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

TEST(Cores, get_other_memory_in_the_pauses_of_a_worker) {
    AppSpec app = plain_app();
    app.workers_max = 1;
    app.idle_timeout_ms = 1;
    run_two_cores(app, 400, "/hello", {}, 8 * kNanosecondsPerMillisecond);
}

TEST(Cores, take_turns_at_the_gate_of_ephemeral_apps) {
    AppSpec app = plain_app();
    app.ephemeral = true;
    run_two_cores(app, 300, "/hello", {});
}

}  // namespace
}  // namespace ringtime::worker::test
