#include "config/address.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

#include "config/values.h"

namespace ringtime::config {
namespace {

constexpr std::array<uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

std::optional<uint16_t> parse_port(std::string_view text) noexcept {
    auto port = parse_unsigned(text);
    if (!port || *port > 65535) return std::nullopt;
    return static_cast<uint16_t>(*port);
}

}  // namespace

std::optional<IpAddress> parse_ip(std::string_view text) noexcept {
    char terminated[INET6_ADDRSTRLEN] = {};
    if (text.empty() || text.size() >= sizeof terminated) return std::nullopt;
    std::memcpy(terminated, text.data(), text.size());
    IpAddress address{};
    if (::inet_pton(AF_INET6, terminated, address.data()) == 1) return address;
    std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), address.begin());
    if (::inet_pton(AF_INET, terminated, address.data() + 12) == 1) return address;
    return std::nullopt;
}

bool is_ipv4(const IpAddress& address) noexcept {
    return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), address.begin());
}

std::string ip_text(const IpAddress& address) {
    char text[INET6_ADDRSTRLEN] = {};
    if (is_ipv4(address)) {
        ::inet_ntop(AF_INET, address.data() + 12, text, sizeof text);
    } else {
        ::inet_ntop(AF_INET6, address.data(), text, sizeof text);
    }
    return text;
}

bool Cidr::contains(const IpAddress& peer) const noexcept {
    size_t whole = prefix_bits / 8;
    if (!std::equal(address.begin(), address.begin() + whole, peer.begin())) return false;
    unsigned rest = prefix_bits % 8;
    if (rest == 0) return true;
    auto mask = static_cast<uint8_t>(0xFF << (8 - rest));
    return (address[whole] & mask) == (peer[whole] & mask);
}

std::optional<Cidr> parse_cidr(std::string_view text) noexcept {
    size_t slash = text.find('/');
    auto address = parse_ip(text.substr(0, slash));
    if (!address) return std::nullopt;
    Cidr network{*address, 128};
    if (slash == std::string_view::npos) return network;
    auto bits = parse_unsigned(text.substr(slash + 1));
    // "::ffff:a.b.c.d/n" counts its bits in IPv6, "a.b.c.d/n" in IPv4.
    bool dotted_only = text.substr(0, slash).find(':') == std::string_view::npos;
    uint64_t most = dotted_only ? 32 : 128;
    if (!bits || *bits > most) return std::nullopt;
    network.prefix_bits = static_cast<uint8_t>(*bits + (dotted_only ? 96 : 0));
    for (size_t bit = network.prefix_bits; bit < 128; ++bit) {
        if ((network.address[bit / 8] >> (7 - bit % 8)) & 1) return std::nullopt;
    }
    return network;
}

std::optional<ListenAddress> parse_listen(std::string_view text) {
    static constexpr std::string_view unix_prefix = "unix:";
    ListenAddress listen;
    if (text.substr(0, unix_prefix.size()) == unix_prefix) {
        listen.kind = ListenAddress::Kind::local;
        listen.path = text.substr(unix_prefix.size());
        bool fits = !listen.path.empty() && listen.path.size() < sizeof(sockaddr_un::sun_path);
        if (!fits) return std::nullopt;
        return listen;
    }
    size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    auto port = parse_port(text.substr(colon + 1));
    if (!port) return std::nullopt;
    listen.port = *port;
    std::string_view host = text.substr(0, colon);
    if (host.empty() || host == "*") return listen;
    bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);
    // Without brackets nobody can tell where an IPv6 address ends and its port begins.
    if (bracketed != (host.find(':') != std::string_view::npos)) return std::nullopt;
    auto address = parse_ip(host);
    if (!address) return std::nullopt;
    listen.kind = ListenAddress::Kind::ip;
    listen.address = *address;
    return listen;
}

std::string listen_text(const ListenAddress& listen) {
    switch (listen.kind) {
        case ListenAddress::Kind::any:
            return fmt::format("*:{}", listen.port);
        case ListenAddress::Kind::local:
            return "unix:" + listen.path;
        case ListenAddress::Kind::ip:
            break;
    }
    std::string host = ip_text(listen.address);
    return is_ipv4(listen.address) ? fmt::format("{}:{}", host, listen.port)
                                   : fmt::format("[{}]:{}", host, listen.port);
}

}  // namespace ringtime::config
