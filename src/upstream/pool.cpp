#include "upstream/pool.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "ring/direct.h"
#include "upstream/session.h"

namespace ringtime::upstream {

CorePool::CorePool(net::Io& io, Handover* handover)
    : io_(io), sessions_(limits::exchanges_per_core), handover_(handover) {
    if (handover_) handover_->join(*this);
}

CorePool::~CorePool() {
    leave();
    ASSERT(asks_out_ == 0);
}

void CorePool::leave() noexcept {
    if (handover_) handover_->leave(*this);
    handover_ = nullptr;
}

// Made on first use: of a hundred thousand mounts few are busy on every core.
Group& CorePool::group(Upstream& upstream) {
    auto found = groups_.find(upstream.id());
    if (found == groups_.end())
        found = groups_
                    .emplace(upstream.id(),
                             std::make_unique<Group>(io_, upstream.shared_from_this(), handover_))
                    .first;
    return *found->second;
}

Session* CorePool::send(Upstream& upstream, const UpstreamRequest& request,
                        loop::Runnable& waker) noexcept {
    Session* session = sessions_.take([&] { return std::make_unique<Session>(*this); });
    if (session) session->begin(group(upstream), request, waker);
    return session;
}

void CorePool::give(Session& session) noexcept { sessions_.give(session); }

bool CorePool::forget(const Upstream& upstream) noexcept {
    auto found = groups_.find(upstream.id());
    if (found == groups_.end()) return true;
    found->second->retire();
    if (!found->second->unused()) return false;
    groups_.erase(found);
    return true;
}

void CorePool::drain() noexcept {
    take_answers();
    for (auto& [id, group] : groups_) group->close_idle();
}

bool CorePool::drained() const noexcept {
    return asks_out_ == 0 && std::all_of(groups_.begin(), groups_.end(), [](const auto& entry) {
               return entry.second->unused();
           });
}

// --- Other cores ---

// The core that has most idle connections to `server`; this one when no other has any.
unsigned CorePool::richest_other(const Server& server) const noexcept {
    unsigned own = io_.reactor.core();
    unsigned richest = own;
    uint64_t most = 0;
    server.for_each_counters([&](const ServerCounters& counters) {
        uint64_t idle = counters.idle.get();
        if (counters.core == own || idle <= most) return;
        richest = counters.core;
        most = idle;
    });
    return richest;
}

Ask* CorePool::ask_others(Session& session, Upstream& upstream,
                          const ServerPool& server) noexcept {
    if (!handover_ || io_.reactor.now() < ask_again_at_) return nullptr;
    take_answers();
    auto* ask = std::find_if(std::begin(asks_), std::end(asks_), [](const Ask& each) {
        return each.state.load(std::memory_order_relaxed) == Ask::State::free;
    });
    unsigned core = richest_other(server.server());
    if (ask == std::end(asks_) || core == io_.reactor.core()) return nullptr;
    ask->handover = handover_;
    ask->asker = io_.reactor.core();
    ask->upstream = upstream.id();
    ask->server = server.index();
    ask->session = &session;
    ask->state.store(Ask::State::asked, std::memory_order_relaxed);
    if (!handover_->post(core, &on_asked, *ask)) {
        ask->state.store(Ask::State::free, std::memory_order_relaxed);
        return nullptr;
    }
    ++asks_out_;
    return ask;
}

void CorePool::pause_asking() noexcept {
    ask_again_at_ = io_.reactor.now() + from_milliseconds(timeouts::handover_pause_ms);
}

void CorePool::on_asked(void* pool, uint64_t ask) noexcept {
    auto& asked = *reinterpret_cast<Ask*>(ask);
    ServerPool* server = static_cast<CorePool*>(pool)->find(asked);
    server ? server->hand_over(asked) : asked.decline();
}

void CorePool::on_answered(void* pool, uint64_t) noexcept {
    static_cast<CorePool*>(pool)->take_answers();
}

void CorePool::on_place(void* pool, uint64_t upstream) noexcept {
    auto& groups = static_cast<CorePool*>(pool)->groups_;
    auto found = groups.find(upstream);
    if (found != groups.end()) found->second->take_turn();
}

ServerPool* CorePool::find(const Ask& ask) noexcept {
    auto found = groups_.find(ask.upstream);
    return found == groups_.end() ? nullptr : &found->second->server(ask.server);
}

void CorePool::take_answers() noexcept {
    if (asks_out_ == 0) return;
    for (Ask& ask : asks_) {
        if (ask.state.load(std::memory_order_acquire) == Ask::State::answered) take_answer(ask);
    }
}

void CorePool::take_answer(Ask& ask) noexcept {
    ServerPool* server = find(ask);
    Connection* connection = nullptr;
    if (ask.fd >= 0 && server) {
        connection = server->adopt(ask);
    } else if (ask.fd >= 0) {
        ring::close_socket(ask.fd);
    }
    Session* session = std::exchange(ask.session, nullptr);
    ask.state.store(Ask::State::free, std::memory_order_relaxed);
    --asks_out_;
    if (session) {
        session->take_handed(connection);
    } else if (connection) {
        server->keep(*connection);
    }
}

}  // namespace ringtime::upstream
