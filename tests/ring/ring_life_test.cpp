// The contract, second part: ends of operations and sockets, accepting and connecting, and
// descriptors that are no sockets.

#include "contract.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"

namespace ringtime::ring {
namespace {

class RingLife : public RingContract {};

// --- Cancelling and closing ---

TEST_P(RingLife, cancel_all_ends_every_operation_of_its_descriptor_only) {
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

TEST_P(RingLife, cancel_ends_one_operation) {
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

TEST_P(RingLife, cancelling_what_is_not_there_disturbs_nobody) {
    auto [fd, far] = connected();
    ring_->cancel_all(fd);
    run_for(2 * kStep);
    far->send("x");
    Receive receive(fd, BufferGroup::small);
    complete(receive);
    EXPECT_EQ(receive.last(), 1);
}

TEST_P(RingLife, the_cancel_operation_says_how_many_it_found) {
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

TEST_P(RingLife, shutting_both_sides_ends_a_waiting_receive) {
    auto [fd, far] = connected();
    Receive receive(fd, BufferGroup::small);
    start(receive);
    run_for(2 * kStep);
    shutdown_socket(fd, ShutdownSide::both);
    run_until([&] { return receive.done(); });
    EXPECT_EQ(receive.last(), 0);
}

TEST_P(RingLife, closing_sends_fin) {
    Outside::Connected made = outside_->connected();
    Send send(made.fd, "bye");
    complete(send);
    close(made.fd);
    run_until([&] { return made.far->ended(); });
    EXPECT_EQ(made.far->received(), "bye");
    EXPECT_FALSE(made.far->broken());
}

TEST_P(RingLife, closing_over_unread_bytes_sends_a_reset) {
    Outside::Connected made = outside_->connected();
    made.far->send("unread");
    Recorded arrived(OpKind::poll, made.fd);
    arrived.op.flags = POLLIN;
    complete(arrived);
    close(made.fd);
    run_until([&] { return made.far->broken(); });
}

TEST_P(RingLife, abort_on_close_sends_a_reset) {
    Outside::Connected made = outside_->connected();
    abort_on_close(made.fd);
    close(made.fd);
    run_until([&] { return made.far->broken(); });
}

// --- Accepting and connecting ---

TEST_P(RingLife, accept_yields_a_descriptor_and_the_peers_address) {
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

TEST_P(RingLife, connect_reaches_a_server) {
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

TEST_P(RingLife, connect_is_refused_where_nobody_listens) {
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

TEST_P(RingLife, a_doorbell_completes_a_read_with_its_count) {
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

TEST_P(RingLife, poll_completes_when_its_events_are_there) {
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

TEST_P(RingLife, files_are_opened_and_read) {
    Fd folder(::open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    Fd file(::memfd_create("contract", MFD_CLOEXEC));
    const std::string_view text = "a file of the kernel";
    ASSERT_EQ(::write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));

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

bool send_all_now(int fd, std::string_view text) {
    for (int attempt = 0; attempt < 1000 && !text.empty(); ++attempt) {
        iovec part{const_cast<char*>(text.data()), text.size()};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        const ssize_t sent = send_now(fd, message, MSG_MORE);
        if (sent > 0) text.remove_prefix(static_cast<size_t>(sent));
    }
    return text.empty();
}

TEST_P(RingLife, splice_moves_bytes_through_a_pipe) {
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

TEST_P(RingLife, a_file_in_memory_goes_out_behind_a_message) {
    auto [fd, far] = connected();
    Fd file(::memfd_create("file", MFD_CLOEXEC));
    std::string content(20'000, 'f');
    ASSERT_EQ(::pwrite(file.get(), content.data(), content.size(), 0),
              static_cast<ssize_t>(content.size()));
    EXPECT_TRUE(send_all_now(fd, "head:"));
    uint64_t at = 0;
    run_until([&, fd = fd, &far = far] {
        far->received();
        if (at == content.size()) return true;
        ssize_t sent = send_file(fd, file.get(), at, content.size() - at);
        if (sent > 0) at += static_cast<uint64_t>(sent);
        EXPECT_TRUE(sent > 0 || sent == -EAGAIN) << sent;
        return at == content.size();
    });
    EXPECT_EQ(send_file(fd, file.get(), at, 1), 0);
    run_until([&, &far = far] { return far->received().size() == 5 + content.size(); });
    EXPECT_TRUE(far->received() == "head:" + content);
}

INSTANTIATE_TEST_SUITE_P(Variation, RingLife, ::testing::Range(0U, Outside::variations));

}  // namespace
}  // namespace ringtime::ring
