#pragma once
// All upstreams of one core: where exchanges send requests. Single-threaded.

#include <memory>
#include <unordered_map>
#include <vector>

#include "base/pool.h"
#include "http/body.h"
#include "http/body_decoder.h"
#include "http/draft.h"
#include "net/io.h"
#include "net/proxy_header.h"
#include "upstream/group.h"
#include "upstream/handover.h"
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
    /// Of the body, when it is sent chunked, as soon as it has ended; null: none are sent.
    const http::FieldTable* trailers = nullptr;
    /// Where those of the answer go; null: nobody wants any.
    http::TrailerStore* answer_trailers = nullptr;
    /// Protocols the client offers to change to, written as Upgrade; empty: 101 is refused.
    std::string_view upgrade;
    Affinity affinity;
    net::ProxiedPeers peers;  ///< The client and where it connected to, for PROXY headers.
};

class CorePool {
 public:
    /// `handover` outlives it; null: there are no other cores.
    explicit CorePool(net::Io& io, Handover* handover = nullptr);
    ~CorePool();
    /// Other cores ask it for nothing any more. Followed by one turn of the reactor, which answers
    /// what they asked before.
    void leave() noexcept;

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
    [[nodiscard]] const net::Io& io() const noexcept { return io_; }
    void give(Session& session) noexcept;
    /// Asks another core for an idle connection; null when none has one. Its
    /// take_handed() is called unless it takes itself out of the ask.
    [[nodiscard]] Ask* ask_others(Session& session, Upstream& upstream,
                                  const ServerPool& server) noexcept;
    /// No answer came in time: nobody is asked for a while.
    void pause_asking() noexcept;

    // For other cores, through the mailbox.
    static void on_asked(void* pool, uint64_t ask) noexcept;
    static void on_answered(void* pool, uint64_t ask) noexcept;
    static void on_place(void* pool, uint64_t upstream) noexcept;

 private:
    [[nodiscard]] Group& group(Upstream& upstream);
    [[nodiscard]] ServerPool* find(const Ask& ask) noexcept;
    [[nodiscard]] unsigned richest_other(const Server& server) const noexcept;
    void take_answers() noexcept;
    void take_answer(Ask& ask) noexcept;

    net::Io& io_;
    std::unordered_map<uint64_t, std::unique_ptr<Group>> groups_;  ///< By the upstream's id.
    Pool<Session> sessions_;
    Handover* handover_;
    Ask asks_[limits::handover_asks_max];
    unsigned asks_out_ = 0;
    Nanoseconds ask_again_at_ = 0;
};

}  // namespace ringtime::upstream
