#pragma once
// One request and its answer. A fiber that reads from top to bottom: admit, hooks, dispatch, relay,
// finish; it sees a body source, a response sink and an answer, whoever stands behind them. Taken
// from the core's pool when the first bytes of a head arrive, given back when the answer has been
// handed over.

#include <memory>
#include <string_view>

#include "base/arena.h"
#include "base/list.h"
#include "exchange/api.h"
#include "exchange/client_pace.h"
#include "exchange/fixed_answer.h"
#include "exchange/gathered_body.h"
#include "exchange/hooked_body.h"
#include "exchange/sink.h"
#include "exchange/snapshot.h"
#include "hook/chain_run.h"
#include "http/body.h"
#include "http/body_decoder.h"
#include "http/draft.h"
#include "http/framing.h"
#include "http/head_parser.h"
#include "http/rewrite.h"
#include "loop/fiber.h"
#include "net/conduit.h"
#include "net/gather.h"
#include "upstream/pool.h"

namespace ringtime::exchange {

class Core;
class Exchange;
class Http1Connection;
struct SnapshotHold;

/// An exchange among those of its core that hold the same snapshot.
struct SnapshotPin : ListNode {
    Exchange* exchange = nullptr;
};

class Exchange {
 public:
    explicit Exchange(Core& core);

    // --- For the connection, while the head arrives ---
    http::RequestParser parser;
    http::RequestHead head;
    http::Framing framing;
    net::Gather gather;       ///< A head that did not lie in one buffer.
    Piece head_pin;           ///< Or the buffer it lies in.
    Nanoseconds started = 0;  ///< When the first byte of the head arrived.
    ClientPace pace;
    http::BodyDecoder body_decoder;  ///< Of the request's body, or of a tunnel's bytes.
    net::Conduit conduit;            ///< Of the request's body, when the kernel moves it.
    Error body_error;
    Nanoseconds half_closed_at = 0;  ///< When the client's FIN was noticed; 0: not yet.

    /// Ready for the first byte of another head.
    void reset() noexcept;
    /// The head is complete and its framing decided. `connection` outlives the exchange.
    void begin(Http1Connection& connection) noexcept;
    /// Something has happened: bytes, room, an end.
    void wake() noexcept { fiber_.wake(); }
    [[nodiscard]] bool running() const noexcept { return fiber_.running(); }
    /// The time allowed for the body or the answer has run out.
    void time_out(Reason reason) noexcept;
    /// Whether it may still call on what `ending` says is let go of; it has a snapshot.
    [[nodiscard]] bool needs(const Ending& ending) const noexcept;
    /// Ends it without an answer, or in the midst of one.
    void cut() noexcept;

    // --- For fibers ---
    [[nodiscard]] SlabMemory& fiber_frames() noexcept;

    // --- What others may ask ---
    [[nodiscard]] uint16_t status() const noexcept { return status_; }
    [[nodiscard]] std::string_view request_id() const noexcept { return request_id_; }

 private:
    static loop::Fiber serve(Exchange& self);

    // admission.cpp
    void admit() noexcept;
    void choose_request_id() noexcept;
    void strip_untrusted() noexcept;
    [[nodiscard]] Error normalise() noexcept;
    void find_route() noexcept;

    // api_dispatch.cpp
    void admit_api() noexcept;
    void dispatch_api() noexcept;

    // hooks.cpp
    void begin_hooks() noexcept;
    [[nodiscard]] bool run_request_hooks() noexcept;
    [[nodiscard]] bool run_response_hooks() noexcept;
    void give_up_answer() noexcept;
    void show_other_response(uint8_t flags) noexcept;
    [[nodiscard]] bool ask_plugin_routes(bool& passed) noexcept;
    void take_edited_path() noexcept;
    void begin_request_body() noexcept;
    void begin_gathering(uint64_t most) noexcept;
    [[nodiscard]] bool gather_body() noexcept;
    [[nodiscard]] bool gather_for_route() noexcept;
    void hook_request_body() noexcept;
    void hook_response_body() noexcept;
    void end_hooks() noexcept;

    // dispatch.cpp
    [[nodiscard]] bool dispatch() noexcept;
    void dispatch_to(const Mount& mount) noexcept;
    [[nodiscard]] bool answer_core_api() noexcept;
    void answer_ready() noexcept;
    [[nodiscard]] bool takes_json() const noexcept;
    void dispatch_worker() noexcept;
    void dispatch_site() noexcept;
    void take_refusal() noexcept;
    [[nodiscard]] std::string_view stripped_path(std::string_view path) noexcept;
    /// A field of an answer of the gateway's own, beside the usual ones.
    struct OwnField {
        http::FieldId id = http::FieldId::other;  ///< None.
        std::string_view value = {};
    };
    /// `message`: instead of the reason's, unless it is empty.
    void answer_error(Error error, std::string_view message, const OwnField& field) noexcept;
    void answer_error(Error error) noexcept { answer_error(error, {}, {}); }
    void answer_fixed(uint16_t status, std::string_view type, const Piece& body,
                      const OwnField& field) noexcept;
    void answer_options() noexcept;

    // forwarding.cpp
    enum class BaseSeen : uint8_t { stripped, kept };
    void add_forwarding_fields(BaseSeen base) noexcept;
    void append_to_list(http::FieldId id, std::string_view element) noexcept;
    void add_forwarded() noexcept;
    void add_prefix() noexcept;

