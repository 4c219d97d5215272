#include "upstream/server.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "upstream/hashing.h"

namespace ringtime::upstream {
namespace {

constexpr Nanoseconds kKeepSet = 2 * 3600 * kNanosecondsPerSecond;

bool same(const std::vector<net::Endpoint>& a, const std::vector<net::Endpoint>& b) {
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(),
                      [](const net::Endpoint& one, const net::Endpoint& other) {
                          return one.size == other.size &&
                                 std::memcmp(&one.storage, &other.storage, one.size) == 0;
                      });
}

std::string url_of(const ServerSpec& spec) {
    if (!spec.unix_path.empty()) return fmt::format("unix:{}", spec.unix_path);
    bool v6 = spec.host.find(':') != std::string::npos;
    return fmt::format("http://{}{}{}:{}", v6 ? "[" : "", spec.host, v6 ? "]" : "", spec.port);
}

/// The family of the first one, which the rules of address selection chose (RFC 6724), stays first;
/// within a family the order is fixed, so that a name server that turns its answers round has
/// changed nothing.
void settle_order(std::vector<net::Endpoint>& endpoints) {
    auto less = [first = endpoints.front().family()](const auto& a, const auto& b) {
        if (a.family() != b.family()) return a.family() == first;
        return std::memcmp(&a.storage, &b.storage, sizeof a.storage) < 0;
    };
    std::sort(endpoints.begin(), endpoints.end(), less);
    if (endpoints.size() > limits::upstream_addresses_max)
        endpoints.resize(limits::upstream_addresses_max);
}

}  // namespace

uint64_t address_hash(const net::Endpoint& endpoint) noexcept {
    return hash_text({reinterpret_cast<const char*>(&endpoint.storage), endpoint.size});
}

Server::Server(ServerSpec spec)
    : spec_(std::move(spec)), url_(url_of(spec_)), identity_(hash_text(url_)) {
    net::Endpoint endpoint;
    if (!spec_.unix_path.empty()) {
        if (net::Endpoint::from_unix_path(spec_.unix_path, endpoint)) publish({endpoint});
    } else if (net::Endpoint::from_ip(spec_.host, spec_.port, endpoint)) {
        publish({endpoint});
    } else {
        needs_resolving_ = true;
    }
}

Server::~Server() {
    for (ServerCounters* node = counters_.load(); node;) {
        ServerCounters* next = node->next;
        delete node;
        node = next;
    }
}

bool Server::publish(std::vector<net::Endpoint> endpoints) {
    if (endpoints.empty()) return false;
    settle_order(endpoints);
    const AddressSet* current = current_.load(std::memory_order_relaxed);
    if (current && same(current->endpoints, endpoints)) return false;
    // A core may be connecting by an older set, for as long as a connect may last at most.
    Nanoseconds now = monotonic_now();
    std::erase_if(published_, [&](const Published& old) {
        return old.retired_at != 0 && now - old.retired_at > kKeepSet;
    });
    for (Published& old : published_) {
        if (old.retired_at == 0) old.retired_at = now;
    }
    uint64_t version = current ? current->version + 1 : 1;
    published_.push_back(
        {std::make_unique<const AddressSet>(AddressSet{std::move(endpoints), version}), 0});
    current_.store(published_.back().set.get(), std::memory_order_release);
    return true;
}

void Server::set_health(Health health, Nanoseconds now) noexcept {
    Health before = health_.load(std::memory_order_relaxed);
    if (before == Health::down && health == Health::up) {
        up_since_.store(now, std::memory_order_relaxed);
        // What the traffic held against it was while it was down.
        ejected_until_.store(0, std::memory_order_relaxed);
        failures_in_a_row_.store(0, std::memory_order_relaxed);
    }
    health_.store(health, std::memory_order_relaxed);
}

void Server::eject(Nanoseconds until) noexcept {
    ejected_until_.store(until, std::memory_order_relaxed);
    ejections_.fetch_add(1, std::memory_order_relaxed);
}

bool Server::readmit(Nanoseconds now) noexcept {
    Nanoseconds until = ejected_until_.load(std::memory_order_relaxed);
    return until > now &&
           ejected_until_.compare_exchange_strong(until, now, std::memory_order_relaxed);
}

Nanoseconds Server::usable_since() const noexcept {
    return std::max(up_since_.load(std::memory_order_relaxed),
                    ejected_until_.load(std::memory_order_relaxed));
}

ServerCounters& Server::add_counters(unsigned core) {
    auto* node = new ServerCounters;
    node->core = core;
    node->next = counters_.load(std::memory_order_relaxed);
    while (!counters_.compare_exchange_weak(node->next, node, std::memory_order_release,
                                            std::memory_order_relaxed)) {
    }
    return *node;
}

}  // namespace ringtime::upstream
