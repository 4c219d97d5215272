// What goes wrong: each failure has one answer and stays with the requests it belongs to.
#include <signal.h>
#include <sys/wait.h>

#include "harness.h"

namespace ringtime::worker::test {
namespace {

pid_t pid_of(World& world) {
    return static_cast<pid_t>(std::stol(world.fetch(World::request("/pid"))->received));
}

struct Stat {
    char state = 'X';
    pid_t parent = 0;
};

Stat stat_of(pid_t pid) {
    Stat stat;
    std::string path = "/proc/" + std::to_string(pid) + "/stat";
    if (FILE* file = fopen(path.c_str(), "r")) {
        if (fscanf(file, "%*d (%*[^)]) %c %d", &stat.state, &stat.parent) != 2) stat = {};
        fclose(file);
    }
    return stat;
}

// One that nobody has reaped yet does not.
bool runs(pid_t pid) {
    char state = stat_of(pid).state;
    return state != 'X' && state != 'Z';
}

TEST(Failure, a_crash_fails_its_request_and_the_next_one_is_served) {
    World world({plain_app()});
    WorkerRequest request = World::request("/crash", {}, http::Method::post);
    auto client = world.fetch(request);
    EXPECT_EQ(client->reason(), Reason::worker_crashed);
    auto next = world.fetch(World::request("/hello"));
    EXPECT_EQ(next->received, "hello\n");
    EXPECT_EQ(world.supervisor().counters().crashed, 1U);
}

TEST(Failure, an_idempotent_request_is_tried_once_more_and_then_given_up) {
    World world({plain_app()});
    auto client = world.fetch(World::request("/crash"));
    EXPECT_EQ(client->reason(), Reason::worker_crashed);
    EXPECT_EQ(world.pool().counters().retried, 1U);
    EXPECT_EQ(world.supervisor().counters().crashed, 2U);
}

TEST(Failure, requests_a_killed_worker_had_not_begun_are_served_by_its_successor) {
    AppSpec app = plain_app();
    app.workers_max = 1;
    World world({app});
    pid_t pid = pid_of(world);
    for (int i = 0; i < 20; ++i) world.fetch(World::request("/hello"));
    std::vector<std::unique_ptr<Client>> clients;
    clients.push_back(std::make_unique<Client>(
        world.pool(), World::request("/sleep", "5000", http::Method::post)));
    for (int i = 0; i < 5; ++i)
        clients.push_back(std::make_unique<Client>(
            world.pool(), World::request("/hello", {}, http::Method::post)));
    world.run_for(10);
    kill(pid, SIGKILL);
    ASSERT_TRUE(world.until([&] {
        for (const auto& client : clients)
            if (!client->done()) return false;
        return true;
    }));
    EXPECT_EQ(clients[0]->reason(), Reason::worker_crashed);
    for (size_t i = 1; i < clients.size(); ++i) EXPECT_EQ(clients[i]->received, "hello\n");
}

TEST(Failure, an_answer_cut_by_a_crash_is_never_a_clean_end) {
    World world({plain_app()});
    auto client = world.fetch(World::request("/half"));
    EXPECT_EQ(client->status(), 200);
    EXPECT_EQ(client->received, "half");
    EXPECT_EQ(client->reason(), Reason::worker_crashed);
    EXPECT_EQ(world.pool().counters().retried, 0U);
}

TEST(Failure, a_timeout_fails_that_request_only) {
    AppSpec app = plain_app();
    app.timeout_ms = 1000;
    app.workers = 2;
    World world({app});
    ASSERT_TRUE(world.until([&] { return world.supervisor().ready_count(0) == 2; }));
    Client slow(world.pool(), World::request("/sleep", "2500"));
    ASSERT_TRUE(world.until([&] { return world.in_flight() == 1; }));
    Client behind(world.pool(), World::request("/hello"));
    ASSERT_TRUE(world.until([&] { return slow.done() && behind.done(); }));
    EXPECT_EQ(slow.reason(), Reason::worker_timeout);
    EXPECT_EQ(behind.received, "hello\n");
    ASSERT_TRUE(world.until([&] { return world.in_flight() == 0; }));
    EXPECT_EQ(world.supervisor().counters().killed, 0U);
    EXPECT_EQ(world.supervisor().counters().crashed, 0U);
}

TEST(Failure, requests_handed_in_advance_leave_a_worker_that_is_stuck) {
    AppSpec app = plain_app();
    app.workers = app.workers_max = 2;
    World world({app});
    ASSERT_TRUE(world.until([&] { return world.supervisor().workers().size() == 2; }));
    // Both learn that requests are quick.
    for (int round = 0; round < 20; ++round) {
        Client a(world.pool(), World::request("/hello"));
        Client b(world.pool(), World::request("/hello"));
        ASSERT_TRUE(world.until([&] { return a.done() && b.done(); }));
    }
    std::vector<std::unique_ptr<Client>> clients;
    clients.push_back(std::make_unique<Client>(world.pool(), World::request("/sleep", "2000")));
    for (int i = 0; i < 20; ++i)
        clients.push_back(std::make_unique<Client>(
            world.pool(), World::request("/hello", {}, http::Method::post)));
    ASSERT_TRUE(world.until([&] {
        for (size_t i = 1; i < clients.size(); ++i)
            if (!clients[i]->done()) return false;
        return true;
    }));
    EXPECT_FALSE(clients[0]->done()) << "waited for the stuck worker";
    EXPECT_GT(world.pool().counters().recalled, 0U);
    ASSERT_TRUE(world.until([&] { return clients[0]->done(); }));
    EXPECT_EQ(clients[0]->received, "slept");
    for (size_t i = 1; i < clients.size(); ++i) EXPECT_EQ(clients[i]->received, "hello\n");
    EXPECT_EQ(world.pool().counters().strikes, 0U);
}

TEST(Failure, uploads_handed_in_advance_stay_with_a_worker_that_is_slow) {
    AppSpec app = plain_app();
    app.workers_max = 1;
    World world({app});
    for (int round = 0; round < 20; ++round) world.fetch(World::request("/hello"));
    Client slow(world.pool(), World::request("/sleep", "100"));
    std::vector<std::unique_ptr<Client>> uploads;
    for (int i = 0; i < 5; ++i)
        uploads.push_back(std::make_unique<Client>(
            world.pool(), World::request("/count", {}, http::Method::post), "0123456789"));
    for (auto& upload : uploads) {
        ASSERT_TRUE(world.until([&] { return upload->done(); }));
        EXPECT_EQ(upload->received, "10") << static_cast<int>(upload->reason());
    }
    EXPECT_EQ(world.pool().counters().failed, 0U);
}

TEST(Failure, a_worker_whose_loop_stands_still_is_ended) {
    AppSpec app = plain_app();
    app.timeout_ms = 2000;
    app.grace_ms = 300;
    app.workers_max = 1;
    World world({app});
    auto client = world.fetch(World::request("/sleep", "60000", http::Method::post));
    EXPECT_EQ(client->reason(), Reason::worker_timeout);
    ASSERT_TRUE(world.until([&] { return world.supervisor().counters().killed == 1; }));
    EXPECT_EQ(world.fetch(World::request("/hello"))->received, "hello\n");
}

TEST(Failure, an_app_that_never_starts_is_refused_at_once_after_a_while) {
    AppSpec app = plain_app();
    app.environment = {{"FAIL_TO_START", "1"}};
    World world({app}, [](SupervisorOptions& options) { options.restart_first_ms = 20; });
    Client waiting(world.pool(), World::request("/hello"));
    ASSERT_TRUE(world.until([&] { return waiting.done(); }));
    EXPECT_EQ(waiting.reason(), Reason::worker_start);
    EXPECT_EQ(world.supervisor().counters().start_failures, 5U);
    uint64_t before = world.supervisor().counters().started;
    EXPECT_EQ(world.fetch(World::request("/hello"))->reason(), Reason::worker_start);
    world.run_for(100);
    EXPECT_LE(world.supervisor().counters().started, before + 1) << "no back-off";
    EXPECT_FALSE(world.supervisor().wait_ready(monotonic_now()));
}

TEST(Failure, a_missing_entrypoint_is_a_failed_start) {
    AppSpec app = plain_app();
    app.entrypoint += "-that-is-not-there";
    World world({app}, [](SupervisorOptions& options) { options.restart_first_ms = 1; });
    EXPECT_EQ(world.fetch(World::request("/hello"))->reason(), Reason::worker_start);
}

TEST(Failure, a_slow_start_keeps_requests_waiting_and_a_too_slow_one_is_ended) {
    AppSpec app = plain_app();
    app.environment = {{"SLOW_TO_START", "300"}};
    {
        World world({app});
        EXPECT_EQ(world.fetch(World::request("/hello"))->received, "hello\n");
    }
    app.environment = {{"SLOW_TO_START", "60000"}};
    World world({app}, [](SupervisorOptions& options) { options.ready_ms = 50; });
    ASSERT_TRUE(world.until([&] { return world.supervisor().counters().start_failures > 0; }));
    EXPECT_EQ(world.supervisor().counters().ready, 0U);
}

constexpr Milliseconds kAnHour = 3'600'000;

void wait_an_hour_before_the_third(SupervisorOptions& options) {
    options.restart_first_ms = kAnHour;
    options.restart_longest_ms = kAnHour;
    options.restart_ready_longest_ms = kAnHour;
}

TEST(Failure, while_one_keeps_crashing_nobody_waits_if_another_is_well) {
    AppSpec app = plain_app();
    app.workers = app.workers_max = 2;
    World world({app}, wait_an_hour_before_the_third);
    auto ready = [&] { return world.supervisor().ready_count(0); };
    ASSERT_TRUE(world.until([&] { return ready() == 2; }));
    pid_t well = world.supervisor().workers().at(0).pid;
    for (unsigned ends = 1; ends <= 2; ++ends) {
        for (const WorkerView& view : world.supervisor().workers())
            if (view.pid != well) kill(view.pid, SIGKILL);
        ASSERT_TRUE(world.until([&] { return world.supervisor().counters().crashed == ends; }));
        if (ends == 2) break;
        ASSERT_TRUE(world.until([&] { return ready() == 2; })) << "not at once";
    }
    uint64_t queued = world.pool().counters().queued;
    for (int i = 0; i < 50; ++i)
        EXPECT_EQ(world.fetch(World::request("/pid"))->received, std::to_string(well));
    EXPECT_EQ(world.pool().counters().queued, queued);
    EXPECT_EQ(world.supervisor().counters().started, 3U) << "no back-off";
}

TEST(Failure, the_end_of_one_that_lived_long_is_no_crash_in_a_row) {
    AppSpec app = plain_app();
    World world({app}, [](SupervisorOptions& options) {
        wait_an_hour_before_the_third(options);
        options.healthy_ms = 0;
    });
    for (unsigned ends = 1; ends <= 5; ++ends) {
        kill(pid_of(world), SIGKILL);
        ASSERT_TRUE(world.until([&] { return world.supervisor().counters().crashed == ends; }));
        ASSERT_TRUE(world.until([&] { return world.supervisor().ready_count(0) == 1; })) << ends;
    }
}

TEST(Failure, the_death_of_the_zygote_is_survived) {
    World world({plain_app()});
    pid_t worker = pid_of(world);
    pid_t zygote = stat_of(worker).parent;
    ASSERT_GT(zygote, 1);
    kill(zygote, SIGKILL);
    ASSERT_TRUE(world.until([&] {
        return world.supervisor().workers().empty() || world.supervisor().counters().started > 1;
    }));
    EXPECT_EQ(world.fetch(World::request("/hello"))->received, "hello\n");
    EXPECT_TRUE(world.until([&] { return !runs(worker); })) << "the old worker lives on";
}

// ---- Isolation ----

TEST(Isolation, a_worker_inherits_nothing) {
    setenv("INHERITED_BY_MISTAKE", "1", 1);
    AppSpec app = plain_app();
    app.environment = {{"GREETING", "hi"}, {"PAYMENT_TOKEN", "allowed"}};
    World world({app}, [](SupervisorOptions& options) {
        options.environment = {{"NODE_ENV", "test"}};
    });
    std::string text = world.fetch(World::request("/environment"))->received;
    EXPECT_EQ(text, "APP_DIR=" + app.directory + "\nENTRYPOINT=" + app.entrypoint +
                        "\nWORKER_ID=0\nNODE_ENV=test\nGREETING=hi\nPAYMENT_TOKEN=allowed\n");
}

TEST(Isolation, the_sandbox_refuses_files_calls_and_signals) {
    World world({plain_app()});
    EXPECT_EQ(world.fetch(World::request("/escape"))->received, "none");
}

}  // namespace
}  // namespace ringtime::worker::test
