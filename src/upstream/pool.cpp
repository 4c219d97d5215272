#include "upstream/pool.h"

#include <algorithm>

#include "upstream/session.h"

namespace ringtime::upstream {

CorePool::CorePool(net::Io& io) : io_(io), sessions_(limits::exchanges_per_core) {}

CorePool::~CorePool() = default;

// Made on first use: of a hundred thousand mounts few are busy on every core.
Group& CorePool::group(Upstream& upstream) {
    auto found = groups_.find(upstream.id());
    if (found == groups_.end())
        found = groups_
                    .emplace(upstream.id(),
                             std::make_unique<Group>(io_, upstream.shared_from_this()))
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
    for (auto& [id, group] : groups_) group->close_idle();
}

bool CorePool::drained() const noexcept {
    return std::all_of(groups_.begin(), groups_.end(),
                       [](const auto& entry) { return entry.second->unused(); });
}

}  // namespace ringtime::upstream
