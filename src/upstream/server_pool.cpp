#include "upstream/server_pool.h"

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "ring/direct.h"
#include "upstream/group.h"
#include "upstream/handover.h"

namespace ringtime::upstream {
namespace {

// A server that starts slowly gets at least this part of its weight, so that it starts at all.
constexpr double kLeastShare = 0.1;

}  // namespace

ServerPool::ServerPool(net::Io& io, Group& group, Server& server, ServerCounters& counters,
                       unsigned index)
    : io_(io),
      group_(group),
      server_(server),
      counters_(counters),
      index_(index),
      slab_(limits::connections_per_core, 16) {
    idle_.reserve(group.spec().idle_max);
}

ServerPool::~ServerPool() { ASSERT(slab_.used() == 0); }

bool ServerPool::full() const noexcept {
    size_t most = group_.spec().connections_max;
    return most != 0 && server_.places_taken() >= most;
}

double ServerPool::share(Nanoseconds now) const noexcept {
    double weight = server_.spec().weight;
    Nanoseconds slow = from_milliseconds(group_.spec().slow_start);
    if (slow == 0) return weight;
    Nanoseconds since = server_.usable_since();
    if (since == 0 || now >= since + slow) return weight;
    double grown = now > since ? static_cast<double>(now - since) / static_cast<double>(slow) : 0;
    return weight * std::max(grown, kLeastShare);
}

bool ServerPool::enter() noexcept {
    size_t most = group_.spec().connections_max;
    if (most != 0 && !server_.take_place(most)) return false;
    ++in_flight_;
    counters_.in_flight.add();
    counters_.requests.add();
    return true;
}

void ServerPool::leave() noexcept {
    ASSERT(in_flight_ > 0);
    --in_flight_;
    counters_.in_flight.subtract();
    if (group_.spec().connections_max != 0) server_.give_place();
    group_.wake_next();
}

// When the name has other addresses, kept connections to those that are gone are of no use; what
// is under way on such connections goes on.
void ServerPool::follow_addresses() noexcept {
    const AddressSet* set = server_.addresses();
    if (!set || set->version == seen_version_) return;
    seen_version_ = set->version;
    std::fill(std::begin(shunned_until_), std::end(shunned_until_), 0);
    std::fill(std::begin(addresses_), std::end(addresses_), 0);
    size_t count = std::min<size_t>(set->endpoints.size(), limits::upstream_addresses_max);
    for (size_t i = 0; i < count; ++i) addresses_[i] = address_hash(set->endpoints[i]);
    for (size_t i = idle_.size(); i-- > 0;) {
        if (!goes_to_server(idle_[i]->address())) idle_[i]->discard(net::Stream::Close::graceful);
    }
}

bool ServerPool::goes_to_server(uint64_t address) const noexcept {
    return std::find(std::begin(addresses_), std::end(addresses_), address) !=
           std::end(addresses_);
}

Connection* ServerPool::take_idle() noexcept {
    follow_addresses();
    while (!idle_.empty()) {
        Connection* connection = idle_.back();
        // Disturbed in this very turn: its own turn to notice has not come yet.
        if (connection->disturbed()) {
            connection->discard(net::Stream::Close::graceful);
            continue;
        }
        idle_.pop_back();
        counters_.idle.subtract();
        return connection;
    }
    return nullptr;
}

Connection* ServerPool::connect(const net::Endpoint& endpoint, int& error) noexcept {
    // A connection that is idle elsewhere in the pool makes room: the limit is on all of them.
    size_t most = group_.spec().connections_max;
    if (most != 0 && !idle_.empty() && server_.places_taken() + idle_everywhere() > most)
        idle_.front()->discard(net::Stream::Close::graceful);
    Connection* connection = slab_.create(io_, *this);
    if (!connection) {
        error = ENOBUFS;
        return nullptr;
    }
    if (connection->connect(endpoint)) return connection;
    error = connection->stream().error();
    slab_.destroy(connection);
    return nullptr;
}

size_t ServerPool::idle_everywhere() const noexcept {
    uint64_t idle = 0;
    server_.for_each_counters([&](const ServerCounters& core) { idle += core.idle.get(); });
    return idle;
}

void ServerPool::keep(Connection& connection) noexcept {
    Milliseconds time = std::min(group_.spec().keep_alive, connection.idle_allowed());
    follow_addresses();
    bool wanted = !group_.retired() && time != 0 && idle_.size() < group_.spec().idle_max &&
                  goes_to_server(connection.address());
    if (!wanted)
        return connection.discard(net::Stream::Close::graceful);
    idle_.push_back(&connection);
    counters_.idle.add();
    connection.rest(io_.reactor.now() + from_milliseconds(time));
}

void ServerPool::hand_over(Ask& ask) noexcept {
    if (Connection* connection = take_idle()) return connection->hand_over(ask);
    ask.decline();
}

// What came while nobody listened makes it as worthless as one that is disturbed here.
Connection* ServerPool::adopt(const Ask& ask) noexcept {
    follow_addresses();
    bool useful = !group_.retired() && goes_to_server(ask.address) && ring::socket_is_quiet(ask.fd);
    Connection* connection = useful ? slab_.create(io_, *this) : nullptr;
    if (!connection) {
        ring::close_socket(ask.fd);
        return nullptr;
    }
    connection->adopt(ask);
    counters_.handed_over.add();
    return connection;
}

void ServerPool::forget_idle(Connection& connection) noexcept {
    auto found = std::find(idle_.begin(), idle_.end(), &connection);
    if (found == idle_.end()) return;
    idle_.erase(found);
    counters_.idle.subtract();
}

void ServerPool::destroy(Connection& connection) noexcept { slab_.destroy(&connection); }

void ServerPool::close_idle() noexcept {
    while (!idle_.empty()) idle_.back()->discard(net::Stream::Close::graceful);
}

// --- Addresses ---

unsigned ServerPool::order_addresses(const AddressSet& set, uint8_t* out) noexcept {
    auto count = static_cast<unsigned>(
        std::min<size_t>(set.endpoints.size(), limits::upstream_addresses_max));
    follow_addresses();
    if (count == 1) {
        out[0] = 0;
        return 1;
    }
    // The name's own order decides which family comes first.
    uint8_t family[2][limits::upstream_addresses_max];
    unsigned sizes[2] = {};
    for (unsigned i = 0; i < count; ++i) {
        unsigned which = set.endpoints[i].family() == set.endpoints[0].family() ? 0 : 1;
        family[which][sizes[which]++] = static_cast<uint8_t>(i);
    }
    unsigned rotation = next_address_++;
    unsigned made = 0;
    for (unsigned i = 0; made < count; ++i) {
        for (unsigned which : {0U, 1U}) {
            if (i < sizes[which]) out[made++] = family[which][(rotation + i) % sizes[which]];
        }
    }
    Nanoseconds now = io_.reactor.now();
    std::stable_partition(out, out + count,
                          [&](uint8_t address) { return shunned_until_[address] <= now; });
    return count;
}

void ServerPool::shun(const AddressSet& set, unsigned address) noexcept {
    if (seen_version_ == set.version)
        shunned_until_[address] =
            io_.reactor.now() + from_milliseconds(timeouts::upstream_shun_ms);
}

}  // namespace ringtime::upstream
