#pragma once
// One request's way through its chain. Embedded in the exchange, which calls the phases in order
// and relays; this class calls the hooks, keeps what they decided, and is what host calls with a
// ringtime_exchange reach. On the core's thread only; nothing is allocated but from the exchange's
// arena. The chain fails closed: whatever goes wrong in a hook ends the request with a reason.
//
//     run.begin(chain, core, facts, {&wake, this});
//     switch (run.run_request()) {            // again after each wake-up while it says paused
//         case Outcome::go_on:    dispatch to the target (run.path_edited(): match once more)
//         case Outcome::answered: relay run.answer()
//         case Outcome::failed:   answer describe(run.reason())
//         case Outcome::paused:   return, and be woken
//     }
//     run.run_response(facts);                // on every response, the ones above included
//     run.run_done(summary);                  // at the end; end() whenever the exchange dies

#include <cstdint>
#include <span>
#include <string_view>

#include "base/arena.h"
#include "base/piece.h"
#include "base/reason.h"
#include "hook/answer.h"
#include "hook/chain.h"
#include "hook/core.h"
#include "hook/event_channel.h"
#include "hook/wake.h"
#include "http/draft.h"
#include "http/head.h"
#include "http/websocket_handshake.h"
#include "loop/timer.h"

namespace ringtime::hook {

enum class Outcome : uint8_t {
    go_on,
    answered,  ///< answer() stands.
    paused,    ///< The exchange is woken; call the same function again with the same arguments.
    failed,    ///< reason() says why.
    passed,    ///< run_route only: no route takes it, look further.
};

/// What the exchange knows of its request. Borrowed until end().
struct RequestFacts {
    const http::RequestHead* head = nullptr;
    http::FieldDraft* draft = nullptr;
    Arena* arena = nullptr;
    std::string_view path;       ///< Canonical, base stripped.
    std::string_view full_path;  ///< Canonical.
    std::string_view host;       ///< Lower case, without port.
    std::string_view request_id;
    std::string_view peer;
    std::string_view client;
    uint16_t peer_port = 0;
    bool secure = false;
    bool is_public = false;
    bool has_body = false;
    bool api = false;  ///< For the gateway's own API.
    uint64_t content_length = 0;  ///< UINT64_MAX when unknown.
    std::string_view gathered;    ///< data() null unless the body was gathered.
    const ringtime_tls* tls = nullptr;
    const ringtime_app* app = nullptr;
    const http::FieldTable* trailers = nullptr;  ///< Once they have arrived.
};

struct ResponseFacts {
    http::FieldDraft* draft = nullptr;
    uint16_t status = 0;  ///< A hook may change it.
    http::Version version = http::Version::http_1_1;
    uint8_t flags = 0;  ///< RINGTIME_RESPONSE_
    uint64_t content_length = UINT64_MAX;
    std::string_view reason;
    const http::FieldTable* trailers = nullptr;
};

enum class BodyPart : uint8_t { more, last };

class ChainRun {
 public:
    ChainRun() noexcept;
    ChainRun(const ChainRun&) = delete;
    ChainRun& operator=(const ChainRun&) = delete;
    ~ChainRun() { end(); }

    /// `chain` may be null (no plugin sees this request). All are borrowed until end().
    void begin(const Chain* chain, HookCore& core, const RequestFacts& facts, Wake wake) noexcept;
    /// The facts have changed (routed again, body gathered): later hooks see them.
    void refresh() noexcept { shown_ = false; }

    /// The most bytes of request body to gather before run_request(); 0: do not gather. Larger
    /// bodies are answered 413.
    [[nodiscard]] uint64_t gather_bytes_max() const noexcept;
    /// Whether some plugin looks at bodies on this route: only then they have to pass here.
    [[nodiscard]] bool watches_request() const noexcept {
        return chain_ && chain_->request_body().entries;
    }
    [[nodiscard]] bool watches_response() const noexcept {
        return chain_ && chain_->response_body().entries;
    }
    /// Whether a body's length may change on its way (decisions before its head is forwarded).
    [[nodiscard]] bool transforms_request() const noexcept;
    [[nodiscard]] bool transforms_response() const noexcept;

