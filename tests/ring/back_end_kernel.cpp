// Far ends that are ordinary sockets of the loopback interface.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "back_end.h"
#include "base/assert.h"
#include "base/fd.h"

namespace ringtime::ring {
namespace {

sockaddr_storage loopback(uint16_t port) {
    sockaddr_storage storage{};
    auto& address = reinterpret_cast<sockaddr_in&>(storage);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return storage;
}

const sockaddr* generic(const sockaddr_storage& address) {
    return reinterpret_cast<const sockaddr*>(&address);
}

sockaddr_storage name_of(int fd) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    ASSERT(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    return address;
}

Fd bound_socket() {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const sockaddr_storage address = loopback(0);
    ASSERT(::bind(fd.get(), generic(address), sizeof(sockaddr_in)) == 0);
    return fd;
}

// A connect() returns before its connection can be accepted: who accepts waits for it.
Fd accept_next(int listener, int flags = 0) {
    pollfd waiting{listener, POLLIN, 0};
    if (::poll(&waiting, 1, 60'000) != 1) return {};
    return Fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | flags));
}

class KernelFarEnd final : public FarEnd {
 public:
    explicit KernelFarEnd(Fd fd) : fd_(std::move(fd)) {
        const int on = 1;
        ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    void send(std::string_view bytes) override {
        while (!bytes.empty()) {
            const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            ASSERT(sent > 0);
            bytes.remove_prefix(static_cast<size_t>(sent));
        }
    }
    void half_close() override { ::shutdown(fd_.get(), SHUT_WR); }
    void reset() override {
        const linger abort{1, 0};
        ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
        fd_.reset();
    }
    const std::string& received() override {
        look();
        return received_;
    }
    bool ended() override {
        look();
        return ended_;
    }
    bool broken() override {
        look();
        return broken_;
    }

 private:
    void look() {
        char block[65536];
        while (!ended_ && !broken_) {
            const ssize_t got = ::recv(fd_.get(), block, sizeof block, MSG_DONTWAIT);
            if (got > 0) received_.append(block, static_cast<size_t>(got));
            if (got == 0) ended_ = true;
            if (got < 0 && errno != EAGAIN) broken_ = true;
            if (got < 0) return;
        }
    }

    Fd fd_;
    std::string received_;
    bool ended_ = false;
    bool broken_ = false;
};

class KernelOutside final : public Outside {
 public:
    KernelOutside() : server_(bound_socket()), closed_(bound_socket()) {
        ASSERT(::listen(server_.get(), 16) == 0);
    }

    int listen() override {
        Fd fd = bound_socket();
        ASSERT(::listen(fd.get(), 128) == 0);
        return fd.release();
    }
    std::unique_ptr<FarEnd> connect(int listener) override {
        const sockaddr_storage address = name_of(listener);
        Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        ASSERT(::connect(fd.get(), generic(address), sizeof(sockaddr_in)) == 0);
        return std::make_unique<KernelFarEnd>(std::move(fd));
    }
    Connected connected() override {
        Fd listener(listen());
        auto far = connect(listener.get());
        Fd near = accept_next(listener.get(), SOCK_NONBLOCK);
        ASSERT(near);
        return {near.release(), std::move(far)};
    }
    sockaddr_storage server_address() override { return name_of(server_.get()); }
    std::unique_ptr<FarEnd> accepted() override {
        Fd fd = accept_next(server_.get());
        return fd ? std::make_unique<KernelFarEnd>(std::move(fd)) : nullptr;
    }
    // Bound but not listening: nobody else can open the port meanwhile.
    sockaddr_storage closed_address() override { return name_of(closed_.get()); }
    [[nodiscard]] size_t flood_bytes() const override { return 16 << 20; }

 private:
    Fd server_;
    Fd closed_;
};

}  // namespace

const unsigned Outside::variations = 1;

std::unique_ptr<Outside> Outside::make(unsigned) { return std::make_unique<KernelOutside>(); }

}  // namespace ringtime::ring
