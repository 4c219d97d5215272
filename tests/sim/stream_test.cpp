// Bytes taken in place: whatever the network does, they come in order, none twice, none behind the
// end that was asked for, and the end of the stream is seen.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "loop/reactor.h"
#include "net/io.h"
#include "net/stream.h"
#include "ring/ring.h"
#include "ring/sim/sim_seeds.h"

namespace ringtime::sim {
namespace {

using net::Receive;
using net::Stream;
using ring::SimRandom;
using ring::SimWorld;

constexpr Nanoseconds kPatience = 3600 * kNanosecondsPerSecond;

/// Reads messages by turns into buffers and in place, as a connection does heads and bodies, and
/// sometimes not at all, as one whose target has no memory.
class Reader final : public loop::Runnable {
 public:
    Reader(SimRandom& random, loop::Reactor& reactor, net::Io& io, int fd)
        : random_(random), reactor_(reactor), stream_(io) {
        rest_.owner = this;
        rest_.on_expire = [](loop::Timer& timer) noexcept {
            auto& self = *static_cast<Reader*>(timer.owner);
            self.reactor_.wake(self);
        };
        stream_.open(fd, *this);
        begin_part();
        reactor_.wake(*this);  // Who watches has to look first.
    }
    ~Reader() {
        reactor_.disarm(rest_);
        loop::Reactor::forget(static_cast<loop::Runnable&>(*this));
    }

    void run() noexcept override {
        if (stream_.closed() || stream_.closing()) return;
        while (read_some()) {
            if (!random_.chance(50)) continue;
            if (!stream_.waits() && stream_.connected()) look();
            reactor_.arm(rest_, reactor_.now() + random_.between(1, 50) * 1'000'000);
            return;
        }
        failed_ = failed_ || stream_.failed();
        if (failed_ || (stream_.ended() && stream_.readable().empty()))
            stream_.close(Stream::Close::graceful);
    }

    [[nodiscard]] bool closed() const { return stream_.closed(); }
    [[nodiscard]] bool failed() const { return failed_; }
    [[nodiscard]] const std::string& received() const { return received_; }
    [[nodiscard]] size_t in_place() const { return in_place_; }

    /// Bytes of the whole stream, as they were foreseen; 0 when its end was never looked at.
    [[nodiscard]] size_t foreseen() const { return foreseen_; }

 private:
    void look() {
        const uint64_t left = stream_.look_for_end();
        if (left != UINT64_MAX) foreseen_ = received_.size() + left;
    }

    void begin_part() {
        left_ = random_.between(1, 20'000);
        constexpr Receive modes[] = {Receive::small, Receive::bulk, Receive::watch};
        stream_.receive(modes[random_.below(3)]);
    }

    bool read_some() {
        size_t size = take(std::min<size_t>(left_, random_.between(1, 5000)));
        left_ -= size;
        if (left_ == 0) begin_part();
        return size > 0;
    }

    size_t take(size_t most) {
        std::string_view unread = stream_.readable();
        if (!unread.empty()) {
            unread = unread.substr(0, most);
            received_.append(unread);
            stream_.consume(static_cast<uint32_t>(unread.size()));
            return unread.size();
        }
        if (stream_.receive_mode() != Receive::watch || stream_.waits()) return 0;
        char memory[5000];
        uint32_t size = stream_.receive_into(memory, static_cast<uint32_t>(most));
        EXPECT_LE(size, most);
        received_.append(memory, size);
        in_place_ += size;
        return size;
    }

    SimRandom& random_;
    loop::Reactor& reactor_;
    Stream stream_;
    loop::Timer rest_;
    std::string received_;
    size_t left_ = 0;
    size_t in_place_ = 0;
    size_t foreseen_ = 0;
    bool failed_ = false;
};

std::string letters(SimRandom& random, size_t size) {
    std::string text(size, '\0');
    for (char& each : text) each = static_cast<char>(random.below(256));
    return text;
}

TEST(SimulatedStream, takes_in_place_what_came_in_order_and_sees_its_end) {
    size_t in_place = 0, foreseen = 0;
    bool passed = ring::run_seeds(
        150,
        [&](SimWorld& world) {
            SimRandom& random = world.random();
            ring::RingOptions options;
            options.small_buffers = options.bulk_buffers = 8;
            options.small_buffers_ready = options.bulk_buffers_ready = 4;
            options.small_buffer_bytes = 256;
            options.bulk_buffer_bytes = 4096;
            std::string problem;
            auto ring = ring::Ring::open(options, problem);
            loop::Reactor reactor(*ring, 0);
            net::Io io(reactor);
            SimWorld::Connected connection = world.connected();
            Reader reader(random, reactor, io, connection.fd);
            size_t size = world.faults().segment_bytes_max < 50 ? 5'000 : 60'000;
            const std::string sent = letters(random, random.between(1, size));
            connection.peer.send(sent);
            const bool cut = random.chance(200);
            if (cut) {
                world.after(random.between(1, 100) * 1'000'000,
                            [&connection] { connection.peer.reset(); });
            } else {
                connection.peer.half_close();
            }
            const Nanoseconds end = world.now() + kPatience;
            while (!reader.closed() && world.now() < end) reactor.turn(kNanosecondsPerSecond);
            EXPECT_TRUE(reader.closed()) << "the end was not seen";
            EXPECT_EQ(reader.received(), sent.substr(0, reader.received().size()));
            EXPECT_TRUE(reader.failed() || reader.received().size() == sent.size());
            EXPECT_TRUE(!reader.failed() || cut || world.counters().network_resets > 0);
            if (!reader.failed() && reader.foreseen() > 0) {
                EXPECT_EQ(reader.foreseen(), sent.size());
                ++foreseen;
            }
            in_place += reader.in_place();
        },
        [] { return testing::Test::HasFailure(); });
    EXPECT_TRUE(passed);
    EXPECT_GT(in_place, 0U);
    EXPECT_GT(foreseen, 0U);
}

}  // namespace
}  // namespace ringtime::sim
