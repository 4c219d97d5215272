#include "upstream/group.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "upstream/hashing.h"
#include "upstream/pool.h"

namespace ringtime::upstream {
namespace {

// No server takes more than this over its part of the load for the sake of a hash, beyond a few
// requests where parts mean nothing.
constexpr double kHashLoadMax = 1.25;
constexpr unsigned kHashLoadFree = 8;

}  // namespace

// tidy: allow(data-path) held while the core has connections to it
Group::Group(net::Io& io, std::shared_ptr<Upstream> upstream, Handover* handover)
    : budget(upstream->spec().retries.budget_percent),
      io_(io),
      upstream_(std::move(upstream)),
      random_(scramble(io.reactor.now() ^ upstream_->id() ^ (uint64_t{io.reactor.core()} << 48))),
      handover_(handover) {
    for (size_t i = 0; i < upstream_->size(); ++i) {
        Server& server = upstream_->server(i);
        ServerCounters& counters = server.add_counters(io.reactor.core());
        servers_.push_back(std::make_unique<ServerPool>(io, *this, server, counters,
                                                        static_cast<unsigned>(i)));
    }
}

Group::~Group() { ASSERT(waiting_.empty() && sessions == 0); }

// --- Which servers would do ---

unsigned Group::gather(Role role, Level level, const Tried& tried,
                       ServerPool** out) const noexcept {
    unsigned count = 0;
    for (const auto& pool : servers_) {
        const Server& server = pool->server();
        if (server.spec().backup != (role == Role::backup) || tried.test(pool->index())) continue;
        if (level == Level::usable ? server.usable(now()) : server.addresses() != nullptr)
            out[count++] = pool.get();
    }
    return count;
}

unsigned Group::candidates(const Tried& tried, ServerPool** out,
                           Outcome& otherwise) const noexcept {
    size_t primaries = 0;
    size_t usable = 0;
    for (const auto& pool : servers_) {
        if (pool->server().spec().backup) continue;
        ++primaries;
        usable += pool->server().usable(now()) ? 1 : 0;
    }
    // So few are said to be well that the rest would be overrun, or that the verdicts are wrong.
    unsigned panic = upstream_->spec().panic_percent;
    bool panicking = usable * 100 < primaries * panic;
    const Tried nothing;
    unsigned count = 0;
    auto found = [&](Role role, Level level, const Tried& without) {
        count = gather(role, level, without, out);
        return count > 0;
    };
    if (!panicking || tried.any()) {
        if (found(Role::primary, Level::usable, tried)) return count;
    }
    if (usable == 0 || tried.any()) {
        if (found(Role::backup, Level::usable, tried)) return count;
    }
    // A server that is said to be unwell is still better than one that has just failed.
    if (panicking || tried.any()) {
        if (found(Role::primary, Level::resolved, tried)) return count;
        if (found(Role::backup, Level::resolved, tried)) return count;
    }
    if (panicking) {
        if (found(Role::primary, Level::resolved, nothing)) return count;
    }
    if (found(Role::primary, Level::usable, nothing)) return count;
    if (found(Role::backup, Level::usable, nothing)) return count;
    otherwise = found(Role::primary, Level::resolved, nothing) ||
                        found(Role::backup, Level::resolved, nothing)
                    ? Outcome::unusable
                    : Outcome::unresolved;
    return 0;
}

bool Group::has_other(const Tried& tried, Level level) noexcept {
    ServerPool* found[limits::upstream_servers_max];
    return gather(Role::primary, level, tried, found) > 0 ||
           gather(Role::backup, level, tried, found) > 0;
}

Group::Pick Group::pick(const Affinity& affinity, const Tried& tried) noexcept {
    Pick result;
    ServerPool* found[limits::upstream_servers_max];
    unsigned count = candidates(tried, found, result.outcome);
    if (count == 0) return result;
    ServerPool** end =
        std::remove_if(found, found + count, [](const ServerPool* pool) { return pool->full(); });
    count = static_cast<unsigned>(end - found);
    if (count == 0) {
        result.outcome = Outcome::full;
        return result;
    }
    return {Outcome::found, choose(affinity, found, count)};
}

// --- Which of them ---

uint64_t Group::random() noexcept {
    random_ += 0x9e3779b97f4a7c15U;
    return scramble(random_);
}

ServerPool* Group::choose(const Affinity& affinity, ServerPool** from, unsigned count) noexcept {
    if (affinity.sticky != 0) {
        for (unsigned i = 0; i < count; ++i) {
            if (from[i]->server().identity() == affinity.sticky) return from[i];
        }
    }
    if (count == 1) return from[0];
    switch (spec().balance) {
        case Balance::round_robin: return by_turn(from, count);
        case Balance::random_two: return by_two_draws(from, count);
        case Balance::hash:
            if (affinity.has_key) return by_hash(affinity.key, from, count);
            break;
        case Balance::least_inflight: break;
    }
    return by_least_inflight(from, count);
}

// The power of two choices: nearly as good as asking all, and cores that decide alone do not all
// run to the same server.
ServerPool* Group::by_least_inflight(ServerPool** from, unsigned count) noexcept {
    uint64_t chance = random();
    auto first = static_cast<unsigned>((chance & 0xffffffffU) % count);
    auto second = static_cast<unsigned>((chance >> 32) % (count - 1));
    if (second >= first) ++second;
    auto load = [&](const ServerPool& pool) {
        return (pool.in_flight() + 1.0) / pool.share(now());
    };
    return load(*from[second]) < load(*from[first]) ? from[second] : from[first];
}

// Smooth weighted round-robin: each gains its weight, the leader pays everybody's.
ServerPool* Group::by_turn(ServerPool** from, unsigned count) noexcept {
    double total = 0;
    ServerPool* leader = nullptr;
    for (unsigned i = 0; i < count; ++i) {
        double share = from[i]->share(now());
        total += share;
        from[i]->turn += share;
        if (!leader || from[i]->turn > leader->turn) leader = from[i];
    }
    leader->turn -= total;
    return leader;
}

ServerPool* Group::by_two_draws(ServerPool** from, unsigned count) noexcept {
    double total = 0;
    for (unsigned i = 0; i < count; ++i) total += from[i]->share(now());
    auto draw = [&] {
        double at = static_cast<double>(random() >> 11) * 0x1.0p-53 * total;
        for (unsigned i = 0; i + 1 < count; ++i) {
            at -= from[i]->share(now());
            if (at < 0) return from[i];
        }
        return from[count - 1];
    };
    ServerPool* first = draw();
    ServerPool* second = draw();
    return second->in_flight() < first->in_flight() ? second : first;
}

// Rendezvous hashing: each server draws a number from the key, the best number wins. When a server
// goes, only its keys move; the next best takes what the best has no room for.
ServerPool* Group::by_hash(uint64_t key, ServerPool** from, unsigned count) noexcept {
    double weights = 0;
    double load = 1;
    for (unsigned i = 0; i < count; ++i) {
        weights += from[i]->share(now());
        load += from[i]->in_flight();
    }
    ServerPool* best = nullptr;
    double best_score = 0;
    for (unsigned i = 0; i < count; ++i) {
        double part = from[i]->share(now()) / weights;
        if (from[i]->in_flight() >= kHashLoadFree + load * part * kHashLoadMax) continue;
        // In (0, 1): -weight / ln(u) makes the share of keys proportional to the weight.
        double drawn = (static_cast<double>(scramble(key ^ from[i]->server().identity()) >> 11) +
                        0.5) * 0x1.0p-53;
        double score = -static_cast<double>(from[i]->server().spec().weight) / std::log(drawn);
        if (!best || score > best_score) {
            best = from[i];
            best_score = score;
        }
    }
    return best ? best : by_least_inflight(from, count);
}

// --- Waiting ---

bool Group::enqueue(Waiter& waiter) noexcept {
    if (upstream_->queued.fetch_add(1) >= spec().queue_max) {
        upstream_->queued.fetch_sub(1);
        return false;
    }
    ++waiting_count_;
    waiting_.push_back(waiter);
    // Before it is looked for a place once more: who gives one back meanwhile sees this.
    upstream_->waiting_cores.fetch_or(own_bit());
    return true;
}

// Whoever comes first now has to look after itself.
void Group::dequeue(Waiter& waiter) noexcept {
    waiter.unlink();
    --waiting_count_;
    upstream_->queued.fetch_sub(1);
    if (waiting_.empty()) {
        upstream_->waiting_cores.fetch_and(~own_bit());
    } else {
        io_.reactor.wake(*waiting_.front()->waker);
    }
}

void Group::wake_next() noexcept {
    if (spec().connections_max == 0) return;
    unsigned own = io_.reactor.core();
    for (uint64_t cores = upstream_->waiting_cores.load(); cores != 0;) {
        uint64_t behind_own = std::rotr(cores, static_cast<int>(own + 1));
        unsigned core = (own + 1 + static_cast<unsigned>(std::countr_zero(behind_own))) % 64;
        if (core == own) return take_turn();
        if (handover_ && handover_->post(core, &CorePool::on_place, upstream_->id())) return;
        cores &= ~(uint64_t{1} << core);
    }
}

void Group::take_turn() noexcept {
    // Nobody: whoever waited has passed the turn on when leaving.
    if (Waiter* next = waiting_.front()) io_.reactor.wake(*next->waker);
}

// --- Life ---

void Group::retire() noexcept {
    retired_ = true;
    close_idle();
}

void Group::close_idle() noexcept {
    for (auto& pool : servers_) pool->close_idle();
}

bool Group::unused() const noexcept {
    return sessions == 0 &&
           std::all_of(servers_.begin(), servers_.end(),
                       [](const auto& pool) { return pool->connections() == 0; });
}

}  // namespace ringtime::upstream
