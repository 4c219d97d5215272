#pragma once
// One connected socket on its core: what arrived and was not consumed, and what is queued to leave.
// Owns its reader: the receive mode says into which buffers bytes come, and pausing it is the
// back-pressure. Sends are collected during a turn and leave as one operation; there is never more
// than one in flight, nor more than one receive. The owner is woken for every change and asks what
// it was.
//
// Teardown is shutdown -> join -> close: close() cancels, waits for every operation, closes, and
// then wakes the owner with closed() true; only then may the stream die or be opened again.

#include <cstdint>
#include <string_view>

#include "base/piece.h"
#include "net/address.h"
#include "net/io.h"
#include "loop/reactor.h"
#include "ring/op.h"

namespace ringtime::net {

/// Into which buffers bytes are received.
enum class Receive : uint8_t {
    off,    ///< Nothing is asked for; what the kernel delivered meanwhile stays readable.
    small,  ///< Heads: small buffers, repeatedly, while the socket is watched.
    bulk,   ///< Bodies and answers: large buffers.
    first,  ///< One small buffer at a time: where what follows may be better left in the kernel.
    watch,  ///< Into no buffers: splice_to() or receive_into() takes them, or another mode later.
};

class Stream final : public loop::Flushable {
 public:
    explicit Stream(Io& io) noexcept;
    ~Stream();
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    /// Takes over a connected descriptor. Precondition: closed().
    void open(int fd, loop::Runnable& owner) noexcept;
    /// Starts connecting; connected() or failed() tells the outcome. False when the process is out
    /// of descriptors (failed() is set). `endpoint` outlives the attempt.
    bool connect(const Endpoint& endpoint, loop::Runnable& owner) noexcept;
    void set_owner(loop::Runnable& owner) noexcept { owner_ = &owner; }

    [[nodiscard]] bool closed() const noexcept { return state_ == State::closed; }
    [[nodiscard]] bool connected() const noexcept { return state_ == State::open; }
    [[nodiscard]] bool closing() const noexcept { return state_ == State::closing; }
    [[nodiscard]] int fd() const noexcept { return fd_; }
    /// The errno that ended the stream or the attempt to connect; 0 when nothing did.
    [[nodiscard]] int error() const noexcept { return error_; }

    // --- Receiving ---
    void receive(Receive mode) noexcept;
    [[nodiscard]] Receive receive_mode() const noexcept { return mode_; }
    /// The unread bytes of the oldest buffer; empty when there are none.
    /// Nothing more is asked for while several buffers are unread: that is the back-pressure.
    [[nodiscard]] std::string_view readable() const noexcept;
    /// Unread bytes lie in a second buffer behind readable().
    [[nodiscard]] bool more_readable() const noexcept { return first_buffer_ != last_buffer_; }
    void consume(uint32_t size) noexcept;
    /// The next `size` readable bytes as a piece that keeps its buffer; consumes them.
    [[nodiscard]] Piece take(uint32_t size) noexcept;
    /// A reference to the oldest buffer, for views that outlive consume(). Release by the piece.
    [[nodiscard]] Piece pin() noexcept;
    /// Moves what has arrived, at most `size` bytes, into an empty pipe, without a copy. 0: there
    /// is nothing now, and the owner is woken when that changes. Precondition: in mode watch,
    /// nothing readable.
    [[nodiscard]] uint64_t splice_to(int pipe, uint64_t size) noexcept;
    /// Takes what has arrived, at most `size` bytes, into memory of the caller's. 0, and the
    /// precondition: as above. Memory of others is thus not held while nothing comes.
    [[nodiscard]] uint32_t receive_into(char* memory, uint32_t size) noexcept;
    /// The kernel was asked for bytes and has none yet.
    [[nodiscard]] bool waits() const noexcept { return receive_op_.in_flight; }
    /// How many bytes can still come; UINT64_MAX while the peer has not ended. Who asks for none
    /// hears of no end, nor of a reset, which this finds as well (failed()). Precondition:
    /// connected(), not waits().
    [[nodiscard]] uint64_t look_for_end() noexcept;
    /// The peer has sent everything (FIN). Bytes may still be readable.
    [[nodiscard]] bool ended() const noexcept { return ended_; }
    /// Reset, or any other error: nothing more can be sent, nor received unless more_may_come().
    [[nodiscard]] bool failed() const noexcept { return error_ != 0; }
    /// It failed because the peer takes no more, but what that said before may still be read: the
    /// owner is woken for it, or asks. A server may answer and close before it has read a request.
    [[nodiscard]] bool more_may_come() const noexcept {
        bool asked = receive_op_.in_flight || buffer_waiter_.linked() || mode_ == Receive::watch;
        return refused_ && !ended_ && asked;
    }

    // --- Changing cores ---
    /// Stops receiving for good; the owner is woken when the kernel has let go. Precondition:
    /// connected(), nothing queued.
    void hold_still() noexcept;
    /// The kernel uses the socket no more.
    [[nodiscard]] bool still() const noexcept {
        return !receive_op_.in_flight && !send_op_.in_flight;
    }
    /// The descriptor, which is the caller's from here on: closed(), but nothing was. Precondition:
    /// still(), nothing readable.
    [[nodiscard]] int release() noexcept;

