#include "runtime/service_manager.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstring>

#include "base/clock.h"
#include "net/address.h"

namespace ringtime::runtime {
namespace {

constexpr int kFirstSocket = 3;
constexpr unsigned kSocketsMax = 64;

unsigned number_of(const config::Environment& environment, std::string_view name) {
    unsigned number = 0;
    if (auto text = environment.get(name))
        (void)std::from_chars(text->data(), text->data() + text->size(), number);
    return number;
}

}  // namespace

ServiceManager::ServiceManager(const config::Environment& environment)
    : notify_path_(environment.get("NOTIFY_SOCKET").value_or("")) {
    // The variables of a parent that passed sockets to itself are not ours.
    if (number_of(environment, "LISTEN_PID") == static_cast<unsigned>(::getpid()))
        sockets_ = number_of(environment, "LISTEN_FDS");
}

bool ServiceManager::take_sockets(const std::vector<config::ListenAddress>& listen,
                                  std::vector<ListenSocket>& out, std::string& problem) {
    if (sockets_ > kSocketsMax) {
        problem =
            fmt::format("LISTEN_FDS: {} sockets; at most {} are taken", sockets_, kSocketsMax);
        return false;
    }
    for (unsigned i = 0; i < sockets_; ++i) {
        Fd fd(kFirstSocket + static_cast<int>(i));
        int kind = 0;
        socklen_t size = sizeof kind;
        bool stream =
            ::getsockopt(fd.get(), SOL_SOCKET, SO_TYPE, &kind, &size) == 0 && kind == SOCK_STREAM;
        net::Endpoint bound;
        bound.size = sizeof bound.storage;
        if (!stream || ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&bound.storage),
                                     &bound.size) != 0) {
            problem = fmt::format("LISTEN_FDS: descriptor {} is no stream socket", fd.get());
            out.clear();
            return false;
        }
        (void)::fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
        (void)::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
        int on = 1;
        if (bound.family() != AF_UNIX)
            (void)::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        std::string text = (bound.family() == AF_UNIX ? "" : "http://") + bound.text();
        net::Preface preface = preface_of(fd.get(), listen);
        out.push_back({std::move(fd), preface, text + " (passed by the service manager)"});
    }
    sockets_ = 0;
    return true;
}

void ServiceManager::reloading() const noexcept {
    char text[64];
    auto end = fmt::format_to_n(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC={}",
                                monotonic_now() / 1000);
    tell({text, end.size});
}

void ServiceManager::tell(std::string_view state) const noexcept {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (notify_path_.empty() || notify_path_.size() >= sizeof address.sun_path) return;
    std::memcpy(address.sun_path, notify_path_.data(), notify_path_.size());
    if (address.sun_path[0] == '@') address.sun_path[0] = 0;
    auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + notify_path_.size());
    Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    (void)::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                   reinterpret_cast<sockaddr*>(&address), size);
}

}  // namespace ringtime::runtime
