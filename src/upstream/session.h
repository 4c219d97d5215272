#pragma once
// One request to an upstream, from choosing a server to giving the connection back. A step machine:
// the exchange calls advance() when woken. What fails before a byte of an answer was shown may be
// tried elsewhere: a request none of which was sent always, any other only when nobody can notice
// (RFC 9110 §9.2.2: idempotent, its body still at hand), as often as the upstream allows and its
// budget pays for. A kept connection that turns out to be closed is no failure of the server. An
// upgrade that a server may have begun is not tried on another.
//
//     queued -> connecting -> waiting_for_head <-> interim
//                                  '-> headed -> complete          any -> failed

#include "http/body.h"
#include "http/body_decoder.h"
#include "http/framing.h"
#include "http/head_parser.h"
#include "net/conduit.h"
#include "net/gather.h"
#include "upstream/cause.h"
#include "upstream/dial.h"
#include "upstream/pool.h"
#include "upstream/replay.h"

namespace ringtime::upstream {

class Session final : public http::Answer, public http::BodySource, public http::BodySink {
 public:
    explicit Session(CorePool& pool) noexcept;

    void begin(Group& group, const UpstreamRequest& request, loop::Runnable& waker) noexcept;

    /// What another core had to give; null: nothing.
    void take_handed(Connection* connection) noexcept;

    /// The server that answers. Precondition: a final head has come.
    [[nodiscard]] const Server& server() const noexcept { return server_->server(); }

    /// The server of the last attempt; null while there has been none.
    [[nodiscard]] const Server* last_server() const noexcept { return last_server_; }

    /// Attempts after the first, so far.
    [[nodiscard]] unsigned retries() const noexcept { return retries_; }

    [[nodiscard]] const UpstreamSpec& spec() const noexcept { return group_->spec(); }

    // Answer
    [[nodiscard]] Phase advance() noexcept override;
    [[nodiscard]] const http::ResponseHead& head() const noexcept override { return head_; }
    void take_interim() noexcept override;
    [[nodiscard]] http::BodySource& body() noexcept override { return *this; }
    [[nodiscard]] http::BodySink* request_body() noexcept override { return this; }
    [[nodiscard]] Error error() const noexcept override { return error_; }
    void release() noexcept override;

    // BodySource: the answer's body.
    [[nodiscard]] http::Pull pull(Piece& out, uint32_t max) noexcept override;
    [[nodiscard]] uint64_t length() const noexcept override;
    [[nodiscard]] http::FileRange file() noexcept override;
    void skip(uint64_t size) noexcept override;

    // BodySink: the request's body.
    [[nodiscard]] uint32_t room() const noexcept override;
    void push(const Piece& piece) noexcept override;
    [[nodiscard]] bool takes_files() const noexcept override;
    [[nodiscard]] uint64_t send_file(const http::FileRange& range) noexcept override;
    void finish() noexcept override;

 private:
    enum class State : uint8_t {
        queued,
        asking,
        connecting,
        waiting_for_head,
        interim,
        headed,
        complete,
        failed
    };
    enum class Cause : uint8_t { connect, reset, timeout, invalid, status };
    enum class Connect : uint8_t { if_needed, always };

    // session_attempts.cpp: which server, and what becomes of its failures.
    void find_place() noexcept;
    void wait_for_place() noexcept;
    [[nodiscard]] bool enter(ServerPool& pool) noexcept;
    void set_queue_timer() noexcept;
    void check_queue() noexcept;
    void check_asking() noexcept;
    void stop_asking() noexcept;
    void begin_kept(Connection& connection) noexcept;
    void check_connecting() noexcept;
    void attempt_failed(Cause cause, uint32_t detail) noexcept;
    void attempt_failed(Cause cause, Detail detail) noexcept {
        attempt_failed(cause, static_cast<uint32_t>(detail));
    }
    [[nodiscard]] uint32_t why_lost() const noexcept;
    [[nodiscard]] bool try_again(Cause cause) noexcept;
    [[nodiscard]] bool allowed(Cause cause) const noexcept;
    [[nodiscard]] bool repeatable() const noexcept;
    [[nodiscard]] bool was_stale() const noexcept;
    void connection_lost() noexcept;
    void leave_server(net::Stream::Close how) noexcept;
    void fail(Reason reason, uint32_t detail = 0) noexcept;
    void fail(Reason reason, Detail detail) noexcept {
        fail(reason, static_cast<uint32_t>(detail));
    }
    void note_failure() noexcept;
    void note_success() noexcept;

    // session.cpp
    void start_request() noexcept;
    [[nodiscard]] bool write_head(size_t capacity) noexcept;
    [[nodiscard]] bool write_proxy_header() noexcept;
    void push_body(const Piece& piece) noexcept;
    void push_end() noexcept;
    void check_head() noexcept;
    [[nodiscard]] bool said_all() const noexcept;
    void head_overdue() noexcept;
    void take_head() noexcept;
    [[nodiscard]] bool refused_by_status() noexcept;
    void note_answer() noexcept;
    void drop_head() noexcept;
    [[nodiscard]] bool in_step() const noexcept;
    [[nodiscard]] http::Pull cut_short() noexcept;
    void take_switch() noexcept;
    void end_tunnel() noexcept;
    [[nodiscard]] bool overdue_body() noexcept;
    [[nodiscard]] bool may_splice() const noexcept;
    [[nodiscard]] net::Stream& stream() const noexcept { return connection_->stream(); }
    [[nodiscard]] Nanoseconds now() const noexcept { return pool_.io().reactor.now(); }
    [[nodiscard]] Nanoseconds after(Milliseconds time) const noexcept {
        return now() + from_milliseconds(time);
    }

    CorePool& pool_;
    Group* group_ = nullptr;
    loop::Runnable* waker_ = nullptr;
    ServerPool* server_ = nullptr;       ///< Set while the request stays there.
    const Server* last_server_ = nullptr;
    Connection* connection_ = nullptr;
    Ask* ask_ = nullptr;                 ///< Set while another core is asked for a connection.
    Connection* handed_ = nullptr;       ///< Its answer, until this session's next step.
    const UpstreamRequest* request_ = nullptr;
    State state_ = State::failed;
    Connect connect_ = Connect::if_needed;
    Error error_;
    unsigned retries_ = 0;
    unsigned interims_ = 0;
    bool entered_ = false;           ///< Another attempt has begun since this was last cleared.
    bool probes_ = false;            ///< The server is ejected, and was asked all the same.
    bool sent_ = false;              ///< Something of the request may have been taken.
    bool request_complete_ = false;  ///< The source of the body has ended.
    bool overdue_ = false;           ///< The total time is over.
    bool tunnel_ = false;            ///< After 101: bytes both ways, timed by the client's side.
    Nanoseconds asked_at_ = 0;
    uint64_t taken_seen_ = 0;        ///< Bytes the server had taken when its time was last set.
    Tried tried_;
    Waiter waiter_;
    Dial dial_;
    loop::Timer queue_timer_;
    loop::Timer total_timer_;
    Nanoseconds queue_deadline_ = 0;
    Replay replay_;
    http::ResponseParser parser_;
    http::ResponseHead head_;
    http::Framing framing_;
    http::BodyDecoder decoder_;
    Piece head_pin_;                  ///< Keeps the bytes of head_ until the body is pulled.
    net::Conduit conduit_;            ///< Of the answer's body.
    net::Gather gathered_;            ///< A head that came in several buffers.
    net::TextBlock* text_ = nullptr;  ///< Where this session writes its own head and chunk lines.
};

}  // namespace ringtime::upstream
