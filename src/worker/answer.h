#pragma once
// One request's attempt at a worker: waits in the app's queue, is handed to an instance, receives
// head and body out of region B, feeds the request's body into region A. Belongs to the exchange
// until release(); lives in the core's slab.

#include <cstdint>

#include "http/body.h"
#include "loop/reactor.h"
#include "worker/link.h"
#include "worker/spec.h"

namespace ringtime::worker {

class CorePool;

/// Bytes of region B that wait to be pulled. `free_begin` <= `begin`: what goes back with them.
struct Chunk {
    Chunk* next = nullptr;
    uint32_t free_begin = 0;
    uint32_t begin = 0;
    uint32_t end = 0;
};

class WorkerAnswer final : public ListNode,
                           public http::Answer,
                           public http::BodySource,
                           public http::BodySink {
  public:
    WorkerAnswer(CorePool& pool, const WorkerRequest& request, loop::Runnable& waker) noexcept;
    WorkerAnswer(const WorkerAnswer&) = delete;
    WorkerAnswer& operator=(const WorkerAnswer&) = delete;

    // http::Answer
    [[nodiscard]] Phase advance() noexcept override;
    [[nodiscard]] const http::ResponseHead& head() const noexcept override { return head_; }
    void take_interim() noexcept override { interim_ = false; }
    [[nodiscard]] http::BodySource& body() noexcept override { return *this; }
    [[nodiscard]] http::BodySink* request_body() noexcept override { return this; }
    [[nodiscard]] Error error() const noexcept override { return error_; }
    void release() noexcept override;
    // http::BodySource: the answer's body
    [[nodiscard]] http::Pull pull(Piece& out, uint32_t max) noexcept override;
    [[nodiscard]] uint64_t length() const noexcept override { return body_length_; }
    // http::BodySink: the request's body
    [[nodiscard]] uint32_t room() const noexcept override;
    void push(const Piece& piece) noexcept override;
    void finish() noexcept override;
    [[nodiscard]] bool lends_memory() const noexcept override { return takes_body(); }
    [[nodiscard]] char* reserve(uint32_t& size) noexcept override;
    void commit(uint32_t size) noexcept override;

    // For the pool
    [[nodiscard]] const WorkerRequest& request() const noexcept { return request_; }
    [[nodiscard]] Nanoseconds queued_at() const noexcept { return queued_at_; }
    void enqueue(Nanoseconds now, Nanoseconds deadline) noexcept;
    void fail(Reason reason, Source source, uint32_t detail = 0) noexcept;

    // For its link. Each refers to the slot the answer was handed over in.
    void handed_over(Link& link, uint32_t slot, Nanoseconds deadline) noexcept;
    /// False: the worker broke a rule.
    [[nodiscard]] bool take_head(uint32_t offset, uint32_t head_bytes, uint32_t length) noexcept;
    [[nodiscard]] bool take_body(uint32_t offset, uint32_t length) noexcept;
    [[nodiscard]] bool take_end() noexcept;
    void memory_came_back() noexcept;
    /// Whether it could wait for another instance.
    [[nodiscard]] bool may_be_recalled() const noexcept {
        return stage_ == Stage::handed && body_sent_ == 0 && !reserved_ && recalls_ < recalls_max;
    }
    /// Taken back before it was begun: waits for another instance.
    void recalled() noexcept;
    /// The process is gone, or may not be listened to any longer.
    // tidy: allow(bool-parameter) what the worker said of the request
    void worker_lost(bool begun, Reason reason) noexcept;

  private:
    enum class Stage : uint8_t { made, queued, handed, headed, failed };

    [[nodiscard]] bool connected() const noexcept { return slot_ != no_slot; }
    [[nodiscard]] bool takes_body() const noexcept;
    [[nodiscard]] bool bodyless() const noexcept;
    [[nodiscard]] char* head_memory(uint32_t size) noexcept;
    void feed() noexcept;
    void drop_chunks() noexcept;
    void drop_head() noexcept;
    void disconnect() noexcept;
    // tidy: allow(bool-parameter) what the worker said of the request
    [[nodiscard]] bool may_retry(bool begun) const noexcept;
    void wait_again() noexcept;
    void wake() noexcept;
    static void on_deadline(loop::Timer& timer) noexcept;

    static constexpr uint32_t no_slot = UINT32_MAX;

    CorePool& pool_;
    loop::Runnable& waker_;
    Link* link_ = nullptr;
    uint32_t slot_ = no_slot;  ///< Until the worker has ended the exchange.
    uint32_t exchange_ = 0;
    Chunk* first_chunk_ = nullptr;
    Chunk* last_chunk_ = nullptr;
    uint32_t chunk_count_ = 0;
    uint32_t held_done_ = 0;
    Piece held_;  ///< A piece of the request's body that found no memory yet.
    char* reserved_ = nullptr;
    uint32_t reserved_size_ = 0;
    uint64_t body_length_ = unknown_length;
    uint64_t body_received_ = 0;
    uint64_t body_sent_ = 0;
    Nanoseconds queued_at_ = 0;
    Error error_;
    Stage stage_ = Stage::made;
    uint8_t attempts_ = 0;
    uint8_t recalls_ = 0;
    uint8_t interims_ = 0;
    bool interim_ = false;
    bool ended_ = false;
    bool body_finished_ = false;
    bool holds_piece_ = false;
    mutable Link::Starved starved_;
    loop::Timer timer_;
    char* head_block_ = nullptr;  ///< A head too large for head_bytes_.
    WorkerRequest request_;
    http::ResponseHead head_;
    char head_bytes_[inline_head_bytes];
};

}  // namespace ringtime::worker
