// Whole cores from seeds: HTTP/1 clients of every kind, the gateway as it is, upstream servers of
// every kind, and a network that does what networks do. Each client must get exactly the right
// bytes or a failure it can see; nothing may leak, nothing may hang.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "client.h"
#include "core_rig.h"
#include "origin.h"
#include "ring/sim/sim_seeds.h"

namespace ringtime::sim {
namespace {

using ring::SimFaults;
using ring::SimRandom;
using ring::SimWorld;

/// What the seed decided about the whole scenario.
struct Setting {
    bool kind_world;  ///< No errors are injected: everything must succeed.
    bool one_stops;   ///< The second server refuses connections from some time on.
    size_t body_max;
    CoreSpec core;
    uint32_t reloads_per_mille;  ///< Of the turns.
};

void draw_upstream(SimRandom& random, Setting& setting) {
    upstream::UpstreamSpec& spec = setting.core.upstream;
    const auto pick = [&random](std::initializer_list<uint32_t> values) {
        return *(values.begin() + random.below(values.size()));
    };
    if (random.chance(600)) setting.core.ports = {9001, 9002};
    spec.balance = static_cast<upstream::Balance>(random.below(4));
    spec.retries.max = pick({0, 1, 1, 4});
    spec.retries.body_bytes_max = pick({0, 1000, 64 * 1024, 1024 * 1024});
    spec.connections_max = pick({0, 0, 1, 3});
    spec.idle_max = pick({0, 1, 64});
    spec.ejection.failures = pick({1, 5});
    spec.slow_start = pick({0, 1000});
    // Where everything must succeed nobody waits in vain.
    spec.queue_timeout = setting.kind_world ? 600'000 : pick({10, 5000});
    if (!setting.kind_world && random.chance(200)) spec.total_timeout = random.between(10, 2000);
    setting.one_stops = setting.core.ports.size() == 2 && spec.retries.max > 0;
}

Setting draw_setting(SimWorld& world) {
    SimRandom& random = world.random();
    SimFaults& faults = world.faults();
    Setting setting{};
    setting.kind_world = random.chance(500);
    if (setting.kind_world) {
        faults.network_reset = faults.accept_error = faults.out_of_descriptors = 0;
        faults.connect_refused = faults.connect_lost = 0;
        // A padded head over the slowest network takes longer than strangers are given.
        setting.core.timeouts.head_ms = 50'000;
        setting.core.timeouts.body.bytes_per_s = 1;
    }
    setting.body_max = passable_bytes(faults, 200'000);
    const auto pick = [&random](std::initializer_list<uint32_t> values) {
        return *(values.begin() + random.below(values.size()));
    };
    // Where everything must succeed there are buffers enough; elsewhere they may run out.
    setting.core.ring.small_buffers = setting.kind_world ? 64 : pick({4, 8, 64});
    setting.core.ring.bulk_buffers = setting.kind_world ? 64 : pick({4, 8, 64});
    setting.core.ring.small_buffers_ready = pick({2, 8, 1024});
    setting.core.ring.bulk_buffers_ready = pick({2, 8, 1024});
    setting.core.ring.small_buffer_bytes = pick({256, 1024, 4096});
    setting.core.ring.bulk_buffer_bytes = pick({512, 4096, 32768});
    setting.core.spliced_upload_bytes_min = pick({600, 24 * 1024});
    draw_upstream(random, setting);
    setting.reloads_per_mille = pick({0, 5, 100});
    return setting;
}

/// Makes the requests of one scenario; bodies are unique in it.
class Planner {
 public:
    Planner(SimRandom& random, const Setting& setting) : random_(random), setting_(setting) {}

    std::vector<Planned> plan() {
        std::vector<Planned> plan;
        const size_t count = random_.between(1, 4);
        for (size_t i = 0; i < count; ++i) plan.push_back(request(i + 1 == count));
        // Of an unkind world nothing can be asked, not even what concerns no upstream.
        for (Planned& planned : plan) planned.must_succeed &= setting_.kind_world;
        return plan;
    }

    Manners manners() {
        Manners manners;
        manners.pipelines = random_.chance(400);
        manners.half_closes = random_.chance(150);
        if (random_.chance(setting_.kind_world ? 50 : 150))
            manners.reset_after = random_.between(1, 200) * kNanosecondsPerMillisecond;
        manners.may_read_slowly(random_);
        return manners;
    }

 private:
    Planned request(bool last) {
        const uint64_t choice = random_.below(100);
        if (choice < 10) return health();
        if (choice < 15) return nowhere();
        if (choice < 19 && last) return malformed();
        return proxied(last);
    }

    static Planned health() {
        Planned planned;
        planned.bytes = "GET /health HTTP/1.1\r\nHost: gateway.test\r\n\r\n";
        planned.body = "ok\n";
        planned.must_succeed = true;
        return planned;
    }

    static Planned nowhere() {
        Planned planned;
        planned.bytes = "GET /nowhere HTTP/1.1\r\nHost: gateway.test\r\n\r\n";
        planned.failures = {404};
        planned.must_succeed = true;
        return planned;
    }

    static Planned malformed() {
        Planned planned;
        planned.bytes =
            "GET /up/x HTTP/1.1\r\nHost : gateway.test\r\n\r\nGET /health HTTP/1.1\r\n\r\n";
        planned.failures = {400};
        planned.must_succeed = true;
        planned.ends_connection = true;
        return planned;
    }

    Planned proxied(bool last) {
        const uint64_t id = 2 * ++requests_;
        Planned planned;
        size_t size = random_.chance(200) ? 0 : random_.below(setting_.body_max);
        const bool uploads = random_.chance(350);
        const size_t upload = uploads ? random_.below(setting_.body_max) : 0;
        auto how = static_cast<Framed>(random_.below(3));
        auto fault = OriginFault::none;
        if (random_.chance(200))
            fault =
                static_cast<OriginFault>(random_.below(static_cast<uint64_t>(OriginFault::count_)));
        const bool cut = fault == OriginFault::cut_by_fin || fault == OriginFault::cut_by_reset;
        if (cut) {
            // A short body of unknown length ended by FIN cannot be told from a whole one by
            // anybody.
            if (how == Framed::until_close) how = Framed::chunked;
            size += 2;
        }
        // Who closes behind an early answer resets what it has not read: see before_body.
        if (fault == OriginFault::early && how == Framed::until_close) how = Framed::chunked;
        const bool harmless = fault == OriginFault::none || fault == OriginFault::interim;
        planned.must_succeed = setting_.kind_world && harmless;
        planned.failures = failures_of(fault);
        planned.body = body_of(id + 1, size);
        const bool head = !uploads && !cut && random_.chance(100);
        if (head) planned.kind = Kind::answer_to_head;
        const bool old = last && random_.chance(150);
        planned.ends_connection = old;
        std::string& text = planned.bytes;
        // Idempotent or not: the one may be repeated, the other never is.
        text = uploads ? (random_.chance(500) ? "PUT" : "POST") : head ? "HEAD" : "GET";
        text += " /up/item?id=" + std::to_string(id) + "&size=" + std::to_string(size) +
                "&how=" + std::to_string(static_cast<int>(how)) +
                "&fault=" + std::to_string(static_cast<int>(fault)) +
                "&upload=" + std::to_string(upload) + (old ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
        text += "Host: gateway.test\r\nUser-Agent: simulated\r\n";
        planned.add_rest(random_, uploads ? std::optional(body_of(id, upload)) : std::nullopt, old);
        return planned;
    }

    [[nodiscard]] std::vector<int> failures_of(OriginFault fault) const {
        // In an unkind world any upstream may be unreachable, or too slow.
        if (!setting_.kind_world) return {408, 502, 503, 504};
        switch (fault) {
            case OriginFault::none:
            case OriginFault::early:
            case OriginFault::interim: return {};
            case OriginFault::silence:
                // After the silence of the one server the other may refuse the connection.
                return setting_.one_stops ? std::vector<int>{502, 504} : std::vector<int>{504};
            case OriginFault::no_answer:
            case OriginFault::reset_early:
            case OriginFault::garbage:
            case OriginFault::cut_by_fin:
            case OriginFault::cut_by_reset:
            case OriginFault::before_body:
            case OriginFault::deaf:
            case OriginFault::count_: return {502};
        }
        return {};
    }

    SimRandom& random_;
    const Setting& setting_;
    uint64_t requests_ = 0;
};

struct Totals {
    uint64_t clients = 0;
    uint64_t answered = 0;
    uint64_t completions = 0;
};

void run_scenario(SimWorld& world, Totals& totals) {
    const Setting setting = draw_setting(world);
    SimRandom& random = world.random();
    Ledger ledger;
    Origin first(world, 9001, ledger), second(world, 9002, ledger);
    CoreRig rig(world, setting.core);
    Planner planner(random, setting);
    Crowd clients(world, rig.listener(), random.between(1, 8), 300,
                  [&] { return Crowd::Intent{planner.plan(), planner.manners()}; });
    if (setting.one_stops)
        world.after(random.below(300) * kNanosecondsPerMillisecond,
                    [&] { world.stop_serving(9002); });
    const bool ended = rig.run_until(
        [&] {
            if (random.chance(setting.reloads_per_mille))
                rig.publish(random.chance(500) ? CoreRig::Upstreams::carried_over
                                               : CoreRig::Upstreams::made_anew);
            rig.tend();
            return clients.done();
        },
        kScenarioTime);
    if (!ended) world.violate("clients were left waiting");
    totals.answered += clients.judge();
    totals.clients += clients.count();
    rig.finish();
    totals.completions += world.counters().completions;
}

// Checked builds take ten times as long per seed, and look closer at each.
#ifdef __SANITIZE_ADDRESS__
constexpr unsigned kSeeds = 60;
#else
constexpr unsigned kSeeds = 300;
#endif

TEST(Core, every_client_gets_the_right_bytes_or_a_failure_it_can_see) {
    Totals totals;
    EXPECT_TRUE(ring::run_seeds(kSeeds, [&](SimWorld& world) { run_scenario(world, totals); },
                                [] { return HasFailure(); }));
    if (!std::getenv("RINGTIME_SIM_SEED")) {
        EXPECT_GT(totals.answered, totals.clients);
    }
    std::printf("clients: %lu, answers: %lu, completions: %lu\n", totals.clients, totals.answered,
                totals.completions);
}

}  // namespace
}  // namespace ringtime::sim
