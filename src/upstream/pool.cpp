#include "upstream/pool.h"

#include <algorithm>
#include <cerrno>

#include "upstream/session.h"

namespace ringtime::upstream {

// --- One server ---

ServerPool::ServerPool(net::Io& io, Server& server, size_t idle_max)
    : io_(io), server_(server), idle_max_(idle_max), slab_(limits::connections_per_core, 16) {
    idle_.reserve(idle_max);
}

ServerPool::~ServerPool() { ASSERT(slab_.used() == 0); }

Connection* ServerPool::take(Source source, int& error) noexcept {
    if (source == Source::idle_or_new && !idle_.empty()) {
        Connection* connection = idle_.back();
        idle_.pop_back();
        ++in_flight_;
        return connection;
    }
    const AddressSet* addresses = server_.addresses();
    if (!addresses) {
        error = EHOSTUNREACH;
        return nullptr;
    }
    Connection* connection = slab_.create(io_, *this);
    if (!connection) {
        error = ENOBUFS;
        return nullptr;
    }
    // Each attempt takes the next address, so that a dead one costs one attempt.
    const net::Endpoint& endpoint =
        addresses->endpoints[next_address_++ % addresses->endpoints.size()];
    if (!connection->connect(endpoint)) {
        error = connection->stream().error();
        slab_.destroy(connection);
        return nullptr;
    }
    ++in_flight_;
    return connection;
}

void ServerPool::put_back(Connection& connection, Nanoseconds deadline) noexcept {
    if (idle_.size() >= idle_max_) return drop(connection, net::Stream::Close::graceful);
    --in_flight_;
    idle_.push_back(&connection);
    connection.rest(deadline);
}

void ServerPool::drop(Connection& connection, net::Stream::Close how) noexcept {
    --in_flight_;
    connection.discard(how);
}

void ServerPool::retire(Connection& connection, Nanoseconds deadline) noexcept {
    --in_flight_;
    connection.retire(deadline);
}

void ServerPool::forget_idle(Connection& connection) noexcept {
    auto found = std::find(idle_.begin(), idle_.end(), &connection);
    if (found != idle_.end()) idle_.erase(found);
}

void ServerPool::destroy(Connection& connection) noexcept { slab_.destroy(&connection); }

void ServerPool::close_idle() noexcept {
    while (!idle_.empty()) idle_.back()->discard(net::Stream::Close::graceful);
}

// --- All upstreams of a core ---

CorePool::CorePool(net::Io& io)
    : io_(io), random_(io.reactor.now() | 1), sessions_(limits::exchanges_per_core) {}

CorePool::~CorePool() = default;

CorePool::PerUpstream& CorePool::per_upstream(Upstream& upstream) {
    for (auto& known : upstreams_) {
        if (known->upstream == &upstream) return *known;
    }
    auto made = std::make_unique<PerUpstream>();
    made->upstream = &upstream;
    for (size_t i = 0; i < upstream.size(); ++i)
        made->servers.push_back(std::make_unique<ServerPool>(io_, upstream.server(i),
                                                             upstream.spec().idle_max));
    upstreams_.push_back(std::move(made));
    return *upstreams_.back();
}

std::vector<std::unique_ptr<ServerPool>>& CorePool::servers(Upstream& upstream) {
    return per_upstream(upstream).servers;
}

ServerPool* CorePool::choose(Upstream& upstream, const ServerPool* avoid) noexcept {
    PerUpstream& known = per_upstream(upstream);
    if (known.servers.size() == 1) return known.servers[0].get();
    auto usable = [&](const std::unique_ptr<ServerPool>& pool, bool backup) {
        return pool.get() != avoid && pool->server().spec().backup == backup &&
               pool->server().addresses() != nullptr;
    };
    for (bool backup : {false, true}) {
        ServerPool* best = nullptr;
        double best_load = 0;
        size_t count = known.servers.size();
        // Starting one further each time makes equal loads take turns, which is round-robin as
        // well.
        size_t start = known.next++;
        for (size_t i = 0; i < count; ++i) {
            auto& pool = known.servers[(start + i) % count];
            if (!usable(pool, backup)) continue;
            double load = upstream.spec().balance == Balance::least_inflight
                              ? (pool->in_flight() + 1.0) / pool->server().spec().weight
                              : 0;
            if (!best || load < best_load) {
                best = pool.get();
                best_load = load;
            }
        }
        if (best) return best;
    }
    // Only the one to be avoided is left: better that than none.
    for (auto& pool : known.servers) {
        if (pool.get() == avoid) return pool.get();
    }
    return nullptr;
}

http::Answer* CorePool::send(Upstream& upstream, const UpstreamRequest& request,
                             loop::Runnable& waker) noexcept {
    Session* session = sessions_.take([&] { return std::make_unique<Session>(*this); });
    if (session) session->begin(upstream, request, waker);
    return session;
}

bool CorePool::forget(const Upstream& upstream) noexcept {
    auto found = std::find_if(upstreams_.begin(), upstreams_.end(),
                              [&](const auto& known) { return known->upstream == &upstream; });
    if (found == upstreams_.end()) return true;
    size_t left = 0;
    for (auto& pool : (*found)->servers) {
        pool->close_idle();
        left += pool->connections();
    }
    if (left > 0) return false;
    upstreams_.erase(found);
    return true;
}

void CorePool::drain() noexcept {
    draining_ = true;
    for (auto& known : upstreams_) {
        for (auto& pool : known->servers) pool->close_idle();
    }
}

bool CorePool::drained() const noexcept {
    for (auto& known : upstreams_) {
        for (auto& pool : known->servers) {
            if (pool->connections() != 0) return false;
        }
    }
    return true;
}

}  // namespace ringtime::upstream
