#pragma once
// All upstreams of one core: where exchanges send requests. Single-threaded.

#include <memory>
#include <unordered_map>
#include <vector>

#include "base/pool.h"
#include "http/body.h"
#include "http/draft.h"
#include "net/io.h"
#include "net/proxy_header.h"
#include "upstream/group.h"
#include "upstream/upstream.h"

namespace ringtime::upstream {

class Session;

/// What an upstream is asked. The exchange may move the text its views point to.
struct UpstreamRequest {
    std::string_view method;
    std::string_view path;   ///< As forwarded: base stripped or not, beginning with `/`, or `*`.
    std::string_view query;  ///< data() null: none.
    std::string_view authority;  ///< For Host, unless that is rewritten to the server's.
    const http::FieldDraft* fields =
        nullptr;  ///< End-to-end fields only, Host and framing excluded.
    /// Bytes of the body; unknown_length: it is sent chunked.
    uint64_t body_length = 0;
    http::Method method_id = http::Method::other;
    /// Protocols the client offers to change to, written as Upgrade; empty: 101 is refused.
    std::string_view upgrade;
    Affinity affinity;
    net::ProxiedPeers peers;  ///< The client and where it connected to, for PROXY headers.
};

class CorePool {
 public:
    explicit CorePool(net::Io& io);
    ~CorePool();

    /// Starts an attempt; never fails synchronously. Null when the core is at its limit of
    /// exchanges. `upstream` and `request` outlive the answer.
    [[nodiscard]] Session* send(Upstream& upstream, const UpstreamRequest& request,
                                loop::Runnable& waker) noexcept;

    /// `upstream` is in no snapshot any more: closes its idle connections and drops what is known
    /// of it. False while connections are left: to be called again.
    [[nodiscard]] bool forget(const Upstream& upstream) noexcept;

    /// Closes idle connections; drained() when every connection is gone.
    void drain() noexcept;
    [[nodiscard]] bool drained() const noexcept;

    // For sessions.
    [[nodiscard]] net::Io& io() noexcept { return io_; }
    void give(Session& session) noexcept;

 private:
    [[nodiscard]] Group& group(Upstream& upstream);

    net::Io& io_;
    std::unordered_map<uint64_t, std::unique_ptr<Group>> groups_;  ///< By the upstream's id.
    Pool<Session> sessions_;
};

}  // namespace ringtime::upstream
