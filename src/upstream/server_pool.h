#pragma once
// One core's connections to one server: who uses how many, which are idle, which address is tried
// next. Single-threaded.

#include <vector>

#include "base/slab.h"
#include "net/io.h"
#include "upstream/connection.h"
#include "upstream/server.h"

namespace ringtime::upstream {

class Group;

class ServerPool {
 public:
    ServerPool(net::Io& io, Group& group, Server& server, ServerCounters& counters,
               unsigned index);
    ~ServerPool();

    [[nodiscard]] loop::Reactor& reactor() noexcept { return io_.reactor; }
    [[nodiscard]] Server& server() noexcept { return server_; }
    [[nodiscard]] const Server& server() const noexcept { return server_; }
    [[nodiscard]] ServerCounters& counters() noexcept { return counters_; }
    /// Of the server in its upstream.
    [[nodiscard]] unsigned index() const noexcept { return index_; }
    [[nodiscard]] unsigned in_flight() const noexcept { return in_flight_; }
    /// The server has as many requests, of all cores, as the upstream allows.
    [[nodiscard]] bool full() const noexcept;
    /// Its weight, less while it starts slowly.
    [[nodiscard]] double share(Nanoseconds now) const noexcept;

    // --- A request's stay ---
    /// False when another core has taken the last place meanwhile.
    [[nodiscard]] bool enter() noexcept;
    /// Wakes a request that waits for the place.
    void leave() noexcept;

    // --- Connections ---
    /// The most recently used idle connection, or null.
    [[nodiscard]] Connection* take_idle() noexcept;
    /// Begins to connect; null when that failed at once (`error` is then an errno).
    [[nodiscard]] Connection* connect(const net::Endpoint& endpoint, int& error) noexcept;
    /// In step on both sides: kept for the next request, unless enough are.
    void keep(Connection& connection) noexcept;

    /// Answers `ask`, with the most recently used idle connection or with none.
    void hand_over(Ask& ask) noexcept;
    /// The connection that came with the answer; null when it is of no use (any more).
    [[nodiscard]] Connection* adopt(const Ask& ask) noexcept;

    /// The order in which the addresses of `set` are to be tried, as indexes into `out`: families
    /// in turn, a different one of each first every time, those that failed lately last.
    [[nodiscard]] unsigned order_addresses(const AddressSet& set, uint8_t* out) noexcept;
    /// The address could not be reached, or was slower than another.
    void shun(const AddressSet& set, unsigned address) noexcept;

    void close_idle() noexcept;
    [[nodiscard]] size_t connections() const noexcept { return slab_.used(); }

    /// For smooth weighted round-robin.
    double turn = 0;

 private:
    friend class Connection;
    void follow_addresses() noexcept;
    [[nodiscard]] bool goes_to_server(uint64_t address) const noexcept;
    [[nodiscard]] size_t idle_everywhere() const noexcept;
    void forget_idle(Connection& connection) noexcept;
    void destroy(Connection& connection) noexcept;

    net::Io& io_;
    Group& group_;
    Server& server_;
    ServerCounters& counters_;
    unsigned index_;
    unsigned in_flight_ = 0;
    unsigned next_address_ = 0;
    uint64_t seen_version_ = 0;  ///< Of the set the next two speak of.
    uint64_t addresses_[limits::upstream_addresses_max] = {};  ///< Their hashes.
    Nanoseconds shunned_until_[limits::upstream_addresses_max] = {};
    std::vector<Connection*> idle_;
    Slab<Connection> slab_;
};

}  // namespace ringtime::upstream
