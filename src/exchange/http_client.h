#pragma once
// Requests of plugins to other servers, on the core's own ring and its upstream connections: keep
// alive, one total time, bounded answers, gathered. Names are looked up on a helper thread and
// again as the answer ages; a request under way uses what was known when it began. One per core.

#include <memory>
#include <string>
#include <vector>

#include "base/counter.h"
#include "base/list.h"
#include "base/slab.h"
#include "exchange/fetch_url.h"
#include "hook/core.h"
#include "net/io.h"
#include "upstream/pool.h"

namespace ringtime::exchange {

class HttpClient final : public hook::FetchPort {
 public:
    /// Requests under way on one core.
    static constexpr size_t calls_max = 1024;
    /// Servers a core's plugins may talk to at once. What was not asked for longest makes room.
    static constexpr size_t origins_max = 256;
    static constexpr Milliseconds name_fresh_ms = 30'000;
    static constexpr Milliseconds timeout_default_ms = 30'000;
    static constexpr uint64_t body_default = 1024 * 1024;
    /// What a plugin may ask for.
    static constexpr uint64_t body_most = 64 * 1024 * 1024;

    HttpClient(net::Io& io, upstream::CorePool& upstreams, hook::HookCore& hooks);
    ~HttpClient();

    [[nodiscard]] ringtime_status fetch(hook::PluginCore& plugin, const ringtime_fetch& request,
                                        ringtime_fetched done, void* user) noexcept override;
    void cancel(hook::PluginCore& plugin) noexcept override;

    [[nodiscard]] size_t under_way() const noexcept { return count_; }

 private:
    class Call;
    struct Origin;
    struct Membership : ListNode {
        Call* call = nullptr;
    };

    [[nodiscard]] Origin* origin_of(const FetchUrl& url);
    [[nodiscard]] bool make_room();
    /// True when its addresses are known.
    [[nodiscard]] bool look_up(Origin& origin) noexcept;
    void send(Call& call) noexcept;
    void found(Origin& origin) noexcept;
    template <typename Visit>
    void each_call(Visit&& visit) noexcept;

    net::Io& io_;
    upstream::CorePool& upstreams_;
    hook::HookCore& hooks_;
    std::vector<std::unique_ptr<Origin>> origins_;
    /// They made room; kept until their last connections are closed.
    std::vector<std::unique_ptr<Origin>> leaving_;
    List<Membership> calls_;
    size_t count_ = 0;
};

}  // namespace ringtime::exchange
