#include "net/address.h"

#include <arpa/inet.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

#include <fmt/core.h>

namespace ringtime::net {

PeerAddress PeerAddress::from(const sockaddr* address) noexcept {
    PeerAddress peer;
    peer.family = static_cast<uint8_t>(address->sa_family);
    if (address->sa_family == AF_INET) {
        auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
        std::memcpy(peer.bytes, &v4->sin_addr, 4);
        peer.port = ntohs(v4->sin_port);
    } else if (address->sa_family == AF_INET6) {
        auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
        peer.port = ntohs(v6->sin6_port);
        // A dual-stack listener reports IPv4 clients as mapped addresses.
        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
            peer.family = AF_INET;
            std::memcpy(peer.bytes, v6->sin6_addr.s6_addr + 12, 4);
        } else {
            std::memcpy(peer.bytes, &v6->sin6_addr, 16);
        }
    }
    return peer;
}

std::string_view PeerAddress::text(char* out) const noexcept {
    if (family == AF_INET || family == AF_INET6) {
        if (::inet_ntop(family, bytes, out, text_bytes_max)) return {out, std::strlen(out)};
    }
    return "unix";
}

std::string Endpoint::text() const {
    char text[PeerAddress::text_bytes_max];
    if (family() == AF_INET) {
        PeerAddress peer = PeerAddress::from(address());
        return fmt::format("{}:{}", peer.text(text), peer.port);
    }
    if (family() == AF_INET6) {
        auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
        ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
        return fmt::format("[{}]:{}", text, ntohs(v6->sin6_port));
    }
    auto* unix_address = reinterpret_cast<const sockaddr_un*>(&storage);
    return fmt::format("unix:{}", unix_address->sun_path);
}

bool Endpoint::from_resolved(const sockaddr& address, uint16_t port, Endpoint& out) noexcept {
    out = Endpoint{};
    if (address.sa_family == AF_INET) {
        out.size = sizeof(sockaddr_in);
        std::memcpy(&out.storage, &address, out.size);
        reinterpret_cast<sockaddr_in*>(&out.storage)->sin_port = htons(port);
    } else if (address.sa_family == AF_INET6) {
        out.size = sizeof(sockaddr_in6);
        std::memcpy(&out.storage, &address, out.size);
        reinterpret_cast<sockaddr_in6*>(&out.storage)->sin6_port = htons(port);
    }
    return out.size != 0;
}

bool Endpoint::from_ip(std::string_view ip, uint16_t port, Endpoint& out) noexcept {
    char text[PeerAddress::text_bytes_max];
    if (ip.empty() || ip.size() >= sizeof text) return false;
    std::memcpy(text, ip.data(), ip.size());
    text[ip.size()] = 0;
    out = Endpoint{};
    auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
    if (::inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        out.size = sizeof *v4;
        return true;
    }
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
    if (::inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        out.size = sizeof *v6;
        return true;
    }
    return false;
}

bool Endpoint::from_unix_path(std::string_view path, Endpoint& out) noexcept {
    out = Endpoint{};
    auto* address = reinterpret_cast<sockaddr_un*>(&out.storage);
    if (path.empty() || path.size() >= sizeof address->sun_path) return false;
    address->sun_family = AF_UNIX;
    std::memcpy(address->sun_path, path.data(), path.size());
    out.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
    return true;
}

}  // namespace ringtime::net
