// What ring/ring.h, ring/op.h and ring/direct.h promise, tried on both back ends: the same source is
// linked with the kernel's and with the simulated one, so the simulation cannot drift from the kernel.

#include <gtest/gtest.h>

#include <fcntl.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <string>
#include <vector>

#include "back_end.h"
#include "base/fd.h"
#include "base/limits.h"
#include "ring/direct.h"
#include "ring/ring.h"

namespace ringtime::ring {
namespace {

constexpr Nanoseconds kStep = kNanosecondsPerMillisecond;
constexpr unsigned kPatience = 5000;

/// An operation that keeps a record of its completions, and the bytes they brought.
struct Recorded {
    Op op;
    std::vector<int32_t> results;
    std::string bytes;
    std::vector<uint16_t> buffers;
    Ring* ring = nullptr;
    bool keeps_buffers = false;
    std::function<void()> then;

    Recorded(OpKind kind, int fd) {
        op.kind = kind;
        op.fd = fd;
        op.owner = this;
        op.on_complete = [](Op& done) noexcept { static_cast<Recorded*>(done.owner)->note(); };
    }
    void note() {
        results.push_back(op.result);
        if (op.has_buffer) {
            BufferPool& pool = ring->buffers(op.group);
            EXPECT_EQ(pool.slice(op.buffer).references, 1);
            EXPECT_EQ(pool.slice(op.buffer).end, static_cast<uint32_t>(op.result));
            bytes.append(pool.data(op.buffer), static_cast<size_t>(op.result));
            if (keeps_buffers) {
                buffers.push_back(op.buffer);
            } else {
                pool.release(op.buffer);
            }
        }
        if (then) then();
    }
    [[nodiscard]] bool done() const { return !results.empty() && !op.in_flight; }
    [[nodiscard]] int32_t last() const { return results.empty() ? INT32_MIN : results.back(); }
};

class RingContract : public ::testing::TestWithParam<unsigned> {
 protected:
    void SetUp() override {
        outside_ = Outside::make(GetParam());
        open_ring({});
    }
    void TearDown() override {
        for (int fd : fds_) close(fd);
        ring_.reset();
    }
    void open_ring(const RingOptions& wanted) {
        RingOptions options = wanted;
        options.small_buffer_bytes = 512;
        options.small_buffers = 4;
        options.bulk_buffer_bytes = 4096;
        options.bulk_buffers = 4;
        std::string problem;
        ring_.reset();
        ring_ = Ring::open(options, problem);
        ASSERT_TRUE(ring_) << problem;
    }
    Outside::Connected connected() {
        Outside::Connected made = outside_->connected();
        fds_.push_back(made.fd);
        return made;
    }
    void start(Recorded& recorded) {
        recorded.ring = ring_.get();
        ring_->submit(recorded.op);
    }
    void run_until(const std::function<bool()>& condition) {
        for (unsigned i = 0; i < kPatience && !condition(); ++i) ring_->enter(kStep);
        EXPECT_TRUE(condition());
    }
    void run_for(Nanoseconds time) {
        const Nanoseconds end = ring_->clock() + time;
        while (ring_->clock() < end) ring_->enter(kStep);
    }
    void complete(Recorded& recorded) {
        start(recorded);
        run_until([&] { return recorded.done(); });
    }
    void close(int fd) {
        Recorded closing(OpKind::close, fd);
        complete(closing);
        EXPECT_EQ(closing.last(), 0);
    }
    void give_back(Recorded& recorded) {
        for (uint16_t id : recorded.buffers) ring_->buffers(recorded.op.group).release(id);
        recorded.buffers.clear();
    }

