#include "net/stream.h"

#include <poll.h>

#include <cerrno>
#include <utility>

#include "base/assert.h"
#include "ring/direct.h"

namespace ringtime::net {

using ring::BufferGroup;
using ring::OpKind;

namespace {

// Buffers of one direction of a relay when there are enough of them: unread ones at which a stream
// stops asking for more, and those that may be queued.
constexpr uint32_t kWindowBuffers = limits::relay_window_bytes / limits::bulk_buffer_bytes > 2
                                        ? limits::relay_window_bytes / limits::bulk_buffer_bytes
                                        : 2;
// Several pieces may come from one buffer: that many on average are not held against a stream.
constexpr uint32_t kPiecesPerBuffer = 2;

void fill_message(SendBlock& block) noexcept {
    uint32_t count = block.count - block.first;
    for (uint32_t i = 0; i < count; ++i) {
        const Piece& piece = block.pieces[block.first + i];
        block.vectors[i] = {const_cast<char*>(piece.data), piece.size};
    }
    block.message = {};
    block.message.msg_iov = block.vectors;
    block.message.msg_iovlen = count;
}

/// What a receive may end with that says nothing about the connection.
bool passes(int32_t result) noexcept {
    return result == -ECANCELED || result == -EINTR || result == -EAGAIN || result == -ENOBUFS;
}

}  // namespace

Stream::Stream(Io& io) noexcept : io_(io) {
    receive_op_.owner = this;
    receive_op_.on_complete = [](ring::Op& op) noexcept {
        static_cast<Stream*>(op.owner)->on_received(op);
    };
    send_op_.owner = this;
    send_op_.on_complete = [](ring::Op& op) noexcept {
        static_cast<Stream*>(op.owner)->on_send_op(op);
    };
    buffer_waiter_.owner = this;
    buffer_waiter_.on_available = [](loop::Reactor::BufferWaiter& waiter) noexcept {
        static_cast<Stream*>(waiter.owner)->start_receive();
    };
}

Stream::~Stream() {
    ASSERT(closed());
    ASSERT(!receive_op_.in_flight && !send_op_.in_flight);
}

void Stream::open(int fd, loop::Runnable& owner) noexcept {
    ASSERT(closed());
    fd_ = fd;
    owner_ = &owner;
    state_ = State::open;
    error_ = 0;
    mode_ = Receive::off;
    queued_ = sent_ = 0;
    ended_ = fin_wanted_ = fin_sent_ = holds_still_ = refused_ = false;
}

bool Stream::connect(const Endpoint& endpoint, loop::Runnable& owner) noexcept {
    int fd = ring::open_socket(endpoint.family());
    if (fd < 0) {
        error_ = -fd;
        return false;
    }
    open(fd, owner);
    state_ = State::connecting;
    send_op_.kind = OpKind::connect;
    send_op_.fd = fd;
    send_op_.address = const_cast<sockaddr*>(endpoint.address());
    send_op_.length = endpoint.size;
    io_.reactor.ring().submit(send_op_);
    return true;
}

// --- Receiving ---

void Stream::receive(Receive mode) noexcept {
    if (mode == mode_) return;
    mode_ = mode;
    if (receive_op_.in_flight) {
        // A multishot receive goes on until told otherwise; its last completion starts the new
        // mode. A single one takes at most one more buffer and is left alone.
        if (receive_op_.kind == OpKind::receive_multishot) io_.reactor.ring().cancel(receive_op_);
    } else {
        start_receive();
    }
}

void Stream::start_receive() noexcept {
    bool wanted = mode_ != Receive::off && mode_ != Receive::watch;
    if (!wanted || state_ != State::open || heard_all() || receive_op_.in_flight ||
        buffer_waiter_.linked() || unread_buffers_ >= unread_buffers_max())
        return;
    ring::Ring& ring = io_.reactor.ring();
    receive_op_.group = mode_ == Receive::bulk ? BufferGroup::bulk : BufferGroup::small;
    // One that repeats may fill many buffers before it hears that they are too many: not when half
    // of them are in use.
    ring::BufferPool& pool = ring.buffers(receive_op_.group);
    bool multishot = mode_ != Receive::first && ring.features().receive_multishot &&
                     pool.available() >= pool.count() / 2;
    receive_op_.kind = multishot ? OpKind::receive_multishot : OpKind::receive;
    receive_op_.fd = fd_;
    receive_op_.flags = 0;
    ring.submit(receive_op_);
}

uint32_t Stream::unread_buffers_max() const noexcept {
    if (mode_ == Receive::first) return 1;
    BufferGroup group = mode_ == Receive::bulk ? BufferGroup::bulk : BufferGroup::small;
    return io_.reactor.ring().buffers(group).share(kWindowBuffers);
}

void Stream::append(BufferGroup group, uint16_t id) noexcept {
    auto tag = static_cast<uint16_t>(id | (group == BufferGroup::bulk ? kBulkTag : 0));
    if (last_buffer_ == kNoBuffer) {
        first_buffer_ = tag;
    } else {
        pool_of(last_buffer_).slice(id_of(last_buffer_)).next = tag;
    }
    last_buffer_ = tag;
    ++unread_buffers_;
}

void Stream::on_received(const ring::Op& op) noexcept {
    if (state_ != State::open) {
        if (op.has_buffer) io_.reactor.ring().buffers(op.group).release(op.buffer);
        return maybe_close();
    }
    if (op.has_buffer) {
        append(op.group, op.buffer);
        // Again for each buffer: a cancellation may come too early to find the operation.
        bool enough = mode_ == Receive::off || mode_ == Receive::watch ||
                      unread_buffers_ >= unread_buffers_max();
        if (op.more && enough) io_.reactor.ring().cancel(receive_op_);
    } else if (op.kind == OpKind::poll && op.result > 0) {
        // Looked at by whoever is woken.
    } else if (op.result == 0) {
        ended_ = true;
    } else if (op.result == -ENOBUFS && mode_ != Receive::watch) {
        io_.reactor.wait_for_buffers(buffer_waiter_);
        return;
    } else if (!passes(op.result)) {
        fail(-op.result);
    }
    if (!op.more) start_receive();
    // Who watches, or wants to have the socket, has waited for an end of the receive before.
    if (op.result != -ECANCELED || holds_still_ || mode_ == Receive::watch) wake();
}

std::string_view Stream::readable() const noexcept {
    if (first_buffer_ == kNoBuffer) return {};
    ring::BufferPool& pool = pool_of(first_buffer_);
    const auto& slice = pool.slice(id_of(first_buffer_));
    return {pool.data(id_of(first_buffer_)) + slice.begin, slice.end - slice.begin};
}

void Stream::consume(uint32_t size) noexcept {
    if (size == 0) return;
    ring::BufferPool& pool = pool_of(first_buffer_);
    uint16_t id = id_of(first_buffer_);
    auto& slice = pool.slice(id);
    ASSERT(size <= slice.end - slice.begin);
    slice.begin += size;
    if (slice.begin < slice.end) return;
    first_buffer_ = slice.next;
    if (first_buffer_ == kNoBuffer) last_buffer_ = kNoBuffer;
    slice.next = kNoBuffer;
    pool.release(id);
    --unread_buffers_;
    start_receive();
}

Piece Stream::pin() noexcept {
    ring::BufferPool& pool = pool_of(first_buffer_);
    uint16_t id = id_of(first_buffer_);
    const auto& slice = pool.slice(id);
    pool.retain(id);
    return {pool.data(id) + slice.begin, slice.end - slice.begin, &pool, id};
}

Piece Stream::take(uint32_t size) noexcept {
    Piece piece = pin();
    ASSERT(size <= piece.size);
    piece.size = size;
    consume(size);
    return piece;
}

uint64_t Stream::splice_to(int pipe, uint64_t size) noexcept {
    ASSERT(mode_ == Receive::watch && first_buffer_ == kNoBuffer);
    // While a receive is being cancelled, or a poll says that there is nothing.
    if (state_ != State::open || receive_op_.in_flight || heard_all()) return 0;
    ssize_t moved;
    do {
        moved = ring::splice_bytes(fd_, pipe, size);
    } while (moved == -EINTR);
    if (moved > 0) return static_cast<uint64_t>(moved);
    if (moved == 0) {
        ended_ = true;
    } else if (moved == -EAGAIN) {
        await_bytes();
    } else {
        fail(static_cast<int>(-moved));
    }
    return 0;
}

uint32_t Stream::receive_into(char* memory, uint32_t size) noexcept {
    ASSERT(mode_ == Receive::watch && first_buffer_ == kNoBuffer);
    if (state_ != State::open || receive_op_.in_flight || heard_all()) return 0;
    ssize_t received;
    do {
        received = ring::receive_now(fd_, memory, size);
    } while (received == -EINTR);
    if (received == size) return size;
    if (received == 0) {
        ended_ = true;
    } else if (received > 0 || received == -EAGAIN) {
        await_bytes();  // Less than there was room for: that was all.
    } else {
        fail(static_cast<int>(-received));
    }
    return received > 0 ? static_cast<uint32_t>(received) : 0;
}

uint64_t Stream::look_for_end() noexcept {
    ASSERT(state_ == State::open && !receive_op_.in_flight);
    ring::PeerState peer = ring::look_at_peer(fd_);
    if (peer.error != 0) fail(peer.error);
    if (!peer.finished && !ended_) return UINT64_MAX;
    uint64_t bytes = peer.unread;
    for (uint16_t tag = first_buffer_; tag != kNoBuffer;) {
        const auto& slice = pool_of(tag).slice(id_of(tag));
        bytes += slice.end - slice.begin;
        tag = slice.next;
    }
    return bytes;
}

void Stream::await_bytes() noexcept {
    receive_op_.kind = OpKind::poll;
    receive_op_.group = BufferGroup::none;
    receive_op_.fd = fd_;
    receive_op_.flags = POLLIN;
    io_.reactor.ring().submit(receive_op_);
}

// --- Changing cores ---

void Stream::hold_still() noexcept {
    ASSERT(state_ == State::open && queued_ == 0);
    mode_ = Receive::off;
    holds_still_ = true;
    if (buffer_waiter_.linked()) buffer_waiter_.unlink();
    if (receive_op_.in_flight) io_.reactor.ring().cancel(receive_op_);
}

int Stream::release() noexcept {
    ASSERT(still() && first_buffer_ == kNoBuffer && !first_block_);
    loop::Reactor::forget(static_cast<loop::Flushable&>(*this));
    state_ = State::closed;
    return std::exchange(fd_, -1);
}

// --- Sending ---

uint32_t Stream::room() const noexcept {
    if (waits_for_peer_) return 0;
    uint32_t share = io_.reactor.ring().buffers(BufferGroup::bulk).share(kWindowBuffers);
    if (queued_buffers_ > (share - 1) * kPiecesPerBuffer) return 0;
    uint64_t window = uint64_t{limits::relay_window_bytes} * share / kWindowBuffers;
    return queued_ < window ? static_cast<uint32_t>(window - queued_) : 0;
}

bool Stream::is_buffer(const Piece& piece) const noexcept {
    ring::Ring& ring = io_.reactor.ring();
    return piece.owner == &ring.buffers(BufferGroup::bulk) ||
           piece.owner == &ring.buffers(BufferGroup::small);
}

void Stream::release_queued(const Piece& piece) noexcept {
    if (is_buffer(piece)) --queued_buffers_;
    piece.release();
}

// Text written behind text of the same block is one run of bytes: one piece goes out by send(2),
// two take sendmsg(2).
bool Stream::extend_last(const Piece& piece) noexcept {
    if (piece.owner != &io_.texts || last_block_->first == last_block_->count) return false;
    Piece& last = last_block_->pieces[last_block_->count - 1];
    bool behind = last.owner == piece.owner && last.token == piece.token &&
                  last.data + last.size == piece.data;
    if (!behind) return false;
    last.size += piece.size;
    queued_ += piece.size;
    piece.release();
    io_.reactor.flush_soon(*this);
    return true;
}

void Stream::push(const Piece& piece) noexcept {
    bool usable =
        (state_ == State::open || state_ == State::connecting) && !failed() && !fin_wanted_;
    if (!usable || piece.size == 0) return piece.release();
    // The block in flight is the kernel's: new pieces go behind it.
    bool in_kernel = send_op_.in_flight && send_op_.kind != OpKind::connect;
    bool open_block = last_block_ && !(in_kernel && last_block_ == first_block_);
    if (open_block && extend_last(piece)) return;
    if (!open_block || last_block_->full()) {
        SendBlock* block = io_.send_blocks.create();
        if (!block) {
            piece.release();
            return fail(ENOBUFS);
        }
        (last_block_ ? last_block_->next : first_block_) = block;
        last_block_ = block;
    }
    last_block_->pieces[last_block_->count++] = piece;
    queued_ += piece.size;
    if (is_buffer(piece)) ++queued_buffers_;
    io_.reactor.flush_soon(*this);
}

void Stream::finish_sending() noexcept {
    fin_wanted_ = true;
    io_.reactor.flush_soon(*this);
}

void Stream::flush() noexcept {
    if (state_ != State::open || send_op_.in_flight || failed()) return;
    if (first_block_) return submit_send(*first_block_);
    if (fin_wanted_ && !fin_sent_) {
        ring::shutdown_socket(fd_, ring::ShutdownSide::write);
        fin_sent_ = true;
        wake();
    }
}

void Stream::submit_send(SendBlock& block) noexcept {
    constexpr uint32_t kFlags = MSG_NOSIGNAL | MSG_WAITALL;
    send_op_.fd = fd_;
    send_op_.flags = kFlags;
    uint32_t count = block.count - block.first;
    if (count == 1) {
        const Piece& piece = block.pieces[block.first];
        send_op_.kind = OpKind::send;
        send_op_.address = const_cast<char*>(piece.data);
        send_op_.length = piece.size;
    } else {
        fill_message(block);
        send_op_.kind = OpKind::send_message;
        send_op_.address = &block.message;
        send_op_.length = 1;
    }
    io_.reactor.ring().submit(send_op_);
}

// --- Sending what the kernel has ---

// What the head of an answer needs is sent with its first bytes, in one segment.
bool Stream::send_queue_now() noexcept {
    while (first_block_) {
        SendBlock& block = *first_block_;
        fill_message(block);
        ssize_t sent = ring::send_now(fd_, block.message, MSG_MORE);
        if (sent == -EINTR) continue;
        if (sent == -EAGAIN) {
            wait_for_peer();
            return false;
        }
        if (sent <= 0) {
            fail_to_send(sent == 0 ? EPIPE : static_cast<int>(-sent));
            return false;
        }
        release_sent(static_cast<uint32_t>(sent));
    }
    return true;
}

template <typename Send> uint64_t Stream::send_from_kernel(uint64_t size, Send send) noexcept {
    if (!send_queue_now()) return 0;
    uint64_t done = 0;
    while (done < size) {
        ssize_t sent = send(done);
        if (sent > 0) {
            done += static_cast<uint64_t>(sent);
        } else if (sent == -EAGAIN) {
            wait_for_peer();
            break;
        } else if (sent != -EINTR) {
            fail_to_send(sent == 0 ? EIO : static_cast<int>(-sent));
            break;
        }
    }
    sent_ += done;
    return done;
}

uint64_t Stream::send_file(int file, uint64_t offset, uint64_t size) noexcept {
    return send_from_kernel(size, [&](uint64_t done) {
        return ring::send_file(fd_, file, offset + done, size - done);
    });
}

uint64_t Stream::send_pipe(int pipe, uint64_t size) noexcept {
    return send_from_kernel(
        size, [&](uint64_t done) { return ring::splice_bytes(pipe, fd_, size - done); });
}

void Stream::wait_for_peer() noexcept {
    waits_for_peer_ = true;
    send_op_.kind = OpKind::poll;
    send_op_.fd = fd_;
    send_op_.flags = POLLOUT;
    io_.reactor.ring().submit(send_op_);
}

void Stream::release_sent(uint32_t bytes) noexcept {
    queued_ -= bytes;
    sent_ += bytes;
    SendBlock* block = first_block_;
    while (bytes > 0) {
        ASSERT(block->first < block->count);
        Piece& piece = block->pieces[block->first];
        if (bytes < piece.size) {
            piece.data += bytes;
            piece.size -= bytes;
            return;
        }
        bytes -= piece.size;
        release_queued(piece);
        ++block->first;
    }
    if (block->first < block->count) return;
    first_block_ = block->next;
    if (!first_block_) last_block_ = nullptr;
    io_.send_blocks.destroy(block);
}

void Stream::on_sent(int32_t result) noexcept {
    if (result > 0) {
        release_sent(static_cast<uint32_t>(result));
    } else if (result != -EINTR && result != -EAGAIN && result != -ECANCELED) {
        fail_to_send(result == 0 ? EPIPE : -result);
    }
    if (failed()) drop_queue();
    if (first_block_ || fin_wanted_) io_.reactor.flush_soon(*this);
    wake();
}

void Stream::on_connected(int32_t result) noexcept {
    if (result < 0) {
        fail(-result);
    } else {
        state_ = State::open;
        start_receive();
        if (first_block_) io_.reactor.flush_soon(*this);
    }
    wake();
}

void Stream::on_send_op(const ring::Op& op) noexcept {
    if (op.kind == OpKind::close) {
        // Linux closes the descriptor whatever close reports; -EBADF or -EINVAL would be our
        // mistake.
        ASSERT(op.result != -EBADF && op.result != -EINVAL);
        state_ = State::closed;
        fd_ = -1;
        wake();
    } else if (state_ == State::closing) {
        maybe_close();
    } else if (op.kind == OpKind::connect) {
        on_connected(op.result);
    } else if (op.kind == OpKind::poll) {
        waits_for_peer_ = false;
        if (failed()) drop_queue();
        if (first_block_ || fin_wanted_) io_.reactor.flush_soon(*this);
        wake();
    } else {
        on_sent(op.result);
    }
}

void Stream::drop_queue() noexcept {
    while (SendBlock* block = first_block_) {
        first_block_ = block->next;
        for (uint32_t i = block->first; i < block->count; ++i) release_queued(block->pieces[i]);
        io_.send_blocks.destroy(block);
    }
    last_block_ = nullptr;
    queued_ = 0;
}

void Stream::fail(int error) noexcept {
    if (!error_) error_ = error;
    refused_ = false;
    if (!send_op_.in_flight) drop_queue();
    wake();
}

void Stream::fail_to_send(int error) noexcept {
    bool first = !failed();
    fail(error);
    refused_ = first && (error == EPIPE || error == ECONNRESET);
}

// --- Teardown ---

void Stream::close(Close how) noexcept {
    if (state_ == State::closed || state_ == State::closing) return;
    state_ = State::closing;
    mode_ = Receive::off;
    loop::Reactor::forget(*this);
    if (buffer_waiter_.linked()) buffer_waiter_.unlink();
    while (first_buffer_ != kNoBuffer) consume(static_cast<uint32_t>(readable().size()));
    if (how == Close::abortive) ring::abort_on_close(fd_);
    if (receive_op_.in_flight || send_op_.in_flight) io_.reactor.ring().cancel_all(fd_);
    maybe_close();
}

void Stream::maybe_close() noexcept {
    if (state_ != State::closing || receive_op_.in_flight || send_op_.in_flight) return;
    drop_queue();
    send_op_.kind = OpKind::close;
    send_op_.fd = fd_;
    io_.reactor.ring().submit(send_op_);
}

}  // namespace ringtime::net
