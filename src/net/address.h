#pragma once
// Socket addresses: IPv4, IPv6 and unix paths, in a form small enough to keep per connection
// (peers) or complete enough to bind and connect (endpoints).

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace ringtime::net {

/// Who is at the other end: 20 bytes. Unix peers have no address.
struct PeerAddress {
    uint8_t bytes[16] = {};  ///< IPv6 bytes; an IPv4 address takes the first four.
    uint16_t port = 0;       ///< Host order.
    uint8_t family = 0;      ///< AF_INET, AF_INET6 (never a mapped IPv4) or AF_UNIX.

    [[nodiscard]] static PeerAddress from(const sockaddr* address) noexcept;
    /// The address without port, as X-Forwarded-For has it ("unix" for unix sockets).
    /// `out` has at least 46 bytes; returns the part written.
    [[nodiscard]] std::string_view text(char* out) const noexcept;
    static constexpr size_t text_bytes_max = 46;
};

/// Where to bind or connect.
struct Endpoint {
    sockaddr_storage storage{};
    socklen_t size = 0;

    [[nodiscard]] const sockaddr* address() const noexcept {
        return reinterpret_cast<const sockaddr*>(&storage);
    }
    [[nodiscard]] int family() const noexcept { return storage.ss_family; }
    /// For messages: `127.0.0.1:80`, `[::1]:80`, `unix:/run/x.sock`.
    [[nodiscard]] std::string text() const;

    /// A literal IPv4 or IPv6 address (no brackets). False when it is none.
    [[nodiscard]] static bool from_ip(std::string_view ip, uint16_t port, Endpoint& out) noexcept;
    /// An address a name stands for, with this port. False unless it is IPv4 or IPv6.
    [[nodiscard]] static bool from_resolved(const sockaddr& address, uint16_t port,
                                            Endpoint& out) noexcept;
    /// False when the path is empty or longer than the kernel takes.
    [[nodiscard]] static bool from_unix_path(std::string_view path, Endpoint& out) noexcept;
};

}  // namespace ringtime::net
