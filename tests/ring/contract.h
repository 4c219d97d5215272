#pragma once
// What every test of the ring's contract starts with: a ring, an outside, and operations that keep
// a record of what came of them.

#include <gtest/gtest.h>

#include <sys/socket.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "back_end.h"
#include "ring/direct.h"
#include "ring/ring.h"

namespace ringtime::ring {

inline constexpr Nanoseconds kStep = kNanosecondsPerMillisecond;
inline constexpr unsigned kPatience = 60'000;  // Steps; for what hangs, not for what is slow.

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

}  // namespace ringtime::ring
