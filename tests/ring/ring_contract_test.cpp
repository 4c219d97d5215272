// What ring/ring.h, ring/op.h and ring/direct.h promise, tried on both back ends: the same source
// is linked with the kernel's and with the simulated one, so the simulation cannot drift from the
// kernel.

#include "contract.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"

namespace ringtime::ring {
namespace {

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
    run_until(
        [&] { return std::all_of(nops.begin(), nops.end(), [](auto& n) { return n->done(); }); });
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
    run_until(
        [&] { return std::all_of(nops.begin(), nops.end(), [](auto& n) { return n->done(); }); });
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

TEST_P(RingContract, a_filled_buffer_is_replaced_by_a_spare_one) {
    // Two are shown to the kernel at a time, and all four can be held.
    RingOptions two_ready;
    two_ready.small_buffers_ready = 2;
    open_ring(two_ready);
    auto [fd, far] = connected();
    BufferPool& pool = ring_->buffers(BufferGroup::small);
    for (int round = 0; round < 5; ++round) {
        Receive receive(fd, BufferGroup::small);
        receive.keeps_buffers = true;
        far->send(std::string(512 * 4, 'x'));
        for (uint32_t held = 0; held < 4; ++held) {
            EXPECT_EQ(pool.available(), 4 - held);
            EXPECT_EQ(pool.ready(), std::min(2u, 4 - held));
            complete(receive);
            ASSERT_GT(receive.last(), 0);
            receive.bytes.clear();
        }
        EXPECT_EQ(std::set<uint16_t>(receive.buffers.begin(), receive.buffers.end()).size(), 4u);
        give_back(receive);
        // Twice: what is idle since the last call is given up, whatever the kernel holds stays.
        pool.trim();
        pool.trim();
    }
}

TEST_P(RingContract, a_share_shrinks_with_what_is_left_and_is_never_nothing) {
    auto [fd, far] = connected();
    BufferPool& pool = ring_->buffers(BufferGroup::small);
    EXPECT_EQ(pool.share(8), 8u);
    Receive receive(fd, BufferGroup::small);
    receive.keeps_buffers = true;
    far->send(std::string(512 * 4, 'x'));
    for (uint32_t held = 1; held <= 4; ++held) {
        while (receive.buffers.size() < held) complete(receive);
        EXPECT_EQ(pool.share(8), std::max(1u, 8 - 2 * held));
    }
    give_back(receive);
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

INSTANTIATE_TEST_SUITE_P(Variation, RingContract, ::testing::Range(0U, Outside::variations));

}  // namespace
}  // namespace ringtime::ring