    // upstream_fields.cpp
    void dispatch_upstream() noexcept;
    [[nodiscard]] http::TrailerStore* make_trailer_store() noexcept;
    void begin_trailers() noexcept;
    void finish_response() noexcept;
    void edit_upstream_answer() noexcept;
    void note_attempts() noexcept;
    void rewrite_paths() noexcept;
    void set_sticky_cookie(std::string_view name, uint64_t identity) noexcept;
    [[nodiscard]] upstream::Affinity affinity(const upstream::UpstreamSpec& spec) const noexcept;
    [[nodiscard]] std::string_view forwarded_client() const noexcept;
    [[nodiscard]] std::string_view request_cookie(std::string_view name) const noexcept;
    [[nodiscard]] std::string_view put_together(const http::Rewritten& parts) noexcept;

    // tunnel.cpp
    enum class Flow : uint8_t { open, ended, broken };
    [[nodiscard]] std::string_view switched_protocol() noexcept;
    void refuse_switch() noexcept;
    void refuse_tunnel() noexcept;
    void start_tunnel() noexcept;
    [[nodiscard]] Flow pump(http::BodySource& from, http::BodySink& to, uint64_t& total) noexcept;
    [[nodiscard]] bool relay_tunnel() noexcept;

    // exchange.cpp
    [[nodiscard]] bool step() noexcept;
    void relay_request_body() noexcept;
    [[nodiscard]] bool receive_in_place(http::BodySink& sink, uint32_t room,
                                        uint64_t& moved) noexcept;
    [[nodiscard]] bool relay_response_body() noexcept;
    [[nodiscard]] static uint64_t relay_file(http::BodySource& from, http::BodySink& to,
                                             http::FileRange range, uint64_t& total) noexcept;
    [[nodiscard]] bool start_response() noexcept;
    void fail(Error error) noexcept;
    void finish() noexcept;
    void let_go_of_snapshot() noexcept;
    void count() noexcept;
    void write_access_log() noexcept;
    void before_waiting() noexcept;
    [[nodiscard]] bool buffers_run_low() noexcept;
    void move_head() noexcept;

    Core& core_;
    loop::FiberSlot fiber_;
    Http1Connection* connection_ = nullptr;
    ResponseSink* sink_ = nullptr;
    http::BodySource* source_ = nullptr;  ///< Of the request's body, as targets get it.
    http::BodySource* body_ = nullptr;    ///< Of the answer's, as the client gets it.
    HookedBody hooked_request_{HookedBody::Way::request};
    HookedBody hooked_response_{HookedBody::Way::response};
    enum class Gathering : uint8_t { none, running, done };
    Gathering gathering_ = Gathering::none;  ///< Of the request's body, made whole for plugins.
    GatheredBody gathered_;
    SnapshotHold* hold_ = nullptr;        ///< Null once a newer one has come, after the head.
    SnapshotPin pin_;
    const Mount* mount_ = nullptr;
    std::unique_ptr<ApiAdmission> api_;  ///< Of a request under the API's prefix.
    // tidy: allow(data-path) taken when a snapshot is replaced, never per request
    std::shared_ptr<const void> kept_target_;  ///< What the answer uses of a snapshot let go of.
    std::string_view mount_name_;              ///< Then, for the access log.
    uint32_t mount_counters_ = 0;  ///< And where it is counted.
    uint64_t body_bytes_max_ = 0;
    route::Match match_;
    http::Answer* answer_ = nullptr;
    upstream::Session* session_ = nullptr;  ///< The same while an upstream answers.
    std::string_view server_;               ///< Which of it answered or failed last, for the log.
    unsigned retries_ = 0;

    http::FieldDraft request_;
    http::FieldDraft response_;
    std::string_view path_;        ///< Canonical.
    std::string_view forwarded_;   ///< As sent to upstreams: received bytes, dot segments resolved.
    std::string_view host_;        ///< Canonical, for routing.
    std::string_view request_id_;
    std::string_view upgrade_;     ///< Protocols offered to the target; empty: none.
    // What the target was asked: borrowed by the answer, moved along with the head.
    upstream::UpstreamRequest upstream_request_;
    site::SiteRequest site_request_;
    FixedAnswer fixed_;
    hook::ChainRun chain_run_;
    hook::RequestFacts facts_;
    hook::ResponseFacts response_facts_;
    bool hooks_begun_ = false;
    bool hooks_active_ = false;       ///< Some plugin may see this request.
    bool response_prepared_ = false;  ///< response_facts_ stands; its hooks may be paused.
    Error refusal_;                ///< Decided before dispatch.
    Error outcome_;                ///< For the access log.
    uint16_t status_ = 0;
    bool trusted_ = false;
    bool takes_trailers_ = false;  ///< The client, as it said.
    bool lends_memory_ = false;    ///< Pieces on their way lie in this exchange's arena.
    bool head_is_lent_ = false;    ///< A target keeps views of the head's text where it is.
    bool request_done_ = false;
    Nanoseconds duration_ = 0;  ///< Once it is over.
    bool response_started_ = false;
    bool response_complete_ = false;
    bool tunnel_ = false;          ///< After 101.
    bool tunnel_answered_ = false; ///< The far side has sent its last byte.
    bool ended_ = false;
    uint64_t body_length_ = 0;  ///< Of the answer, as announced.
    uint64_t received_ = 0;
    uint64_t sent_ = 0;
    Arena arena_;
    char arena_block_[limits::exchange_arena_bytes];
};

}  // namespace ringtime::exchange
