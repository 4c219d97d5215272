#pragma once
// One client connection speaking HTTP/1: bytes in, requests one after the other, answers in order.
// It pumps and frames; what to answer is the exchange's affair, which sees it as the source of the
// request's body and the sink of the answer. Between requests it holds no buffer, no fiber and no
// exchange.
//
// head -> exchange -> head ... -> linger -> closing. RFC 9112 §9.

#include "base/list.h"
#include "exchange/sink.h"
#include "http/body_decoder.h"
#include "http/framing.h"
#include "http/head_parser.h"
#include "loop/timer.h"
#include "net/gather.h"
#include "net/listener.h"
#include "net/stream.h"

namespace ringtime::exchange {

class Core;
class Exchange;

class Http1Connection final : public loop::Runnable, public ResponseSink, public http::BodySource {
 public:
    Http1Connection(Core& core, int fd, const net::PeerAddress& peer,
                    net::Preface preface) noexcept;
    ~Http1Connection();

    /// In the core's list of all connections.
    struct Membership : ListNode {
        Http1Connection* connection = nullptr;
        uint32_t peer_place = UINT32_MAX;  ///< Where the core has counted its peer.
    };
    [[nodiscard]] Membership& membership() noexcept { return membership_; }
    /// The client: what the socket says, or the proxy in front of it.
    [[nodiscard]] const net::PeerAddress& peer() const noexcept { return peer_; }
    /// Where the client connected to, as the socket says; without a family when unknown.
    [[nodiscard]] net::PeerAddress local_address() const noexcept;

    /// Said once, by the core, before anything is read.
    void came_through(Entrance entrance) noexcept { entrance_ = entrance; }
    [[nodiscard]] Entrance entrance() const noexcept { return entrance_; }

    void run() noexcept override;
    /// The gateway is shutting down: closes when idle, else after the current answer.
    void drain() noexcept;
    void abort() noexcept;
    /// A long answer need not keep the configuration that it began with.
    void snapshot_replaced() noexcept;
    /// The trailers of the request's body are kept there. Before its first pull.
    void keep_trailers(http::TrailerStore& store) noexcept;
    /// Called by the exchange as its last act.
    void exchange_ended() noexcept;

    // ResponseSink
    void start_response(const ResponseStart& start) noexcept override;
    void send_interim(uint16_t status, const http::FieldDraft& fields) noexcept override;
    void abort_response() noexcept override;
    [[nodiscard]] bool client_gone() const noexcept override;
    [[nodiscard]] bool drained() const noexcept override { return stream_.queued() == 0; }
    [[nodiscard]] uint32_t room() const noexcept override;
    void push(const Piece& piece) noexcept override;
    [[nodiscard]] bool takes_files() const noexcept override;
    [[nodiscard]] uint64_t send_file(const http::FileRange& range) noexcept override;
    void finish() noexcept override { end_body(nullptr); }
    void finish_with(const http::FieldTable& trailers) noexcept override { end_body(&trailers); }

    // BodySource: the request's body.
    [[nodiscard]] http::Pull pull(Piece& out, uint32_t max) noexcept override;
    [[nodiscard]] uint64_t length() const noexcept override;
    [[nodiscard]] Error error() const noexcept override;
    [[nodiscard]] http::InPlace in_place() noexcept override;
    [[nodiscard]] uint32_t receive_into(char* memory, uint32_t size) noexcept override;
    [[nodiscard]] http::FileRange file() noexcept override;
    void skip(uint64_t size) noexcept override;

 private:
    enum class Phase : uint8_t { head, exchange, linger, closing };
    enum class Coding : uint8_t { none, length, chunked, until_close };
    /// What becomes of an answer that is not completed.
    enum class Cut : uint8_t {
        no,
        shown,     ///< What is queued is sent, then the stream ends: the framing shows the cut.
        by_reset,  ///< Only a reset tells it from a whole one, or the client takes nothing.
    };

    void push_bytes(const Piece& piece) noexcept;
    void end_body(const http::FieldTable* trailers) noexcept;
    void read_head() noexcept;
    [[nodiscard]] bool read_preface() noexcept;
    void begin_exchange() noexcept;
    void refuse(Error error) noexcept;
    void leave() noexcept;
    void linger() noexcept;
    void start_linger() noexcept;
    void close(net::Stream::Close how) noexcept;
    void set_deadline(uint64_t milliseconds) noexcept;
    void on_deadline() noexcept;
    void hold_pipelined() noexcept;
    void check_progress() noexcept;
    void check_tunnel() noexcept;
    void watch_tunnel() noexcept;
    void notice_half_close() noexcept;
    [[nodiscard]] bool body_was_cut() noexcept;
    [[nodiscard]] bool takes_its_time() noexcept;
    [[nodiscard]] bool endless() const noexcept;
    [[nodiscard]] uint64_t progress_period() const noexcept;
    [[nodiscard]] bool may_keep_alive() const noexcept;
    [[nodiscard]] bool skip_body() noexcept;
    void ask_for_body() noexcept;
    [[nodiscard]] bool may_bypass(size_t bytes_min) const noexcept;
    [[nodiscard]] bool holds_back() const noexcept;
    [[nodiscard]] bool write_head(const ResponseStart& start, size_t capacity) noexcept;

    Core& core_;
    net::Stream stream_;
    Membership membership_;
    loop::Timer timer_;
    Exchange* exchange_ = nullptr;
    net::PeerAddress peer_;
    Entrance entrance_ = Entrance::public_;
    Phase phase_ = Phase::head;
    Coding coding_ = Coding::none;
    bool preface_pending_;          ///< A PROXY header has to come first.
    bool keep_alive_ = true;
    bool response_started_ = false;
    bool response_finished_ = false;
    bool body_wanted_ = false;      ///< The answer carries a body (not HEAD, 204, 304).
    bool expect_continue_ = false;  ///< 100 has not been sent yet.
    Cut cut_ = Cut::no;
    bool http_1_0_ = false;
    bool tunnel_ = false;           ///< After 101: bytes both ways, no framing.
    bool fin_received_ = false;     ///< The tunnel's source has ended.
    bool lingering_ = false;        ///< FIN has been sent, and the last deadline set.
    Nanoseconds quiet_since_ = 0;   ///< No byte of the tunnel has moved since.
    uint64_t remaining_ = 0;        ///< Of the answer's announced length.
    uint64_t progress_ = 0;         ///< Bytes sent when the deadline was last set.
    uint64_t body_seen_ = 0;        ///< Bytes of the tunnel received by then.
    net::TextBlock* text_ = nullptr;
};

}  // namespace ringtime::exchange
