#include "runtime/listen.h"

#include <fmt/core.h>
#include <netinet/tcp.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/clock.h"
#include "base/log.h"
#include "net/address.h"

namespace ringtime::runtime {
namespace {

constexpr int kBacklog = 4096;
constexpr Nanoseconds kPatience = 3 * kNanosecondsPerSecond;
constexpr std::chrono::milliseconds kBetweenTries{50};

std::string explain(const std::string& where, int error) {
    std::string remedy;
    if (error == EADDRINUSE) {
        remedy =
            "; another process listens there: stop it, or choose another PORT or RUNTIME_LISTEN";
    } else if (error == EACCES) {
        remedy = "; ports below 1024 need CAP_NET_BIND_SERVICE, and socket files a writable folder";
    } else if (error == EADDRNOTAVAIL) {
        remedy = "; no interface of this machine has that address";
    }
    return fmt::format("cannot listen on {}: {}{}", where, std::strerror(error), remedy);
}

net::Endpoint endpoint_of(const config::ListenAddress& address) {
    net::Endpoint endpoint;
    if (address.kind == config::ListenAddress::Kind::local) {
        (void)net::Endpoint::from_unix_path(address.path, endpoint);
    } else if (address.kind == config::ListenAddress::Kind::ip) {
        (void)net::Endpoint::from_ip(config::ip_text(address.address), address.port, endpoint);
    } else {
        (void)net::Endpoint::from_ip("::", address.port, endpoint);
    }
    return endpoint;
}

// Result: a bound descriptor or -errno.
int open_one(const net::Endpoint& endpoint) {
    Fd fd(::socket(endpoint.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return -errno;
    int on = 1;
    if (endpoint.family() == AF_UNIX) {
        // A socket file left by a process that is gone is no reason to fail; one in use is.
        auto* path = reinterpret_cast<const sockaddr_un*>(&endpoint.storage)->sun_path;
        if (::connect(fd.get(), endpoint.address(), endpoint.size) == 0) return -EADDRINUSE;
        if (errno == ECONNREFUSED) ::unlink(path);
    } else {
        ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        // Accepted sockets inherit it.
        ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (endpoint.family() == AF_INET6) {
            int off = 0;
            ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
        }
    }
    if (::bind(fd.get(), endpoint.address(), endpoint.size) != 0) return -errno;
    return fd.release();
}

net::Endpoint bound_to(int fd, const net::Endpoint& otherwise) {
    net::Endpoint bound;
    bound.size = sizeof bound.storage;
    bool known = ::getsockname(fd, reinterpret_cast<sockaddr*>(&bound.storage), &bound.size) == 0;
    return known ? bound : otherwise;
}

std::string shown(int fd, const net::Endpoint& asked) {
    net::Endpoint bound = bound_to(fd, asked);
    return bound.family() == AF_UNIX ? asked.text() : "http://" + bound.text();
}

net::Preface preface_of(const config::ListenAddress& address) {
    return address.proxy_protocol ? net::Preface::proxy_header : net::Preface::none;
}

}  // namespace

net::Preface preface_of(int fd, const std::vector<config::ListenAddress>& addresses) {
    std::string bound = bound_to(fd, {}).text();
    for (const config::ListenAddress& address : addresses) {
        bool any_v4 = address.kind == config::ListenAddress::Kind::any &&
                      bound == fmt::format("0.0.0.0:{}", address.port);
        if (any_v4 || bound == endpoint_of(address).text()) return preface_of(address);
    }
    return net::Preface::none;
}

// The port of a gateway that was killed is free only when the kernel has taken its rings apart.
int open_patiently(const net::Endpoint& endpoint, Nanoseconds give_up) {
    int fd = open_one(endpoint);
    for (bool told = false; fd == -EADDRINUSE && monotonic_now() < give_up; told = true) {
        if (!told)
            log_format(LogLevel::warn, "server", "{} is in use; trying again for {} ms",
                       endpoint.text(), kPatience / kNanosecondsPerMillisecond);
        // tidy: allow(sleep) nobody tells when a port is free
        std::this_thread::sleep_for(kBetweenTries);
        fd = open_one(endpoint);
    }
    return fd;
}

bool bind_listeners(const std::vector<config::ListenAddress>& addresses,
                    std::vector<ListenSocket>& out, std::string& problem) {
    Nanoseconds give_up = monotonic_now() + kPatience;
    for (const config::ListenAddress& address : addresses) {
        net::Endpoint endpoint = endpoint_of(address);
        int fd = open_patiently(endpoint, give_up);
        if (address.kind == config::ListenAddress::Kind::any &&
            (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)) {
            // A machine without IPv6.
            (void)net::Endpoint::from_ip("0.0.0.0", address.port, endpoint);
            fd = open_one(endpoint);
        }
        if (fd < 0) {
            problem = explain(endpoint.text(), -fd);
            out.clear();
            return false;
        }
        out.push_back({Fd(fd), preface_of(address), shown(fd, endpoint)});
    }
    return true;
}

bool start_listening(const std::vector<ListenSocket>& sockets, std::string& problem) {
    for (const ListenSocket& socket : sockets) {
        if (::listen(socket.fd.get(), kBacklog) == 0) continue;
        problem = explain(socket.text, errno);
        return false;
    }
    return true;
}

}  // namespace ringtime::runtime
