#pragma once
// One request to an upstream, from choosing a server to giving the connection back. A step machine:
// the exchange calls advance() when woken. Connecting may be tried on several servers; once a byte
// of the request may have been taken, it is sent again only when that cannot be noticed (RFC 9110
// §9.2.2): idempotent, without a body, no byte of an answer seen.

#include "http/body.h"
#include "http/body_decoder.h"
#include "http/framing.h"
#include "http/head_parser.h"
#include "net/gather.h"
#include "upstream/pool.h"

namespace ringtime::upstream {

class Session final : public http::Answer, public http::BodySource, public http::BodySink {
 public:
    explicit Session(CorePool& pool) noexcept : pool_(pool), gathered_(pool.io().texts) {}

    void begin(Upstream& upstream, const UpstreamRequest& request, loop::Runnable& waker) noexcept;

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

    // BodySink: the request's body.
    [[nodiscard]] uint32_t room() const noexcept override;
    void push(const Piece& piece) noexcept override;
    void finish() noexcept override;

 private:
    enum class State : uint8_t { connecting, waiting_for_head, interim, headed, complete, failed };

    void acquire(ServerPool::Source source, const ServerPool* avoid) noexcept;
    void start_request() noexcept;
    [[nodiscard]] bool write_head(size_t capacity) noexcept;
    void check_connecting() noexcept;
    void check_head() noexcept;
    void take_head() noexcept;
    void drop_head() noexcept;
    void lost(Reason reason) noexcept;
    [[nodiscard]] bool may_repeat() const noexcept;
    void fail(Reason reason, uint32_t detail = 0) noexcept;
    void give_up_connection(net::Stream::Close how) noexcept;
    [[nodiscard]] http::Pull cut_short() noexcept;
    void take_switch() noexcept;
    void end_tunnel() noexcept;
    [[nodiscard]] net::Stream& stream() const noexcept { return connection_->stream(); }
    [[nodiscard]] Nanoseconds after(Milliseconds time) const noexcept;

    CorePool& pool_;
    Upstream* upstream_ = nullptr;
    loop::Runnable* waker_ = nullptr;
    ServerPool* server_ = nullptr;
    Connection* connection_ = nullptr;
    const UpstreamRequest* request_ = nullptr;
    State state_ = State::connecting;
    Error error_;
    unsigned attempts_ = 0;
    unsigned interims_ = 0;
    bool body_pushed_ = false;
    bool request_complete_ = false;
    bool tunnel_ = false;  ///< After 101: bytes both ways, timed by the client's side.
    http::ResponseParser parser_;
    http::ResponseHead head_;
    http::Framing framing_;
    http::BodyDecoder decoder_;
    Piece head_pin_;                      ///< Keeps the bytes of head_ until the body is pulled.
    net::Gather gathered_;                ///< A head that came in several buffers.
    net::TextBlock* text_ = nullptr;  ///< Where this session writes its own head and chunk lines.
};

}  // namespace ringtime::upstream
