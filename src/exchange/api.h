#pragma once
// Administration as an exchange sees it. What the API means is runtime's: a request under the API
// prefix is admitted here on its core (who asks, what for, how much body), its body is gathered,
// and both go to a control thread, which may take its time. The exchange waits as it does for any
// target; the reply comes back through the core's mailbox. A client that leaves costs nothing: its
// call is abandoned where it stands.
//
// Not the data path: calls are few, bounded (limits::api_calls_per_core), and take memory.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "exchange/sink.h"
#include "http/body.h"
#include "loop/reactor.h"

namespace ringtime::exchange {

enum class Role : uint8_t { none, viewer, editor, admin };

/// What is known of a request under the API when its head has arrived. data() null: absent.
struct ApiQuestion {
    http::Method method = http::Method::other;
    Entrance entrance = Entrance::public_;
    std::string_view path;  ///< Canonical, the API's base stripped: `/plugins`.
    std::string_view host;  ///< Authority, with its port when it has one.
    std::string_view origin;
    std::string_view authorization;
    std::string_view api_key;
};

struct ApiAdmission {
    Reason refusal = Reason::none;
    std::string_view message;      ///< Static text, instead of the reason's own; may be empty.
    http::MethodSet allowed = 0;   ///< With method_not_allowed.
    uint32_t endpoint = 0;
    Role role = Role::none;
    std::string caller;            ///< For the log: the name of the key.
    uint64_t body_bytes_max = 0;
};

/// A body in blocks: growing it never moves what is there.
class BlockText {
 public:
    void append(std::string_view text);
    [[nodiscard]] size_t size() const noexcept { return size_; }
    [[nodiscard]] size_t blocks() const noexcept { return blocks_.size(); }
    [[nodiscard]] std::string_view block(size_t index) const noexcept;
    /// All of it in one piece; for small ones.
    [[nodiscard]] std::string text() const;

 private:
    static constexpr size_t block_bytes = 64 * 1024;
    std::vector<std::unique_ptr<char[]>> blocks_;
    size_t size_ = 0;
};

struct ApiRequest {
    uint32_t endpoint = 0;
    Role role = Role::none;
    std::string caller;
    std::string path;   ///< As in ApiQuestion.
    std::string query;
    std::string request_id;
    BlockText body;
};

struct ApiReply {
    uint16_t status = 200;
    std::string content_type = "application/json";
    std::string body;
};

class ApiCall;

/// The API's other side; implemented by runtime. Called on the cores, does not block.
class ApiService {
 public:
    [[nodiscard]] virtual ApiAdmission admit(const ApiQuestion& question) const noexcept = 0;
    /// Takes the call over until its reply(). False: too many are waiting.
    [[nodiscard]] virtual bool submit(ApiCall& call) noexcept = 0;

 protected:
    ~ApiService() = default;
};

/// The calls of one core. Outlived by none that could still write to the core: see settled().
class ApiCalls {
 public:
    explicit ApiCalls(loop::Reactor& reactor) noexcept : reactor_(reactor) {}
    ~ApiCalls();

    /// Null at the limit. `waker` runs when the answer could go on, and outlives it.
    [[nodiscard]] http::Answer* start(ApiService& service, ApiRequest request,
                                      uint64_t body_bytes_max, loop::Runnable& waker) noexcept;
    /// No reply is on its way here.
    [[nodiscard]] bool settled() const noexcept { return returning_ == 0; }

 private:
    friend class ApiCall;
    loop::Reactor& reactor_;
    size_t open_ = 0;       ///< Calls the core knows of.
    size_t returning_ = 0;  ///< Of those, given up after their reply had been posted.
};

/// One call. Belongs to the core until it is submitted, to both sides until the reply, then to the
/// core again; whoever finds that the other has left takes it away.
class ApiCall final : public http::Answer,
                      public http::BodySink,
                      public http::BodySource,
                      public PieceOwner {
 public:
    // --- For the control thread ---
    [[nodiscard]] ApiRequest& request() noexcept { return request_; }
    /// Nobody waits for the reply any more: long work may be left undone.
    [[nodiscard]] bool abandoned() const noexcept {
        return state_.load(std::memory_order_relaxed) == State::abandoned;
    }
    /// Exactly once; the call may not be touched afterwards.
    void reply(ApiReply reply) noexcept;

    // --- http::Answer ---
    [[nodiscard]] Phase advance() noexcept override;
    [[nodiscard]] const http::ResponseHead& head() const noexcept override { return head_; }
    [[nodiscard]] http::BodySource& body() noexcept override { return *this; }
    [[nodiscard]] http::BodySink* request_body() noexcept override { return this; }
    [[nodiscard]] Error error() const noexcept override { return error_; }
    void release() noexcept override;
    // --- http::BodySink: the request's body ---
    [[nodiscard]] uint32_t room() const noexcept override;
    void push(const Piece& piece) noexcept override;
    void finish() noexcept override;
    // --- http::BodySource: the reply's ---
    [[nodiscard]] http::Pull pull(Piece& out, uint32_t max) noexcept override;
    [[nodiscard]] uint64_t length() const noexcept override { return reply_.body.size(); }
    // --- PieceOwner ---
    void release_piece(uint64_t token) noexcept override;

 private:
    friend class ApiCalls;
    enum class State : uint8_t { gathering, waiting, replied, abandoned };

    ApiCall(ApiCalls& calls, ApiService& service, ApiRequest request, uint64_t body_bytes_max,
            loop::Runnable& waker) noexcept;
    ~ApiCall() = default;
    void came_back() noexcept;
    void delete_unless_lent() noexcept;

    ApiCalls& calls_;
    ApiService& service_;
    loop::Runnable& waker_;
    ApiRequest request_;
    ApiReply reply_;
    uint64_t body_bytes_max_;
    std::atomic<State> state_{State::gathering};
    bool headed_ = false;    ///< The reply is here.
    bool released_ = false;  ///< The exchange has let go.
    size_t pulled_ = 0;
    size_t lent_ = 0;        ///< Pieces of the reply's body still on their way.
    Error error_;
    http::ResponseHead head_;
    char head_text_[256];
};

}  // namespace ringtime::exchange