    [[nodiscard]] Outcome run_request() noexcept;
    /// The most bytes of body the route of `plugin` that takes this request wants to have gathered;
    /// 0: none.
    [[nodiscard]] uint64_t route_body_bytes_max(Plugin& plugin) noexcept;
    /// The plugin's own routes, when it is the target. answered: a handler's answer, or 405 with
    /// Allow.
    [[nodiscard]] Outcome run_route(Plugin& plugin) noexcept;
    /// `piece` may be replaced by other bytes, or by none (size 0). It may be empty with `last`.
    [[nodiscard]] Outcome run_request_body(Piece& piece, BodyPart part) noexcept;
    /// After failed: make the 500 and call again; the hooks that are left see it. After answered:
    /// the same with answer(), which may be the one there was, made anew.
    [[nodiscard]] Outcome run_response(ResponseFacts& facts) noexcept;
    [[nodiscard]] Outcome run_response_body(Piece& piece, BodyPart part) noexcept;
    void run_done(const ringtime_summary& summary) noexcept;
    /// Any time: nobody will be woken, late resumptions are dropped. Idempotent.
    void end() noexcept;

    [[nodiscard]] Reason reason() const noexcept { return reason_; }
    /// Name of the plugin that answered or failed, for the access log; empty otherwise.
    [[nodiscard]] std::string_view decided_by() const noexcept;
    /// Made by a hook or a route; the exchange's from `answered` on, which releases it.
    [[nodiscard]] http::Answer& answer() noexcept { return chosen_ ? *chosen_ : answer_; }
    [[nodiscard]] bool made(const http::Answer* answer) const noexcept {
        return answer && answer == chosen_;
    }
    [[nodiscard]] bool path_edited() const noexcept { return edited_path_.data() != nullptr; }
    /// Canonical and as forwarded, in the arena.
    [[nodiscard]] std::string_view edited_path() const noexcept { return edited_path_; }
    [[nodiscard]] std::string_view edited_forwarded() const noexcept { return edited_forwarded_; }

    // --- Host calls ---
    [[nodiscard]] ringtime_slice field(ringtime_part part, http::FieldId id) const noexcept;
    [[nodiscard]] ringtime_slice field(ringtime_part part, std::string_view name) const noexcept;
    void each_field(ringtime_part part, ringtime_visit visit, void* user) const noexcept;
    enum class Edit : uint8_t { set, add, remove };
    [[nodiscard]] ringtime_status edit(ringtime_part part, Edit edit, std::string_view name,
                                       std::string_view value) noexcept;
    [[nodiscard]] ringtime_status set_path(std::string_view path) noexcept;
    [[nodiscard]] ringtime_status set_status(uint16_t status) noexcept;
    [[nodiscard]] ringtime_status respond(uint16_t status, const ringtime_field_line* lines,
                                          size_t count, const ringtime_bytes* body) noexcept;
    [[nodiscard]] ringtime_status respond(const StaticAnswer& answer) noexcept;
    [[nodiscard]] ringtime_status respond_instead(uint16_t status,
                                                  const ringtime_field_line* lines, size_t count,
                                                  const ringtime_bytes* body) noexcept;
    [[nodiscard]] ringtime_status respond_events(EventChannel& channel,
                                                 std::span<const ringtime_field_line> lines,
                                                 std::span<const ringtime_event> first) noexcept;
    [[nodiscard]] ringtime_status respond_websocket(SocketEndpoint& endpoint,
                                                    std::span<const ringtime_field_line> lines,
                                                    std::string_view protocol,
                                                    void* state) noexcept;
    [[nodiscard]] ringtime_status replace(const ringtime_bytes& bytes) noexcept;
    [[nodiscard]] std::string_view parameter(std::string_view name) const noexcept;
    [[nodiscard]] void* state() const noexcept;
    [[nodiscard]] ringtime_status set_state(void* state) noexcept;
    [[nodiscard]] void* core_state() const noexcept;
    /// The plugin whose hook runs, on this core; null when none does.
    [[nodiscard]] PluginCore* plugin_core() const noexcept {
        return current_ && current_->cores ? &current_->cores[core_->index()] : nullptr;
    }
    [[nodiscard]] void* allocate(size_t size) noexcept { return facts_->arena->allocate(size); }
    [[nodiscard]] ringtime_token pause(uint32_t timeout_ms) noexcept;

 private:
    /// A request and its response can both be at a hook, and both be paused: an answer may come
    /// before the request's body has ended.
    struct Lane final : Sleeper {
        ChainRun* run = nullptr;
        const HookEntry* waiting = nullptr;  ///< The hook that paused.
        ringtime_token token = 0;
        uint32_t timeout_ms = 0;
        bool resumed = false;
        bool expired = false;
        uint64_t value = 0;
        uint32_t next = 0;       ///< Hook of the body phase that has its turn.
        Piece* piece = nullptr;  ///< While a body hook runs.
        loop::Timer timer;
        void on_resumed(uint64_t with) noexcept override;
    };

