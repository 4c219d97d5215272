#pragma once
// One WebSocket: frames of the client in, frames of the plugin out. On its core's thread; belongs
// to the exchange whose answer it is.
//
// open -> (we close) close_sent -> closed, or -> (the client closes, or errs) closed. Once closed
// and empty the outgoing direction ends; a client that does not answer our close in time is cut.

#include "base/list.h"
#include "hook/socket_endpoint.h"
#include "http/body.h"
#include "http/head.h"
#include "http/websocket.h"

namespace ringtime::hook {

class SocketLink final : public http::Answer,
                         public ListNode,
                         private http::BodySource,
                         private http::BodySink {
 public:
    SocketLink(SocketEndpoint::Part& part, uint32_t index, SocketSlot& slot, const Wake& wake,
               void* state) noexcept;
    ~SocketLink();

    /// The head of the answer: 101 with these lines and, unless empty, the subprotocol.
    [[nodiscard]] bool prepare(std::string_view key, std::string_view protocol,
                               const ringtime_field_line* lines, size_t count) noexcept;
    [[nodiscard]] ringtime_socket name() const noexcept { return name_; }

    /// Never opened, and nobody is told of its end.
    void disown() noexcept { told_ = true; }
    /// Takes a frame over that was counted in the slot; a closed socket drops it.
    void queue(SharedBytes& frame) noexcept;
    void close(uint16_t code, std::string_view reason) noexcept;
    /// Time for a ping; a client that was silent since the last two is gone.
    void ping() noexcept;

    // Answer
    [[nodiscard]] Phase advance() noexcept override { return Phase::headed; }
    [[nodiscard]] const http::ResponseHead& head() const noexcept override { return head_; }
    [[nodiscard]] http::BodySource& body() noexcept override { return *this; }
    [[nodiscard]] http::BodySink* request_body() noexcept override { return this; }
    [[nodiscard]] Error error() const noexcept override;
    void release() noexcept override;

 private:
    enum class State : uint8_t { open, close_sent, closed };
    struct Node {
        Node* next;
        SharedBytes* frame;
    };

    // BodySource: to the client.
    [[nodiscard]] http::Pull pull(Piece& out, uint32_t max) noexcept override;
    [[nodiscard]] uint64_t length() const noexcept override { return unknown_length; }
    // BodySink: from the client.
    [[nodiscard]] uint32_t room() const noexcept override;
    void push(const Piece& piece) noexcept override;
    void finish() noexcept override;

    void take_in(const char* data, size_t size) noexcept;
    void take_data(const http::SocketDecoder::Step& step) noexcept;
    [[nodiscard]] bool keep(std::string_view data) noexcept;
    void hand_over(http::SocketOpcode kind, std::string_view message) noexcept;
    void send_close(uint16_t code, std::string_view reason) noexcept;
    void say_closed(uint16_t code, std::string_view reason) noexcept;
    void cut() noexcept;
    void drop_queue() noexcept;
    void sent_out(uint64_t size) noexcept;
    [[nodiscard]] bool next_frame() noexcept;
    static void replace(SharedBytes*& place, SharedBytes* frame) noexcept;
    static void on_deadline(loop::Timer& timer) noexcept;

    SocketEndpoint::Part& part_;
    uint32_t index_;
    ringtime_socket name_;
    SocketSlot& slot_;
    Wake wake_;
    void* state_;
    http::SocketDecoder decoder_;
    http::ResponseHead head_;
    std::unique_ptr<char[]> head_text_;
    State phase_ = State::open;
    bool opened_ = false;  ///< on_open was called.
    bool told_ = false;    ///< on_close was called.
    bool cut_ = false;
    uint8_t silent_ = 0;   ///< Pings since the client was last heard.
    // Outgoing: the frame that is leaving, control frames that overtake, messages, the close.
    SharedBytes* leaving_ = nullptr;
    size_t left_ = 0;             ///< Bytes of it that have gone.
    bool leaving_counted_ = false;
    SharedBytes* pong_ = nullptr;  ///< The latest alone: §5.5.3.
    SharedBytes* ping_ = nullptr;
    SharedBytes* close_ = nullptr;
    Node* first_ = nullptr;
    Node* last_ = nullptr;
    // Incoming: a message that did not come in one piece.
    char* message_ = nullptr;
    size_t message_size_ = 0;
    size_t message_capacity_ = 0;
    loop::Timer timer_;  ///< For the answer to our close.
};

}  // namespace ringtime::hook
