// The exchange with workers from seeds: clients of every kind, the gateway as it is, and workers
// that answer, stream, stop, vanish or lie in the shared regions. Each request gets exactly one
// well-formed answer, or a cut that can be seen; none is done twice that may not be; and whatever a
// worker did, nothing is left behind.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "client.h"
#include "core_rig.h"
#include "http_text.h"
#include "ring/sim/sim_seeds.h"
#include "workers.h"

namespace ringtime::sim {
namespace {

using ring::SimFaults;
using ring::SimRandom;
using ring::SimWorld;

struct Setting {
    bool kind = false;  ///< Nothing goes wrong: everything must succeed.
    size_t body_max = 0;
    CoreSpec core;
    SimWorkersSpec workers;
};

Setting draw_setting(SimWorld& world) {
    SimRandom& random = world.random();
    SimFaults& faults = world.faults();
    Setting setting;
    setting.kind = random.chance(400);
    const auto pick = [&random](std::initializer_list<uint32_t> values) {
        return *(values.begin() + random.below(values.size()));
    };
    worker::AppSpec& app = setting.workers.app;
    app.name = "app";
    app.timeout_ms = pick({300, 2000});
    app.grace_ms = 200;
    app.queue_timeout_ms = pick({50, 3000});
    if (setting.kind) {
        faults.network_reset = faults.accept_error = faults.out_of_descriptors = 0;
        app.timeout_ms = app.queue_timeout_ms = 500'000;
        setting.core.timeouts.head_ms = 50'000;
        setting.core.timeouts.body.bytes_per_s = 1;
    }
    app.queue_max = setting.kind ? 1024 : pick({1, 1024});
    app.requests_max = pick({0, 0, 1, 5});
    setting.workers.kind = setting.kind;
    setting.workers.concurrency = app.concurrency = pick({1, 1, 3, 100});
    setting.workers.most = pick({1, 2, 3});
    setting.workers.arena_bytes = pick({2, 4, 64}) * RTW_BLOCK_BYTES;
    setting.workers.slims_per_mille = pick({0, 20, 200});
    setting.core.app = app;
    setting.core.ring.small_buffers = setting.kind ? 64 : pick({4, 8, 64});
    setting.core.ring.bulk_buffers = setting.kind ? 64 : pick({4, 8, 64});
    setting.core.ring.bulk_buffer_bytes = pick({512, 4096, 32768});
    setting.body_max = passable_bytes(faults, 100'000);
    return setting;
}

class Planner {
 public:
    Planner(SimRandom& random, const Setting& setting) : random_(random), setting_(setting) {}

    std::vector<Planned> plan() {
        std::vector<Planned> plan;
        for (uint64_t count = random_.between(1, 4); count > 0; --count) plan.push_back(request());
        return plan;
    }

    Manners manners() {
        Manners manners;
        manners.pipelines = random_.chance(400);
        if (random_.chance(setting_.kind ? 50 : 200))
            manners.reset_after = random_.between(1, 200) * kNanosecondsPerMillisecond;
        manners.may_read_slowly(random_);
        return manners;
    }

 private:
    Planned request() {
        const uint64_t id = 2 * ++requests_;
        const bool uploads = random_.chance(350);
        const size_t upload = uploads ? random_.below(setting_.body_max) : 0;
        const size_t size = random_.chance(200) ? 0 : random_.below(setting_.body_max);
        auto fault = WorkerFault::none;
        if (random_.chance(400)) {
            // In a kind world those that are none.
            const auto most = setting_.kind ? WorkerFault::gives_up : WorkerFault::count_;
            fault = static_cast<WorkerFault>(random_.below(static_cast<uint64_t>(most)));
        }
        Planned planned;
        planned.must_succeed = setting_.kind;
        planned.failures = setting_.kind ? std::vector<int>{}
                                         : std::vector<int>{408, 502, 503, 504};
        planned.body = body_of(id + 1, size);
        const bool head = !uploads && random_.chance(100);
        if (head) planned.kind = Kind::answer_to_head;
        std::string& text = planned.bytes;
        text = uploads ? (random_.chance(500) ? "PUT" : "POST") : head ? "HEAD" : "GET";
        text += " /app/item?id=" + std::to_string(id) + "&size=" + std::to_string(size) +
                "&known=" + std::to_string(fault == WorkerFault::too_much || random_.chance(500)) +
                "&fault=" + std::to_string(static_cast<int>(fault)) +
                "&upload=" + std::to_string(upload) + " HTTP/1.1\r\nHost: gateway.test\r\n";
        planned.add_rest(random_, uploads ? std::optional(body_of(id, upload)) : std::nullopt);
        return planned;
    }

    SimRandom& random_;
    const Setting& setting_;
    uint64_t requests_ = 0;
};

struct Totals {
    uint64_t clients = 0;
    uint64_t answered = 0;
    uint64_t begun = 0;
    uint64_t workers = 0;
    uint64_t strikes = 0;
    uint64_t retried = 0;
    uint64_t recalled = 0;
    uint64_t replaced = 0;
};

void run_scenario(SimWorld& world, Totals& totals) {
    const Setting setting = draw_setting(world);
    SimRandom& random = world.random();
    CoreRig rig(world, setting.core);
    SimWorkers workers(world, rig, setting.workers);
    Planner planner(random, setting);
    Crowd clients(world, rig.listener(), random.between(1, 12), 200,
                  [&] { return Crowd::Intent{planner.plan(), planner.manners()}; });
    const bool ended = rig.run_until(
        [&] {
            workers.tend();
            return clients.done();
        },
        kScenarioTime);
    if (!ended) world.violate("clients were left waiting");
    totals.answered += clients.judge();
    if (!rig.run_until([&] { return workers.closed(); }, kScenarioTime))
        world.violate("the memory of a worker was not let go of");
    const worker::CorePoolCounters& counters = rig.workers().counters();
    totals.strikes += counters.strikes;
    totals.retried += counters.retried;
    totals.recalled += counters.recalled;
    totals.clients += clients.count();
    totals.begun += workers.begun();
    totals.workers += workers.started();
    totals.replaced += workers.replaced();
    workers.hand_notices_on();
    rig.finish();
}

#ifdef __SANITIZE_ADDRESS__
constexpr unsigned kSeeds = 15;
#else
constexpr unsigned kSeeds = 60;
#endif

TEST(Workers, get_each_request_an_answer_or_an_end_whatever_they_do) {
    const LogLevel before = log_level();
    const bool one = std::getenv("RINGTIME_SIM_SEED") != nullptr;
    if (!one) set_log_level(LogLevel::off);  // Misdeeds by the hundred.
    Totals totals;
    EXPECT_TRUE(ring::run_seeds(kSeeds, [&](SimWorld& world) { run_scenario(world, totals); },
                                [] { return HasFailure(); }));
    set_log_level(before);
    if (!one) {
        EXPECT_GT(totals.answered, totals.clients);
        EXPECT_GT(totals.strikes, 0U);
        EXPECT_GT(totals.retried, 0U);
        EXPECT_GT(totals.replaced, 0U);
    }
    std::printf("clients: %lu, answers: %lu, begun: %lu, workers: %lu, strikes: %lu, "
                "retried: %lu, recalled: %lu, replaced: %lu\n",
                totals.clients, totals.answered, totals.begun, totals.workers, totals.strikes,
                totals.retried, totals.recalled, totals.replaced);
}

}  // namespace
}  // namespace ringtime::sim
