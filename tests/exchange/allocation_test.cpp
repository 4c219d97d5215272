// A core in its steady state takes no memory: a thousand requests, answered by the gateway itself
// and proxied to an upstream, without one call of malloc or operator new on the core's thread.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <thread>

#include "exchange/core.h"
#include "hook/reactor_port.h"
#include "route/table_builder.h"
#include "worker/supervisor.h"

namespace {
// Atomic for the compiler's sake: it knows that malloc changes nothing of ours.
thread_local std::atomic<uint64_t> allocations{0};
}

extern "C" {
void* __real_malloc(size_t size);
void* __real_calloc(size_t count, size_t size);
void* __real_realloc(void* memory, size_t size);
void* __wrap_malloc(size_t size) {
    ++allocations;
    return __real_malloc(size);
}
void* __wrap_calloc(size_t count, size_t size) {
    ++allocations;
    return __real_calloc(count, size);
}
void* __wrap_realloc(void* memory, size_t size) {
    ++allocations;
    return __real_realloc(memory, size);
}
}

// Not inlined: the compiler would see malloc and delete side by side and call them mismatched.
[[gnu::noinline]] void* operator new(size_t size) {
    if (void* memory = malloc(size)) return memory;
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { free(memory); }

namespace ringtime::exchange {
namespace {

struct Ready final : Readiness {
    [[nodiscard]] std::string not_ready_because(const exchange::Snapshot&,
                                                Form) const override {
        return {};
    }
};

int listen_anywhere(uint16_t& port) {
    int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(fd, 16), 0);
    EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port = ntohs(address.sin_port);
    return fd;
}

/// Answers every request of one connection after the other, until `listener` is shut down.
void serve_upstream(int listener) {
    static constexpr std::string_view answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    char buffer[4096];
    for (int fd; (fd = ::accept(listener, nullptr, nullptr)) >= 0; ::close(fd)) {
        while (::recv(fd, buffer, sizeof buffer, 0) > 0)
            EXPECT_EQ(::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL),
                      ssize_t(answer.size()));
    }
}

/// Sends `count` requests one by one on a connection and expects each answer to end in `ending`.
void ask(uint16_t port, const std::string& path, std::string_view ending, int count) {
    int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    std::string request = "GET " + path + " HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\n\r\n";
    for (int i = 0; i < count; ++i) {
        ASSERT_EQ(::send(fd, request.data(), request.size(), MSG_NOSIGNAL),
                  ssize_t(request.size()));
        std::string answer;
        char buffer[4096];
        while (!answer.ends_with(ending)) {
            ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
            ASSERT_GT(got, 0) << answer;
            answer.append(buffer, size_t(got));
        }
    }
    ::close(fd);
}

class Allocations : public testing::Test {
 protected:
    Allocations() {
        upstream::UpstreamSpec spec;
        spec.servers.push_back({.host = "127.0.0.1", .port = upstream_port_});
        auto snapshot = std::make_shared<Snapshot>();
        snapshot->upstreams.push_back(std::make_shared<upstream::Upstream>(spec));
        Mount mount;
        mount.name = mount.base = "/up";
        mount.kind = TargetKind::upstream;
        mount.body_bytes_max = UINT64_MAX;
        snapshot->mounts.push_back(mount);
        route::TableBuilder builder;
        builder.add_mount({.host = {}, .base = "/up", .id = 0, .kind = 0});
        snapshot->routes = builder.build().table;
        hook_cores_[0].attach(port_);
        core_.use(std::move(snapshot));
        core_.add_listener(listener_);
    }
    ~Allocations() override {
        ::shutdown(upstream_listener_, SHUT_RDWR);
        core_.drain();
        while (!core_.drained() || !upstreams_.drained()) {
            upstreams_.drain();
            reactor_.turn(kNanosecondsPerMillisecond);
        }
        workers_.close();
        while (!workers_.closed()) {
            supervisor_.poll_once(0);
            reactor_.turn(kNanosecondsPerMillisecond);
        }
        upstream_thread_.join();
        ::close(listener_);
        ::close(upstream_listener_);
    }

    /// Allocations of the core's thread while a client asks.
    uint64_t count(const std::string& path, std::string_view ending, int requests) {
        std::atomic<bool> done{false};
        std::thread client([&] {
            ask(listen_port_, path, ending, requests);
            done = true;
        });
        uint64_t before = allocations;
        while (!done) reactor_.turn(kNanosecondsPerMillisecond);
        uint64_t taken = allocations - before;
        client.join();
        return taken;
    }

    uint16_t listen_port_ = 0;
    uint16_t upstream_port_ = 0;
    int listener_ = listen_anywhere(listen_port_);
    int upstream_listener_ = listen_anywhere(upstream_port_);
    std::thread upstream_thread_{serve_upstream, upstream_listener_};
    std::string problem_;
    std::unique_ptr<ring::Ring> ring_ = ring::Ring::open({}, problem_);
    loop::Reactor reactor_{*ring_, 0};
    net::Io io_{reactor_};
    upstream::CorePool upstreams_{io_};
    worker::Supervisor supervisor_{worker::SupervisorOptions{}};
    worker::CorePool workers_{reactor_, supervisor_};
    site::SiteCache sites_{reactor_};
    hook::Cores hook_cores_{1};
    hook::ReactorPort port_{reactor_};
    AccessLog access_log_{4 * 1024 * 1024};
    Ready ready_;
    Core core_{io_, upstreams_, workers_, sites_, hook_cores_[0], access_log_, ready_, {}};
};

TEST_F(Allocations, none_for_an_answer_of_the_gateway) {
    (void)count("/health", "ok\n", 200);
    EXPECT_EQ(count("/health", "ok\n", 1000), 0u);
}

TEST_F(Allocations, none_for_a_refusal) {
    (void)count("/nothing", "\n", 200);
    EXPECT_EQ(count("/nothing", "at this path.\n", 1000), 0u);
}

TEST_F(Allocations, none_for_a_proxied_request) {
    (void)count("/up/x", "hello", 200);
    EXPECT_EQ(count("/up/x", "hello", 1000), 0u);
}

TEST_F(Allocations, the_counter_counts) {
    uint64_t before = allocations;
    // Through volatile, so that the compiler does not spare us the calls.
    void* volatile memory = std::malloc(10);
    std::free(memory);
    std::string* volatile text = new std::string(100, 'x');
    delete text;
    EXPECT_EQ(allocations - before, 3u);
}

}  // namespace
}  // namespace ringtime::exchange
