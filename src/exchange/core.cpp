#include "exchange/core.h"

#include <sys/random.h>

#include <algorithm>

#include "base/log.h"
#include "base/scramble.h"
#include "http/date.h"
#include "ring/direct.h"

namespace ringtime::exchange {
namespace {

// Refused connections are an attack, or a limit set too low: worth a line, not a flood.
constexpr Nanoseconds kBetweenLogLines = 10 * kNanosecondsPerSecond;
// Each costs the end of a connection: a microsecond or two.
constexpr unsigned kCutsPerTurn = 256;

void write_hex(char* out, uint64_t value) noexcept {
    static constexpr char digits[] = "0123456789abcdef";
    for (int i = 15; i >= 0; --i, value >>= 4) out[i] = digits[value & 15];
}

}  // namespace

Core::Core(net::Io& core_io, upstream::CorePool& upstream_pool, worker::CorePool& worker_pool,
           site::SiteCache& site_cache, hook::HookCore& hook_core, AccessLog& log,
           const Readiness& gateway_readiness, const CoreSettings& core_settings)
    : io(core_io),
      reactor(core_io.reactor),
      upstreams(upstream_pool),
      workers(worker_pool),
      sites(site_cache),
      hooks(hook_core),
      access_log(log),
      readiness(gateway_readiness),
      settings(core_settings),
      counters(settings.counters ? *settings.counters
                                 : *(own_counters_ = std::make_unique<CoreCounters>())),
      api_calls(reactor),
      admin_door_(*this),
      connections_(core_settings.connections_max + limits::admin_connections),
      exchanges_(limits::exchanges_per_core),
      wall_offset_ms_(wall_clock_milliseconds() - reactor.now() / kNanosecondsPerMillisecond) {
    if (::getrandom(id_seed_, sizeof id_seed_, 0) != sizeof id_seed_) {
        id_seed_[0] = reactor.now();
        id_seed_[1] = reinterpret_cast<uint64_t>(this);
    }
}

Core::~Core() { ASSERT(connections_.used() == 0); }

// tidy: allow(data-path) taken once per snapshot, never per request
void Core::use(std::shared_ptr<const Snapshot> snapshot) {
    holds_.push_back(std::make_unique<SnapshotHold>());
    holds_.back()->snapshot = std::move(snapshot);
    std::erase_if(holds_, [&](const std::unique_ptr<SnapshotHold>& hold) {
        return hold != holds_.back() && hold->pins.empty();
    });
    for (auto* member = members_.front(); member; member = members_.next(*member))
        member->connection->snapshot_replaced();
}

SnapshotHold& Core::pin(SnapshotPin& pin) noexcept {
    holds_.back()->pins.push_back(pin);
    return *holds_.back();
}

void Core::unpin(SnapshotHold& hold, SnapshotPin& pin) noexcept {
    pin.unlink();
    if (!hold.pins.empty() || &hold == holds_.back().get()) return;
    std::erase_if(holds_,
                  [&](const std::unique_ptr<SnapshotHold>& held) { return held.get() == &hold; });
}

bool Core::cut(const Snapshot& snapshot, const Ending& ending) noexcept {
    auto hold = std::find_if(holds_.begin(), holds_.end(), [&](const auto& each) {
        return each->snapshot.get() == &snapshot;
    });
    if (hold == holds_.end()) return true;
    unsigned count = 0;
    List<SnapshotPin>& pins = (*hold)->pins;
    for (SnapshotPin* pin = pins.front(); pin && count < kCutsPerTurn; pin = pins.next(*pin)) {
        if (!pin->exchange->needs(ending)) continue;
        pin->exchange->cut();  // Which only wakes it: the list stays as it is.
        ++count;
    }
    return count == 0;
}

void Core::add_listener(int fd, net::Preface preface) {
    listeners_.push_back(std::make_unique<net::Listener>(io, fd, *this, preface));
    listeners_.back()->resume();
}

void Core::add_admin_listener(int fd) {
    listeners_.push_back(std::make_unique<net::Listener>(io, fd, admin_door_));
    admin_listener_ = listeners_.back().get();
    listeners_.back()->resume();
}

bool Core::can_accept() const noexcept {
    if (draining_) return false;
    // Each armed accept may become a connection at once.
    size_t expected = connections_.used();
    for (const auto& listener : listeners_) {
        if (listener.get() != admin_listener_) expected += listener->armed();
    }
    return expected < settings.connections_max;
}

// A trusted proxy carries the connections of many.
bool Core::admit_peer(const net::PeerAddress& peer, uint32_t& place) noexcept {
    uint64_t limit = snapshot().connections_per_peer;
    if (limit == 0 || !settings.peers || snapshot().trusts(peer)) return true;
    if (settings.peers->enter(peer, limit, place)) return true;
    ++counters.refused_peers;
    if (reactor.now() >= log_refused_peers_at_) {
        log_refused_peers_at_ = reactor.now() + kBetweenLogLines;
        char text[net::PeerAddress::text_bytes_max];
        log_format(LogLevel::warn, "core",
                   "refused {} connection(s): more than {} of one peer (limits.connectionsPerPeer);"
                   " the last was of {}",
                   counters.refused_peers - refused_peers_logged_, limit, peer.text(text));
        refused_peers_logged_ = counters.refused_peers;
    }
    return false;
}

void Core::accepted(int fd, const net::PeerAddress& peer, net::Preface preface) noexcept {
    accept(fd, peer, preface, Entrance::public_);
}

void Core::accept(int fd, const net::PeerAddress& peer, net::Preface preface,
                  Entrance entrance) noexcept {
    uint32_t place = PeerCounts::uncounted;
    // Who speaks first in a PROXY header carries the connections of many as well.
    bool counted = entrance == Entrance::public_ && preface == net::Preface::none;
    if (counted && !admit_peer(peer, place)) return ring::close_socket(fd);
    Http1Connection* connection = connections_.create(*this, fd, peer, preface);
    if (!connection) {
        // Out of memory: the listener asks only below the limit.
        if (settings.peers) settings.peers->leave(place);
        return ring::close_socket(fd);
    }
    connection->came_through(entrance);
    ++counters.connections;
    connection->membership().peer_place = place;
    members_.push_back(connection->membership());
}

void Core::gone(Http1Connection& connection) noexcept {
    if (settings.peers) settings.peers->leave(connection.membership().peer_place);
    ++counters.connections_closed;
    connection.membership().unlink();
    connections_.destroy(&connection);
    for (auto& listener : listeners_) listener->resume();
}

Exchange* Core::take_exchange() noexcept {
    return exchanges_.take([&] { return std::make_unique<Exchange>(*this); });
}

void Core::give_exchange(Exchange& exchange) noexcept {
    exchange.reset();
    exchanges_.give(exchange);
}

void Core::drain() noexcept {
    draining_ = true;
    for (auto& listener : listeners_) listener->stop();
    for (auto* member = members_.front(); member; member = members_.next(*member))
        member->connection->drain();
    upstreams.drain();
}

bool Core::drained() const noexcept {
    for (const auto& listener : listeners_) {
        if (!listener->stopped()) return false;
    }
    return connections_.used() == 0 && api_calls.settled();
}

void Core::abort_all() noexcept {
    for (auto* member = members_.front(); member; member = members_.next(*member))
        member->connection->abort();
}

uint64_t Core::wall_ms() const noexcept {
    return wall_offset_ms_ + reactor.now() / kNanosecondsPerMillisecond;
}

std::string_view Core::date() noexcept {
    // The wall clock may be set while we run: looked at again whenever the second changes.
    uint64_t second = wall_ms() / 1000;
    if (second != date_second_) {
        wall_offset_ms_ = wall_clock_milliseconds() - reactor.now() / kNanosecondsPerMillisecond;
        date_second_ = wall_ms() / 1000;
        http::format_http_date(static_cast<int64_t>(date_second_), date_);
    }
    return {date_, http::http_date_size};
}

std::string_view Core::new_request_id(char* out) noexcept {
    ++id_count_;
    write_hex(out, scramble(id_seed_[0] + id_count_));
    write_hex(out + 16, scramble(id_seed_[1] ^ (id_count_ * 0x9e3779b97f4a7c15U)));
    return {out, request_id_bytes};
}

}  // namespace ringtime::exchange