    template <typename Call>
    [[nodiscard]] ringtime_verdict call(const HookEntry& entry, Hook hook, Call&& call) noexcept;
    template <typename Call>
    [[nodiscard]] Outcome run_phase(const Phase& phase, uint32_t& next, Lane& lane, Hook hook,
                                    uint8_t heeded, Call&& call) noexcept;
    [[nodiscard]] Outcome run_body(const Phase& phase, Lane& lane, Hook hook, uint8_t heeded,
                                   Piece& piece, BodyPart part) noexcept;
    [[nodiscard]] Outcome settle(const HookEntry& entry, Lane& lane, Hook hook,
                                 ringtime_verdict verdict) noexcept;
    [[nodiscard]] Outcome wake_up(Lane& lane, Hook hook) noexcept;
    [[nodiscard]] Outcome fail(const HookEntry& entry, Reason reason) noexcept;
    [[nodiscard]] bool skips(const HookEntry& entry, uint8_t heeded) const noexcept;
    /// Of the hook that runs.
    template <typename What>
    void complain(Fault fault, const What& what) noexcept {
        plugin_core()->complain(fault, hook_, what);
    }
    void complain_of(ringtime_verdict verdict) noexcept;
    ringtime_status refuse_call(std::string_view call, ringtime_status status) noexcept;
    void enter_phase(Lane& lane, Hook hook) noexcept;
    void show_request() noexcept;
    void cancel_pause(Lane& lane) noexcept;
    [[nodiscard]] Outcome refuse_method(uint16_t allowed) noexcept;
    [[nodiscard]] Outcome find_route(Plugin& plugin) noexcept;
    [[nodiscard]] HookEntry route_entry(Plugin& plugin) const noexcept;
    [[nodiscard]] HookCounters& counters_of(const HookEntry& entry, Hook hook) const noexcept {
        return entry.cores[core_->index()].hooks[static_cast<size_t>(hook)];
    }
    [[nodiscard]] LentBytes& lent_by_current() noexcept;
    [[nodiscard]] http::FieldDraft* draft_of(ringtime_part part) const noexcept;
    [[nodiscard]] const http::FieldTable* trailers_of(ringtime_part part) const noexcept;
    static void on_expire(loop::Timer& timer) noexcept;

    const Chain* chain_ = nullptr;
    HookCore* core_ = nullptr;
    const RequestFacts* facts_ = nullptr;
    ResponseFacts* response_ = nullptr;
    Wake wake_;
    const HookEntry* current_ = nullptr;  ///< While a hook runs.
    Lane* lane_ = nullptr;
    uint64_t outside_ = 0;     ///< Slots whose scope does not hold this request.
    void** states_ = nullptr;  ///< One per slot, in the arena, when first needed.
    uint32_t request_next_ = 0;
    uint32_t response_next_ = 0;
    uint8_t last_slot_ = UINT8_MAX;  ///< The one that answered; later ones never saw the request.
    bool shown_ = false;
    bool loose_ = false;    ///< A hook paused or answered; its verdict must say so.
    bool instead_ = false;  ///< It answered in place of a response, which is gone.
    Hook hook_ = Hook::count_;
    Reason reason_ = Reason::none;
    const Plugin* decided_by_ = nullptr;
    std::string_view edited_path_;
    std::string_view edited_forwarded_;
    const route::PatternMatch* match_ = nullptr;
    const Plugin* matched_ = nullptr;  ///< Whose route match_ is.
    HookEntry route_;  ///< What run_route() calls.
    Lane incoming_;
    Lane outgoing_;
    ringtime_request request_{};
    ringtime_response shown_response_{};
    [[nodiscard]] bool may_answer() const noexcept;
    [[nodiscard]] bool refuse(const PluginAnswer::Refusal& refusal) noexcept;
    [[nodiscard]] ringtime_status refuse_websocket(http::SocketOffer offer) noexcept;
    void choose(http::Answer& answer) noexcept;
    void drop_answer() noexcept;

    PluginAnswer answer_;
    http::Answer* chosen_ = nullptr;  ///< What a hook prepared; given back unless it is sent.
    bool handed_over_ = false;        ///< It is the exchange's.
};

}  // namespace ringtime::hook
