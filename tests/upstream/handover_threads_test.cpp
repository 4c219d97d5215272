// Idle connections that change cores, with threads, the kernel's ring and real sockets: what the
// simulated test decides step by step happens here all at once. For the sanitizer for threads.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "get.h"
#include "upstream/reading.h"

namespace ringtime::upstream {
namespace {

constexpr unsigned kCores = 3;
constexpr int kRequests = 300;
constexpr Nanoseconds kLimit = 60 * kNanosecondsPerSecond;

/// Answers every request on every connection with "hi".
class Origin {
 public:
    Origin() {
        listener_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* any = reinterpret_cast<sockaddr*>(&address);
        EXPECT_EQ(::bind(listener_.get(), any, size), 0);
        EXPECT_EQ(::listen(listener_.get(), 64), 0);
        EXPECT_EQ(::getsockname(listener_.get(), any, &size), 0);
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this] { serve(); });
    }
    ~Origin() {
        over_.store(true);
        thread_.join();
    }
    [[nodiscard]] uint16_t port() const noexcept { return port_; }

 private:
    void serve() {
        std::vector<Fd> clients;
        while (!over_.load()) {
            std::vector<pollfd> polled{{listener_.get(), POLLIN, 0}};
            for (const Fd& client : clients) polled.push_back({client.get(), POLLIN, 0});
            if (::poll(polled.data(), polled.size(), 10) <= 0) continue;
            for (size_t i = clients.size(); i-- > 0;) {
                if (polled[i + 1].revents != 0 && !answer(clients[i].get()))
                    clients.erase(clients.begin() + static_cast<ptrdiff_t>(i));
            }
            if (polled[0].revents != 0)
                clients.emplace_back(::accept(listener_.get(), nullptr, nullptr));
        }
    }
    // A request is one segment: that is how the loopback treats what is sent at once.
    static bool answer(int client) {
        static constexpr std::string_view text = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
        char request[4096];
        if (::recv(client, request, sizeof request, 0) <= 0) return false;
        return ::send(client, text.data(), text.size(), MSG_NOSIGNAL) > 0;
    }

    Fd listener_;
    uint16_t port_ = 0;
    std::atomic<bool> over_{false};
    std::thread thread_;
};

struct Shared {
    Handover handover{kCores};
    std::shared_ptr<Upstream> upstream;
    std::atomic<unsigned> turn{0};    ///< Whose it is, while cores take turns.
    std::atomic<bool> crowded{false};  ///< They do not any more.
    std::atomic<unsigned> done{0};
    std::atomic<int> wrong{0};
};

[[nodiscard]] uint64_t handed_over(const Shared& shared) {
    return read_upstream(*shared.upstream, monotonic_now()).servers[0].handed_over;
}

void serve_core(unsigned index, Shared& shared) {
    OneCore core(index, shared.handover);
    Nanoseconds end = monotonic_now() + kLimit;
    auto turn_until = [&](auto&& condition) {
        while (!condition() && monotonic_now() < end)
            core.reactor->turn(kNanosecondsPerMillisecond);
        if (!condition()) ++shared.wrong;
    };
    auto ask = [&] {
        Get get(core, *shared.upstream);
        turn_until([&] { return get.over(); });
        shared.wrong += get.body == "hi" ? 0 : 1;
    };
    // One after the other: who has its turn finds the connection with the one before. However busy
    // the machine is, that works at last.
    while (!shared.crowded.load()) {
        core.reactor->turn(kNanosecondsPerMillisecond);
        if (shared.turn.load() % kCores != index) continue;
        ask();
        if (handed_over(shared) >= kCores || monotonic_now() > end) shared.crowded.store(true);
        ++shared.turn;
    }
    // All at once.
    for (int i = 0; i < kRequests; ++i) {
        // Some leave while they ask or connect.
        if (i % 7 != 3) {
            ask();
            continue;
        }
        Get get(core, *shared.upstream);
        core.reactor->turn(0);
    }
    ++shared.done;
    turn_until([&] { return shared.done.load() == kCores; });
    turn_until([&] {
        core.pool->drain();
        return core.pool->drained();
    });
    core.pool->leave();
    core.reactor->turn(0);
}

// Without a limit to what a server is asked at once, and with one that makes requests of all cores
// wait for each other.
class HandoverThreads : public testing::TestWithParam<size_t> {};
INSTANTIATE_TEST_SUITE_P(Places, HandoverThreads, testing::Values(0, 1));

TEST_P(HandoverThreads, every_request_is_answered_and_nothing_is_left) {
    Origin origin;
    Shared shared;
    UpstreamSpec spec = one_server(origin.port());
    spec.connections_max = GetParam();
    spec.queue_timeout = 60'000;
    shared.upstream = std::make_shared<Upstream>(spec);
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < kCores; ++i)
        threads.emplace_back([i, &shared] { serve_core(i, shared); });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(shared.wrong.load(), 0);
    ServerReading seen = read_upstream(*shared.upstream, monotonic_now()).servers[0];
    EXPECT_GT(seen.handed_over, 0u);
    EXPECT_EQ(seen.idle, 0u);
    EXPECT_EQ(seen.in_flight, 0u);
    EXPECT_EQ(shared.upstream->queued.load(), 0u);
    EXPECT_EQ(shared.upstream->waiting_cores.load(), 0u);
}

}  // namespace
}  // namespace ringtime::upstream
