#include "upstream/health_checker.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "upstream/hashing.h"

namespace ringtime::upstream {
namespace {

// Checks under way at once: descriptors and bursts stay small with thousands of servers.
constexpr unsigned kChecksMax = 256;
constexpr Nanoseconds kLookAtRates = kNanosecondsPerSecond;
// Of fewer requests a rate says nothing.
constexpr uint64_t kJudgedRequests = 20;

struct Tally {
    uint64_t successes = 0;
    uint64_t failures = 0;
};

Tally tally_of(const Server& server) {
    Tally tally;
    server.for_each_counters([&](const ServerCounters& counters) {
        tally.successes += counters.successes.get();
        tally.failures += counters.failures.get();
    });
    return tally;
}

}  // namespace

struct HealthChecker::Watched {
    // tidy: allow(data-path) the checker is a thread of its own
    std::shared_ptr<Upstream> upstream;
    Server* server;
    std::string request;
    Probe probe;
    Nanoseconds due = 0;
    unsigned same_in_a_row = 0;  ///< Verdicts that differ from the state in force.
    unsigned checks = 0;
    Tally window_start;
    Nanoseconds window_end = 0;
    bool stays = true;

    [[nodiscard]] const UpstreamSpec& spec() const { return upstream->spec(); }
};

HealthChecker::HealthChecker() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

HealthChecker::~HealthChecker() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    (void)::eventfd_write(wake_.get(), 1);
    if (thread_.joinable()) thread_.join();
}

// tidy: allow(data-path) the checker is a thread of its own
void HealthChecker::watch(std::vector<std::shared_ptr<Upstream>> upstreams) {
    std::erase_if(upstreams, [](const auto& upstream) {
        const UpstreamSpec& spec = upstream->spec();
        bool rated = spec.ejection.enabled && spec.ejection.success_percent > 0;
        return !spec.health.enabled && !rated;
    });
    if (upstreams.empty() && !thread_.joinable()) return;
    {
        std::lock_guard lock(mutex_);
        given_ = std::move(upstreams);
        has_given_ = true;
    }
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    (void)::eventfd_write(wake_.get(), 1);
}

// --- The thread ---

void HealthChecker::run() {
    ::pthread_setname_np(::pthread_self(), "health");
    random_ = scramble(monotonic_now());
    for (;;) {
        {
            std::lock_guard lock(mutex_);
            if (stopping_) return;
            if (has_given_) adopt();
        }
        Nanoseconds now = monotonic_now();
        for (auto& watched : watched_) look_after(*watched, now);
        wait(now);
    }
}

void HealthChecker::adopt() {
    has_given_ = false;
    for (auto& watched : watched_) watched->stays = false;
    std::vector<std::unique_ptr<Watched>> added;
    for (auto& upstream : given_) {
        for (size_t i = 0; i < upstream->size(); ++i) {
            Server& server = upstream->server(i);
            auto known = std::find_if(watched_.begin(), watched_.end(), [&](const auto& other) {
                return other->server == &server;
            });
            if (known != watched_.end()) {
                (*known)->stays = true;
                continue;
            }
            auto made = std::make_unique<Watched>();
            made->upstream = upstream;
            made->server = &server;
            made->request = Probe::request_for(upstream->spec(), server.spec());
            // The first checks come soon, and not all at once.
            made->due = monotonic_now() + jittered(upstream->spec().health.interval) / 20;
            made->window_end = UINT64_MAX;
            added.push_back(std::move(made));
        }
    }
    std::erase_if(watched_, [&](const auto& watched) {
        if (!watched->stays && watched->probe.running()) --running_;
        return !watched->stays;
    });
    std::move(added.begin(), added.end(), std::back_inserter(watched_));
    given_.clear();
}

// An interval, a tenth more or less: servers are not checked in step, nor by several gateways.
Nanoseconds HealthChecker::jittered(Milliseconds interval) noexcept {
    random_ += 0x9e3779b97f4a7c15U;
    return from_milliseconds(interval) * (90 + scramble(random_) % 21) / 100;
}