    // --- Sending ---
    /// Queues a piece; released when sent or dropped. Precondition: connected() or connecting.
    void push(const Piece& piece) noexcept;
    /// Bytes queued and not yet taken by the kernel.
    [[nodiscard]] uint64_t queued() const noexcept {
        // What is left of a file counts, though nobody knows its size here.
        return queued_ + (waits_for_peer_ ? 1 : 0);
    }
    /// Bytes that may be queued now. Less than a window's worth when the peer is slow, and when the
    /// core's buffers run low: what one peer leaves untaken must not be missing for the others.
    [[nodiscard]] uint32_t room() const noexcept;
    /// Sum of bytes the kernel has taken, for stall detection.
    [[nodiscard]] uint64_t sent() const noexcept { return sent_; }
    /// No send is in flight that the bytes of a file would have to wait for.
    [[nodiscard]] bool takes_files() const noexcept {
        return state_ == State::open && !failed() && !fin_wanted_ && !send_op_.in_flight;
    }
    /// Sends at once, without a copy, what is queued and then what the peer takes of a file that
    /// lies in memory; returns how much of the file that was. When it is less than `size` there is
    /// no room() until the peer has taken something. Precondition: takes_files().
    uint64_t send_file(int file, uint64_t offset, uint64_t size) noexcept;
    /// The same for bytes that wait in a pipe.
    uint64_t send_pipe(int pipe, uint64_t size) noexcept;
    /// After everything queued has left, sends FIN.
    void finish_sending() noexcept;
    [[nodiscard]] bool sending_finished() const noexcept { return fin_sent_; }

    /// Drops what is queued and unread, and closes. `abortive`: by reset, so that the peer sees
    /// that the stream was cut.
    enum class Close : uint8_t { graceful, abortive };
    void close(Close how) noexcept;

    void flush() noexcept override;

 private:
    enum class State : uint8_t { closed, connecting, open, closing };

    [[nodiscard]] bool extend_last(const Piece& piece) noexcept;
    [[nodiscard]] bool heard_all() const noexcept { return ended_ || (failed() && !refused_); }
    void start_receive() noexcept;
    void stop_receive() noexcept;
    void await_bytes() noexcept;
    void on_received(const ring::Op& op) noexcept;
    void on_sent(int32_t result) noexcept;
    void on_connected(int32_t result) noexcept;
    void on_send_op(const ring::Op& op) noexcept;
    void release_sent(uint32_t bytes) noexcept;
    [[nodiscard]] uint32_t unread_buffers_max() const noexcept;
    [[nodiscard]] bool is_buffer(const Piece& piece) const noexcept;
    void release_queued(const Piece& piece) noexcept;
    [[nodiscard]] bool send_queue_now() noexcept;
    template <typename Send> uint64_t send_from_kernel(uint64_t size, Send send) noexcept;
    void wait_for_peer() noexcept;
    void drop_queue() noexcept;
    void fail(int error) noexcept;
    void fail_to_send(int error) noexcept;
    void maybe_close() noexcept;
    void wake() noexcept {
        if (owner_) io_.reactor.wake(*owner_);
    }
    void append(ring::BufferGroup group, uint16_t id) noexcept;
    void submit_send(SendBlock& block) noexcept;

    // Unread buffers of both pools stand in one queue: the top bit of a tag says which pool.
    static constexpr uint16_t kBulkTag = 0x8000;
    static constexpr uint16_t kNoBuffer = ring::BufferPool::no_buffer;
    [[nodiscard]] ring::BufferPool& pool_of(uint16_t tag) const noexcept {
        return io_.reactor.ring().buffers(tag & kBulkTag ? ring::BufferGroup::bulk
                                                         : ring::BufferGroup::small);
    }
    static uint16_t id_of(uint16_t tag) noexcept { return tag & 0x7fff; }

    Io& io_;
    loop::Runnable* owner_ = nullptr;
    ring::Op receive_op_;
    ring::Op send_op_;  ///< Connecting, sending, closing: one at a time.
    SendBlock* first_block_ = nullptr;
    SendBlock* last_block_ = nullptr;
    uint64_t queued_ = 0;
    uint64_t sent_ = 0;
    loop::Reactor::BufferWaiter buffer_waiter_;
    int fd_ = -1;
    int error_ = 0;
    uint16_t first_buffer_ = kNoBuffer;
    uint16_t last_buffer_ = kNoBuffer;
    uint16_t unread_buffers_ = 0;
    uint16_t queued_buffers_ = 0;  ///< Queued pieces that keep a receive buffer.
    State state_ = State::closed;
    Receive mode_ = Receive::off;
    bool ended_ = false;
    bool fin_wanted_ = false;
    bool fin_sent_ = false;
    bool waits_for_peer_ = false;  ///< With a file to send: for the socket to take more.
    bool holds_still_ = false;
    bool refused_ = false;  ///< Only sending has failed so far.
};

}  // namespace ringtime::net