    std::unique_ptr<Outside> outside_;
    std::unique_ptr<Ring> ring_;
    std::vector<int> fds_;
};

// A Recorded must not move once its address is in the operation: these build in place.
struct Receive : Recorded {
    Receive(int fd, BufferGroup group) : Recorded(OpKind::receive, fd) { op.group = group; }
};
struct Send : Recorded {
    Send(int fd, std::string_view text, uint32_t flags = MSG_NOSIGNAL | MSG_WAITALL)
        : Recorded(OpKind::send, fd) {
        op.address = const_cast<char*>(text.data());
        op.length = static_cast<uint32_t>(text.size());
        op.flags = flags;
    }
};

// --- Queues and time ---

TEST_P(RingContract, a_nop_completes_once_and_is_over_when_its_handler_runs) {
    Recorded nop(OpKind::nop, -1);
    nop.then = [&] { EXPECT_FALSE(nop.op.in_flight); };
    start(nop);
    EXPECT_TRUE(nop.op.in_flight);
    EXPECT_TRUE(nop.results.empty());
    run_until([&] { return nop.done(); });
    run_for(3 * kStep);
    EXPECT_EQ(nop.results, std::vector<int32_t>{0});
}

TEST_P(RingContract, more_operations_than_queue_entries_all_complete) {
    open_ring({.submission_entries = 8});
    std::vector<std::unique_ptr<Recorded>> nops;
    for (int i = 0; i < 1000; ++i) {
        nops.push_back(std::make_unique<Recorded>(OpKind::nop, -1));
        start(*nops.back());
    }
    run_until([&] { return std::all_of(nops.begin(), nops.end(), [](auto& n) { return n->done(); }); });
    EXPECT_EQ(ring_->counters().submitted, 1000u);
    EXPECT_EQ(ring_->counters().completed, 1000u);
}

TEST_P(RingContract, one_enter_handles_a_bounded_number_of_completions) {
    std::vector<std::unique_ptr<Recorded>> nops;
    for (unsigned i = 0; i < 2 * limits::completions_per_turn; ++i) {
        nops.push_back(std::make_unique<Recorded>(OpKind::nop, -1));
        start(*nops.back());
    }
    const unsigned handled = ring_->enter(0);
    EXPECT_LE(handled, limits::completions_per_turn);
    run_until([&] { return std::all_of(nops.begin(), nops.end(), [](auto& n) { return n->done(); }); });
    EXPECT_FALSE(ring_->has_completions());
}

TEST_P(RingContract, handlers_may_submit) {
    Recorded first(OpKind::nop, -1);
    unsigned rounds = 0;
    first.then = [&] {
        if (++rounds < 100) ring_->submit(first.op);
    };
    start(first);
    EXPECT_TRUE(ring_->has_queued());
    run_until([&] { return rounds == 100; });
    EXPECT_EQ(first.results.size(), 100u);
}

TEST_P(RingContract, enter_waits_for_its_timeout_and_not_much_less) {
    const Nanoseconds began = ring_->clock();
    EXPECT_EQ(ring_->enter(20 * kStep), 0u);
    EXPECT_GE(ring_->clock(), began + 19 * kStep);
}

TEST_P(RingContract, a_message_wakes_another_ring) {
    std::string problem;
    std::unique_ptr<Ring> other = Ring::open({.small_buffers = 2, .bulk_buffers = 2}, problem);
    ASSERT_TRUE(other) << problem;
    Recorded message(OpKind::message, other->descriptor());
    complete(message);
    EXPECT_EQ(message.last(), 0);
    const Nanoseconds began = other->clock();
    other->enter(10 * kNanosecondsPerSecond);
    EXPECT_LT(other->clock(), began + 5 * kNanosecondsPerSecond);
}

// --- Receiving ---

TEST_P(RingContract, received_bytes_come_in_a_buffer_with_one_reference) {
    auto [fd, far] = connected();
    Receive receive(fd, BufferGroup::small);
    receive.keeps_buffers = true;
    far->send("hello");
    std::string all;
    while (all.size() < 5) {
        complete(receive);
        ASSERT_GT(receive.last(), 0);
        all = receive.bytes;
        EXPECT_EQ(ring_->buffers(BufferGroup::small).available(), 4 - receive.buffers.size());
        if (receive.buffers.size() == 3) give_back(receive);
    }
    EXPECT_EQ(all, "hello");
    give_back(receive);
    EXPECT_EQ(ring_->buffers(BufferGroup::small).available(), 4u);
}

TEST_P(RingContract, fin_is_a_receive_of_nothing_without_a_buffer) {
    auto [fd, far] = connected();
    far->half_close();
    Receive receive(fd, BufferGroup::bulk);
    complete(receive);
    EXPECT_EQ(receive.last(), 0);
    EXPECT_FALSE(receive.op.has_buffer);
    EXPECT_EQ(ring_->buffers(BufferGroup::bulk).available(), 4u);
}

TEST_P(RingContract, a_reset_fails_the_receive_and_then_the_send) {
    auto [fd, far] = connected();
    Receive receive(fd, BufferGroup::small);
    start(receive);
    run_for(kStep);
    far->reset();
    run_until([&] { return receive.done(); });
    EXPECT_EQ(receive.last(), -ECONNRESET);
    Send send(fd, "late");
    complete(send);
    EXPECT_EQ(send.last(), -EPIPE);
}

TEST_P(RingContract, an_empty_pool_refuses_and_is_counted) {
    auto [fd, far] = connected();
    Receive receive(fd, BufferGroup::small);
    receive.keeps_buffers = true;
    far->send(std::string(512 * 5, 'x'));
    while (receive.buffers.size() < 4) complete(receive);
    complete(receive);
    EXPECT_EQ(receive.last(), -ENOBUFS);
    EXPECT_EQ(ring_->counters().buffers_refused, 1u);
    give_back(receive);
    while (receive.bytes.size() < 512 * 5) {
        complete(receive);
        ASSERT_GT(receive.last(), 0);
        give_back(receive);
    }
}

TEST_P(RingContract, poll_first_waits_for_bytes_although_no_buffer_is_free) {
    auto [busy_fd, busy] = connected();
    auto [fd, far] = connected();
    Receive holder(busy_fd, BufferGroup::small);
    holder.keeps_buffers = true;
    busy->send(std::string(512 * 4, 'x'));
    while (holder.buffers.size() < 4) complete(holder);
    Receive receive(fd, BufferGroup::small);
    receive.op.poll_first = true;
    start(receive);
    run_for(5 * kStep);
    EXPECT_TRUE(receive.op.in_flight);
    give_back(holder);
    far->send("now");
    run_until([&] { return receive.done(); });
    EXPECT_GT(receive.last(), 0);
}

TEST_P(RingContract, a_multishot_receive_brings_everything_in_order_until_it_ends) {
    if (!ring_->features().receive_multishot) GTEST_SKIP();
    auto [fd, far] = connected();
    Recorded receive(OpKind::receive_multishot, fd);
    receive.op.group = BufferGroup::small;
    start(receive);
    std::string sent;
    for (int i = 0; i < 50; ++i) {
        const std::string part = std::to_string(i) + ",";
        sent += part;
        far->send(part);
        ring_->enter(kStep);
        if (!receive.op.in_flight) start(receive);
    }
    run_until([&] {
        if (!receive.op.in_flight) start(receive);
        return receive.bytes.size() == sent.size();
    });
    EXPECT_EQ(receive.bytes, sent);
    if (!receive.op.in_flight) start(receive);
    ring_->cancel(receive.op);
    run_until([&] { return !receive.op.in_flight; });
    EXPECT_EQ(receive.last(), -ECANCELED);
    EXPECT_FALSE(receive.op.more);
}

TEST_P(RingContract, receive_into_memory_with_waitall_takes_exactly_the_length) {
    auto [fd, far] = connected();
    char block[8];
    Recorded receive(OpKind::receive, fd);
    receive.op.address = block;
    receive.op.length = sizeof block;
    receive.op.flags = MSG_WAITALL;
    start(receive);
    far->send("abc");
    run_for(2 * kStep);
    EXPECT_TRUE(receive.op.in_flight);
    far->send("defghNEXT");
    run_until([&] { return receive.done(); });
    EXPECT_EQ(receive.last(), 8);
    EXPECT_EQ(std::string_view(block, 8), "abcdefgh");
}

// --- Sending ---

TEST_P(RingContract, a_message_gathers_its_parts_in_order) {
    auto [fd, far] = connected();
    char head[] = "head ", body[] = "and body", end[] = ".";
    iovec parts[] = {{head, 5}, {body, 8}, {end, 1}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 3;
    Recorded send(OpKind::send_message, fd);
    send.op.address = &message;
    send.op.length = 1;
    send.op.flags = MSG_NOSIGNAL | MSG_WAITALL;
    complete(send);
    EXPECT_EQ(send.last(), 14);
    run_until([&, &far = far] { return far->received().size() == 14; });
    EXPECT_EQ(far->received(), "head and body.");
}

TEST_P(RingContract, a_waitall_send_stays_in_flight_until_the_peer_reads) {
    auto [fd, far] = connected();
    const std::string large(outside_->flood_bytes(), 'z');
    Send send(fd, large);
    start(send);
    run_for(20 * kStep);
    EXPECT_TRUE(send.op.in_flight);
    run_until([&, &far = far] { return far->received().size() == large.size(); });
    run_until([&] { return send.done(); });
    EXPECT_EQ(send.last(), static_cast<int32_t>(large.size()));
}

TEST_P(RingContract, a_cancelled_waitall_send_reports_what_it_had_done) {
    auto [fd, far] = connected();
    const std::string large(outside_->flood_bytes(), 'z');
    Send send(fd, large);
    start(send);
    run_for(20 * kStep);
    ring_->cancel_all(fd);
    run_until([&] { return send.done(); });
    ASSERT_GT(send.last(), 0);
    ASSERT_LT(send.last(), static_cast<int32_t>(large.size()));
    const auto sent = static_cast<size_t>(send.last());
    run_until([&, &far = far] { return far->received().size() == sent; });
    run_for(5 * kStep);
    EXPECT_EQ(far->received().size(), sent);
}

TEST_P(RingContract, a_send_after_the_write_side_was_shut_is_a_broken_pipe) {
    auto [fd, far] = connected();
    shutdown_socket(fd, ShutdownSide::write);
    Send send(fd, "x");
    complete(send);
    EXPECT_EQ(send.last(), -EPIPE);
    run_until([&, &far = far] { return far->ended(); });
    // The other direction is still open.
    far->send("reply");
    Receive receive(fd, BufferGroup::small);
    complete(receive);
    EXPECT_GT(receive.last(), 0);
}

// --- Cancelling and closing ---

TEST_P(RingContract, cancel_all_ends_every_operation_of_its_descriptor_only) {
    auto [fd, far] = connected();
    auto [other_fd, other_far] = connected();
    const std::string large(outside_->flood_bytes(), 'z');
    Receive receive(fd, BufferGroup::small);
    Receive other(other_fd, BufferGroup::small);
    Send send(fd, large);
    start(receive);
    start(other);
    start(send);
    run_for(5 * kStep);
    ring_->cancel_all(fd);
    run_until([&] { return receive.done() && send.done(); });
    EXPECT_EQ(receive.last(), -ECANCELED);
    EXPECT_TRUE(other.op.in_flight);
    other_far->send("alive");
    run_until([&] { return other.done(); });
    EXPECT_GT(other.last(), 0);
}

TEST_P(RingContract, cancel_ends_one_operation) {
    auto [fd, far] = connected();
    const std::string large(outside_->flood_bytes(), 'z');
    Receive receive(fd, BufferGroup::small);
    Send send(fd, large);
    start(receive);
    start(send);
    run_for(5 * kStep);
    ring_->cancel(receive.op);
    run_until([&] { return receive.done(); });
    EXPECT_EQ(receive.last(), -ECANCELED);
    EXPECT_TRUE(send.op.in_flight);
    ring_->cancel_all(fd);
    run_until([&] { return send.done(); });
}

TEST_P(RingContract, cancelling_what_is_not_there_disturbs_nobody) {
    auto [fd, far] = connected();
    ring_->cancel_all(fd);
    run_for(2 * kStep);
    far->send("x");
    Receive receive(fd, BufferGroup::small);
    complete(receive);
    EXPECT_EQ(receive.last(), 1);
}

TEST_P(RingContract, the_cancel_operation_says_how_many_it_found) {
    auto [fd, far] = connected();
    Recorded nothing(OpKind::cancel, fd);
    complete(nothing);
    EXPECT_EQ(nothing.last(), 0);
    Receive receive(fd, BufferGroup::small);
    start(receive);
    run_for(2 * kStep);
    Recorded something(OpKind::cancel, fd);
    complete(something);
    EXPECT_EQ(something.last(), 1);
    run_until([&] { return receive.done(); });
}

TEST_P(RingContract, shutting_both_sides_ends_a_waiting_receive) {
    auto [fd, far] = connected();
    Receive receive(fd, BufferGroup::small);
    start(receive);
    run_for(2 * kStep);
    shutdown_socket(fd, ShutdownSide::both);
    run_until([&] { return receive.done(); });
    EXPECT_EQ(receive.last(), 0);
}

TEST_P(RingContract, closing_sends_fin) {
    Outside::Connected made = outside_->connected();
    Send send(made.fd, "bye");
    complete(send);
    close(made.fd);
    run_until([&] { return made.far->ended(); });
    EXPECT_EQ(made.far->received(), "bye");
    EXPECT_FALSE(made.far->broken());
}

TEST_P(RingContract, closing_over_unread_bytes_sends_a_reset) {
    Outside::Connected made = outside_->connected();
    made.far->send("unread");
    run_for(100 * kStep);
    close(made.fd);
    run_until([&] { return made.far->broken(); });
}

TEST_P(RingContract, abort_on_close_sends_a_reset) {
    Outside::Connected made = outside_->connected();
    abort_on_close(made.fd);
    close(made.fd);
    run_until([&] { return made.far->broken(); });
}

// --- Accepting and connecting ---

TEST_P(RingContract, accept_yields_a_descriptor_and_the_peers_address) {
    const int listener = outside_->listen();
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    Recorded accept(OpKind::accept, listener);
    accept.op.address = &peer;
    accept.op.offset = reinterpret_cast<uint64_t>(&size);
    start(accept);
    run_for(2 * kStep);
    EXPECT_TRUE(accept.op.in_flight);
    auto far = outside_->connect(listener);
    run_until([&] { return accept.done(); });
    ASSERT_GE(accept.last(), 0);
    EXPECT_EQ(peer.ss_family, AF_INET);
    EXPECT_EQ(size, sizeof(sockaddr_in));
    EXPECT_NE(reinterpret_cast<sockaddr_in&>(peer).sin_port, 0);
    far->send("hi");
    Receive receive(accept.last(), BufferGroup::small);
    complete(receive);
    EXPECT_GT(receive.last(), 0);
    close(accept.last());
    close(listener);
}

TEST_P(RingContract, connect_reaches_a_server) {
    sockaddr_storage address = outside_->server_address();
    const int fd = open_socket(AF_INET);
    ASSERT_GE(fd, 0);
    Recorded connect(OpKind::connect, fd);
    connect.op.address = &address;
    connect.op.length = sizeof(sockaddr_in);
    complete(connect);
    ASSERT_EQ(connect.last(), 0);
    auto far = outside_->accepted();
    ASSERT_TRUE(far);
    Send send(fd, "request");
    complete(send);
    run_until([&] { return far->received() == "request"; });
    close(fd);
}

TEST_P(RingContract, connect_is_refused_where_nobody_listens) {
    sockaddr_storage address = outside_->closed_address();
    const int fd = open_socket(AF_INET);
    ASSERT_GE(fd, 0);
    Recorded connect(OpKind::connect, fd);
    connect.op.address = &address;
    connect.op.length = sizeof(sockaddr_in);
    complete(connect);
    EXPECT_EQ(connect.last(), -ECONNREFUSED);
    close(fd);
}

// --- Doorbells, files, pipes ---

TEST_P(RingContract, a_doorbell_completes_a_read_with_its_count) {
    const int bell = make_doorbell();
    uint64_t count = 0;
    Recorded read(OpKind::read, bell);
    read.op.address = &count;
    read.op.length = sizeof count;
    start(read);
    run_for(2 * kStep);
    EXPECT_TRUE(read.op.in_flight);
    ring_doorbell(bell);
    run_until([&] { return read.done(); });
    EXPECT_EQ(read.last(), 8);
    EXPECT_EQ(count, 1u);
    ring_doorbell(bell);
    ring_doorbell(bell);
    complete(read);
    EXPECT_EQ(count, 2u);
    close_doorbell(bell);
}

TEST_P(RingContract, poll_completes_when_its_events_are_there) {
    const int bell = make_doorbell();
    auto [fd, far] = connected();
    Recorded bell_poll(OpKind::poll, bell);
    bell_poll.op.flags = POLLIN;
    Recorded socket_poll(OpKind::poll, fd);
    socket_poll.op.flags = POLLIN;
    start(bell_poll);
    start(socket_poll);
    run_for(2 * kStep);
    EXPECT_TRUE(bell_poll.op.in_flight);
    EXPECT_TRUE(socket_poll.op.in_flight);
    ring_doorbell(bell);
    far->send("x");
    run_until([&] { return bell_poll.done() && socket_poll.done(); });
    EXPECT_TRUE(bell_poll.last() & POLLIN);
    EXPECT_TRUE(socket_poll.last() & POLLIN);
    close_doorbell(bell);
}

TEST_P(RingContract, files_are_written_read_and_opened) {
    Fd folder(::open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    Fd file(::memfd_create("contract", MFD_CLOEXEC));
    std::string text = "a file of the kernel";
    Recorded write(OpKind::write, file.get());
    write.op.address = text.data();
    write.op.length = static_cast<uint32_t>(text.size());
    complete(write);
    ASSERT_EQ(write.last(), static_cast<int32_t>(text.size()));

    const std::string name = std::to_string(file.get());
    open_how how{};
    how.flags = O_RDONLY | O_CLOEXEC;
    Recorded open(OpKind::open_at, folder.get());
    open.op.address = const_cast<char*>(name.c_str());
    open.op.offset = reinterpret_cast<uint64_t>(&how);
    complete(open);
    ASSERT_GE(open.last(), 0);

    char block[64];
    Recorded read(OpKind::read, open.last());
    read.op.address = block;
    read.op.length = sizeof block;
    read.op.offset = 2;
    complete(read);
    EXPECT_EQ(std::string_view(block, static_cast<size_t>(read.last())), "file of the kernel");
    // Not every file system answers the probe, and what is on disk may have to wait.
    const ssize_t resident = read_resident(open.last(), block, 1, 0);
    EXPECT_TRUE(resident == 1 || resident == -EAGAIN || resident == -EOPNOTSUPP) << resident;
    if (resident == 1) {
        EXPECT_EQ(block[0], 'a');
    }
    close(open.last());
}

TEST_P(RingContract, splice_moves_bytes_through_a_pipe) {
    auto [from, source] = connected();
    auto [to, sink] = connected();
    int pipe[2];
    ASSERT_EQ(::pipe2(pipe, O_NONBLOCK | O_CLOEXEC), 0);
    Fd read_end(pipe[0]), write_end(pipe[1]);
    EXPECT_EQ(splice_bytes(from, write_end.get(), 100), -EAGAIN);
    source->send("through the pipe");
    source->half_close();
    size_t moved = 0;
    run_until([&, from = from, to = to] {
        const ssize_t in = splice_bytes(from, write_end.get(), 100);
        if (in > 0) moved += static_cast<size_t>(in);
        while (splice_bytes(read_end.get(), to, 100) > 0) {
        }
        return in == 0;
    });
    EXPECT_EQ(moved, 16u);
    run_until([&, &sink = sink] { return sink->received() == "through the pipe"; });
}

INSTANTIATE_TEST_SUITE_P(Variation, RingContract, ::testing::Range(0U, Outside::variations));

}  // namespace
}  // namespace ringtime::ring