void HealthChecker::look_after(Watched& watched, Nanoseconds now) {
    const EjectionSpec& ejection = watched.spec().ejection;
    if (ejection.enabled && ejection.success_percent > 0) judge_rate(watched, now);
    if (!watched.spec().health.enabled) return;
    if (watched.probe.running()) {
        Probe::Verdict verdict = watched.probe.advance(watched.spec().health, now);
        if (verdict == Probe::Verdict::pending) return;
        --running_;
        take_verdict(watched, verdict, now);
    } else if (now >= watched.due) {
        begin_check(watched, now);
    }
}

void HealthChecker::begin_check(Watched& watched, Nanoseconds now) {
    const AddressSet* addresses = watched.server->addresses();
    if (running_ >= kChecksMax) return;
    watched.due = now + jittered(watched.spec().health.interval);
    if (!addresses) return;
    // One address at a time: a name whose addresses differ in health is up as often as they are.
    const auto& endpoints = addresses->endpoints;
    watched.probe.begin(endpoints[watched.checks++ % endpoints.size()], watched.request,
                        now + from_milliseconds(watched.spec().health.timeout));
    if (watched.probe.running()) {
        ++running_;
    } else {
        take_verdict(watched, Probe::Verdict::bad, now);
    }
}

void HealthChecker::take_verdict(Watched& watched, Probe::Verdict verdict, Nanoseconds now) {
    Health is = watched.server->health();
    Health seen = verdict == Probe::Verdict::good ? Health::up : Health::down;
    if (is == seen) {
        watched.same_in_a_row = 0;
        return;
    }
    const HealthSpec& health = watched.spec().health;
    // The very first verdict counts at once: nothing speaks against it.
    unsigned needed = is == Health::unchecked ? 1 : seen == Health::up ? health.rise : health.fall;
    if (++watched.same_in_a_row < needed) return;
    watched.same_in_a_row = 0;
    watched.server->set_health(seen, now);
    const std::string& name = watched.spec().name;
    if (seen == Health::down) {
        log_format(LogLevel::warn, "upstream", "{}: {} is down: {}", name, watched.server->url(),
                   watched.probe.problem());
    } else if (is == Health::down) {
        log_format(LogLevel::info, "upstream", "{}: {} is up again", name, watched.server->url());
    }
}

void HealthChecker::judge_rate(Watched& watched, Nanoseconds now) {
    const EjectionSpec& ejection = watched.spec().ejection;
    bool first = watched.window_end == UINT64_MAX;
    if (!first && now < watched.window_end) return;
    Tally tally = tally_of(*watched.server);
    uint64_t failures = tally.failures - watched.window_start.failures;
    uint64_t total = tally.successes - watched.window_start.successes + failures;
    watched.window_start = tally;
    watched.window_end = now + from_milliseconds(ejection.window);
    if (first || total < kJudgedRequests) return;
    if ((total - failures) * 100 < total * ejection.success_percent)
        (void)watched.upstream->eject(*watched.server, now);
}

void HealthChecker::wait(Nanoseconds now) {
    std::vector<pollfd> polled{{wake_.get(), POLLIN, 0}};
    Nanoseconds next = UINT64_MAX;
    for (const auto& watched : watched_) {
        const EjectionSpec& ejection = watched->spec().ejection;
        if (ejection.enabled && ejection.success_percent > 0)
            next = std::min(next, now + kLookAtRates);
        if (!watched->spec().health.enabled) continue;
        if (watched->probe.running()) {
            polled.push_back({watched->probe.fd(), watched->probe.events(), 0});
            next = std::min(next, watched->probe.deadline());
        } else if (running_ < kChecksMax) {
            next = std::min(next, watched->due);
        }
    }
    int timeout = -1;
    if (next != UINT64_MAX)
        timeout = next <= now ? 0 : static_cast<int>((next - now) / kNanosecondsPerMillisecond + 1);
    (void)::poll(polled.data(), polled.size(), timeout);
    eventfd_t ignored = 0;
    if (polled[0].revents != 0) (void)::eventfd_read(wake_.get(), &ignored);
}

}  // namespace ringtime::upstream
