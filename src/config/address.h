#pragma once
// Addresses as configuration writes them, parsed to plain bytes: nothing here opens a socket or
// asks a resolver. IPv4 is held as IPv4-mapped IPv6 (RFC 4291 §2.5.5.2), so that one comparison
// serves both.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringtime::config {

/// 16 bytes in network order; ::ffff:a.b.c.d for IPv4.
using IpAddress = std::array<uint8_t, 16>;

/// A numeric address without brackets, zone or port; nothing for a name.
[[nodiscard]] std::optional<IpAddress> parse_ip(std::string_view text) noexcept;
[[nodiscard]] bool is_ipv4(const IpAddress& address) noexcept;
/// `127.0.0.1`, `::1`.
[[nodiscard]] std::string ip_text(const IpAddress& address);

/// A network: the first `prefix_bits` of `address`.
struct Cidr {
    IpAddress address{};
    uint8_t prefix_bits = 128;

    [[nodiscard]] bool contains(const IpAddress& peer) const noexcept;
};

/// `10.0.0.0/8`, `fd00::/8`, or one address. Bits set behind the prefix are a mistake: nothing.
[[nodiscard]] std::optional<Cidr> parse_cidr(std::string_view text) noexcept;

struct ListenAddress {
    enum class Kind : uint8_t {
        any,    ///< Every address of both families at `port`.
        ip,     ///< `address` at `port`.
        local,  ///< The unix socket at `path`.
    };
    Kind kind = Kind::any;
    IpAddress address{};
    uint16_t port = 0;  ///< 0: the kernel chooses.
    std::string path;
    bool proxy_protocol = false;  ///< Connections begin with a PROXY header (v1 or v2).

    friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

/// `127.0.0.1:80`, `[::1]:80`, `*:80`, `:80`, `unix:/path`.
[[nodiscard]] std::optional<ListenAddress> parse_listen(std::string_view text);
[[nodiscard]] std::string listen_text(const ListenAddress& listen);

}  // namespace ringtime::config
