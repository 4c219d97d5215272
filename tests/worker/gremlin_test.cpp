// A hostile worker beside an honest one: whatever it does ends as an answer to its own requests.
#include "harness.h"

namespace ringtime::worker::test {
namespace {

constexpr int kActs = 19;  // Those behind have tests of their own.

TEST(Gremlin, no_act_reaches_another_app) {
    AppSpec honest = plain_app();
    AppSpec gremlin = program_app("gremlin");
    gremlin.timeout_ms = 200;
    gremlin.grace_ms = 100;
    gremlin.workers_max = 1;
    World world({honest, gremlin}, [](SupervisorOptions& options) {
        options.restart_first_ms = 1;
        options.restart_longest_ms = 5;
    });
    for (int round = 0; round < 4 * kActs; ++round) {
        std::string act = std::to_string(round % kActs);
        WorkerRequest evil = World::request("/", act, http::Method::post);
        evil.app = 1;
        Client attacked(world.pool(), evil);
        std::vector<std::unique_ptr<Client>> bystanders;
        for (int i = 0; i < 5; ++i)
            bystanders.push_back(std::make_unique<Client>(world.pool(), World::request("/hello")));
        ASSERT_TRUE(world.until([&] { return attacked.done(); })) << "act " << act;
        for (const auto& client : bystanders) {
            ASSERT_TRUE(world.until([&] { return client->done(); })) << "act " << act;
            EXPECT_EQ(client->received, "hello\n") << "act " << act;
        }
        // It can be asked again, if necessary as a new process.
        bool served = false;
        for (int attempt = 0; attempt < 50 && !served; ++attempt) {
            WorkerRequest again = World::request("/");
            again.app = 1;
            served = world.fetch(again)->received == "hello\n";
        }
        EXPECT_TRUE(served) << "act " << act;
    }
    EXPECT_GT(world.pool().counters().strikes, 0U);
    EXPECT_GT(world.supervisor().counters().killed, 0U);
}

TEST(Gremlin, whose_doorbell_never_stops_is_replaced) {
    AppSpec gremlin = program_app("gremlin");
    gremlin.workers_max = 1;
    World world({plain_app(), gremlin});
    auto pid_of_gremlin = [&] {
        for (const WorkerView& view : world.supervisor().workers())
            if (view.app_index == 1 && view.phase == WorkerPhase::ready) return view.pid;
        return 0;
    };
    ASSERT_TRUE(world.until([&] { return pid_of_gremlin() != 0; }));
    pid_t before = pid_of_gremlin();
    WorkerRequest flood = World::request("/", "18");
    flood.app = 1;
    EXPECT_EQ(world.fetch(flood)->received, "ringing");
    auto replaced = [&] { return pid_of_gremlin() != 0 && pid_of_gremlin() != before; };
    for (int i = 0; i < 6000 && !replaced(); ++i) {
        EXPECT_EQ(world.fetch(World::request("/hello"))->received, "hello\n");
        world.run_for(10);
    }
    EXPECT_TRUE(replaced());
    EXPECT_GT(world.pool().counters().strikes, 0U);
    EXPECT_EQ(world.pool().counters().failed, 0U);
}

TEST(Gremlin, that_is_ready_again_when_told_to_end_is_ended_all_the_same) {
    AppSpec gremlin = program_app("gremlin");
    gremlin.workers_max = 1;
    World world({gremlin});
    EXPECT_EQ(world.fetch(World::request("/", "20"))->received, "staying");
    uint32_t id = world.supervisor().workers().at(0).id;
    ASSERT_TRUE(world.supervisor().drain(id));
    ASSERT_TRUE(world.until([&] { return world.supervisor().counters().killed == 1; }, 10000));
    EXPECT_EQ(world.fetch(World::request("/"))->received, "hello\n");
}

TEST(Gremlin, that_is_ready_again_does_not_turn_its_origin_into_another_worker) {
    AppSpec gremlin = program_app("gremlin");
    gremlin.ephemeral = true;
    World world({gremlin}, [](SupervisorOptions& options) { options.restart_first_ms = 1; });
    Client evil(world.pool(), World::request("/", "19", http::Method::post));
    ASSERT_TRUE(world.until([&] { return world.supervisor().counters().killed == 1; }));
    ASSERT_TRUE(world.until([&] { return evil.done(); }));
    EXPECT_EQ(world.fetch(World::request("/"))->received, "hello\n");
    EXPECT_LE(world.supervisor().ready_count(0), 2U);
    for (const WorkerView& view : world.supervisor().workers())
        EXPECT_NE(view.role, WorkerRole::worker);
}

}  // namespace
}  // namespace ringtime::worker::test
