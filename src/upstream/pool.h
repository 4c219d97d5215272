#pragma once
// A core's connections to the servers of its upstreams, and the choice of a server.
// Single-threaded.

#include <memory>
#include <vector>

#include "base/pool.h"
#include "base/slab.h"
#include "http/body.h"
#include "http/draft.h"
#include "net/io.h"
#include "upstream/connection.h"
#include "upstream/upstream.h"

namespace ringtime::upstream {

class Session;
class CorePool;

/// Connections of one core to one server.
class ServerPool {
 public:
    ServerPool(net::Io& io, Server& server, size_t idle_max);
    ~ServerPool();

    [[nodiscard]] loop::Reactor& reactor() noexcept { return io_.reactor; }
    [[nodiscard]] Server& server() noexcept { return server_; }
    [[nodiscard]] unsigned in_flight() const noexcept { return in_flight_; }

    enum class Source : uint8_t { idle_or_new, only_new };
    /// An idle connection (the most recently used), or a new one; null when the server has no
    /// address or connecting failed at once (`error` is then an errno). Counts as in flight until
    /// put back or dropped.
    [[nodiscard]] Connection* take(Source source, int& error) noexcept;
    /// In step on both sides: kept for the next request, unless enough are.
    void put_back(Connection& connection, Nanoseconds deadline) noexcept;
    void drop(Connection& connection, net::Stream::Close how) noexcept;
    /// As drop(), once everything queued has left.
    void retire(Connection& connection, Nanoseconds deadline) noexcept;

    void close_idle() noexcept;
    [[nodiscard]] size_t connections() const noexcept { return slab_.used(); }

 private:
    friend class Connection;
    void forget_idle(Connection& connection) noexcept;
    void destroy(Connection& connection) noexcept;

    net::Io& io_;
    Server& server_;
    size_t idle_max_;
    unsigned in_flight_ = 0;
    unsigned next_address_ = 0;
    std::vector<Connection*> idle_;
    Slab<Connection> slab_;
};

/// What an upstream is asked. The exchange may move the text its views point to.
struct UpstreamRequest {
    std::string_view method;
    std::string_view path;   ///< As forwarded: base stripped or not, beginning with `/`, or `*`.
    std::string_view query;  ///< data() null: none.
    std::string_view authority;
    const http::FieldDraft* fields =
        nullptr;  ///< End-to-end fields only, Host and framing excluded.
    /// Bytes of the body; unknown_length: it is sent chunked.
    uint64_t body_length = 0;
    http::Method method_id = http::Method::other;
    /// Protocols the client offers to change to, written as Upgrade; empty: 101 is refused.
    std::string_view upgrade;
};

/// All upstreams of one core.
class CorePool {
 public:
    explicit CorePool(net::Io& io);
    ~CorePool();

    /// Starts an attempt; never fails synchronously. Null when the core is at its limit of
    /// exchanges. `upstream` and `request` outlive the answer.
    [[nodiscard]] http::Answer* send(Upstream& upstream, const UpstreamRequest& request,
                                     loop::Runnable& waker) noexcept;

    /// `upstream` is in no snapshot any more: closes its idle connections and drops what is known
    /// of it. False while connections are left: to be called again.
    [[nodiscard]] bool forget(const Upstream& upstream) noexcept;

    /// Closes idle connections; drained() when every connection is gone.
    void drain() noexcept;
    [[nodiscard]] bool drained() const noexcept;

    // For sessions.
    [[nodiscard]] net::Io& io() noexcept { return io_; }
    /// The pools of one upstream's servers, made on first use.
    [[nodiscard]] std::vector<std::unique_ptr<ServerPool>>& servers(Upstream& upstream);
    /// Chooses by the upstream's balance among servers with an address, without `avoid`; null when
    /// none.
    [[nodiscard]] ServerPool* choose(Upstream& upstream, const ServerPool* avoid) noexcept;
    void give(Session& session) noexcept { sessions_.give(session); }

 private:
    struct PerUpstream {
        Upstream* upstream;
        unsigned next = 0;
        std::vector<std::unique_ptr<ServerPool>> servers;
    };
    [[nodiscard]] PerUpstream& per_upstream(Upstream& upstream);

    net::Io& io_;
    bool draining_ = false;
    uint64_t random_;
    std::vector<std::unique_ptr<PerUpstream>> upstreams_;
    Pool<Session> sessions_;
};

}  // namespace ringtime::upstream
