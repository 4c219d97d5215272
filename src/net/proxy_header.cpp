#include "net/proxy_header.h"

#include <arpa/inet.h>
#include <fmt/core.h>

#include <algorithm>
#include <cstring>

namespace ringtime::net {
namespace {

constexpr std::string_view kV1 = "PROXY ";
constexpr std::string_view kV2{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr size_t kV1Most = 107;  // With CRLF, as the specification has it.
constexpr size_t kV2Head = 16;

// Families and their addresses: source, destination, then two ports.
constexpr size_t kTcp4Bytes = 12;
constexpr size_t kTcp6Bytes = 36;
constexpr size_t kUnixBytes = 216;

uint16_t big_endian(const char* at) noexcept {
    return static_cast<uint16_t>(static_cast<uint8_t>(at[0]) << 8 | static_cast<uint8_t>(at[1]));
}

/// Cuts the next word, which ends in one space or the end.
std::string_view next_word(std::string_view& rest) noexcept {
    size_t end = std::min(rest.find(' '), rest.size());
    std::string_view word = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return word;
}

bool read_address(int family, std::string_view word, PeerAddress& out) noexcept {
    char text[PeerAddress::text_bytes_max];
    if (word.empty() || word.size() >= sizeof text) return false;
    std::memcpy(text, word.data(), word.size());
    text[word.size()] = 0;
    out.family = static_cast<uint8_t>(family);
    return ::inet_pton(family, text, out.bytes) == 1;
}

bool read_port(std::string_view word, uint16_t& out) noexcept {
    if (word.empty() || word.size() > 5 || (word.size() > 1 && word[0] == '0')) return false;
    uint32_t value = 0;
    for (char c : word) {
        if (c < '0' || c > '9') return false;
        value = value * 10 + static_cast<uint32_t>(c - '0');
    }
    out = static_cast<uint16_t>(value);
    return value <= UINT16_MAX;
}

// A mapped IPv4 address counts as what it stands for, as everywhere else.
PeerAddress from_bytes(int family, const char* bytes, uint16_t port) noexcept {
    PeerAddress peer;
    peer.port = port;
    peer.family = static_cast<uint8_t>(family);
    static constexpr char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '\xff', '\xff'};
    if (family == AF_INET6 && std::memcmp(bytes, mapped, sizeof mapped) == 0) {
        peer.family = AF_INET;
        std::memcpy(peer.bytes, bytes + sizeof mapped, 4);
    } else {
        std::memcpy(peer.bytes, bytes, family == AF_INET ? 4 : 16);
    }
    return peer;
}

bool one_ip_family(const ProxiedPeers& peers) noexcept {
    return peers.source.family == peers.destination.family &&
           (peers.source.family == AF_INET || peers.source.family == AF_INET6);
}

}  // namespace

// --- Reading ---

ProxyHeaderReader::Step ProxyHeaderReader::feed(std::string_view bytes) noexcept {
    Step step;
    while (!bytes.empty()) {
        size_t size = std::min<size_t>(bytes.size(), wanted_ - size_);
        std::memcpy(text_ + size_, bytes.data(), size);
        size_ += static_cast<uint32_t>(size);
        step.consumed += static_cast<uint32_t>(size);
        bytes.remove_prefix(size);
        if (size_ < wanted_) return step;
        step.state = look();
        if (step.state != State::need_more) return step;
    }
    return step;
}

// All wanted bytes are here: decides, or wants more.
ProxyHeaderReader::State ProxyHeaderReader::look() noexcept {
    std::string_view have(text_, size_);
    if (kV1.starts_with(have.substr(0, kV1.size()))) {
        if (have.size() >= kV1.size()) return look_at_v1();
    } else if (kV2.starts_with(have.substr(0, kV2.size()))) {
        if (have.size() >= kV2Head) return look_at_v2();
        // Behind the signature come four bytes that are there in every case.
        wanted_ = have.size() < kV2.size() ? size_ + 1 : kV2Head;
        return State::need_more;
    } else {
        return State::failed;
    }
    ++wanted_;
    return State::need_more;
}

ProxyHeaderReader::State ProxyHeaderReader::look_at_v1() noexcept {
    std::string_view line(text_, size_);
    if (line.back() != '\n') {
        if (size_ == kV1Most) return State::failed;
        ++wanted_;
        return State::need_more;
    }
    if (line.size() < 2 || line[line.size() - 2] != '\r') return State::failed;
    line = line.substr(kV1.size(), line.size() - kV1.size() - 2);
    if (line.find_first_of("\r\n") != std::string_view::npos) return State::failed;
    std::string_view protocol = next_word(line);
    if (protocol == "UNKNOWN") return State::complete;
    int family = protocol == "TCP4" ? AF_INET : AF_INET6;
    if (protocol != "TCP4" && protocol != "TCP6") return State::failed;
    bool good = read_address(family, next_word(line), peers_.source) &&
                read_address(family, next_word(line), peers_.destination);
    std::string_view source_port = next_word(line);
    good = good && read_port(source_port, peers_.source.port) &&
           read_port(line, peers_.destination.port);
    if (!good) return State::failed;
    for (PeerAddress* peer : {&peers_.source, &peers_.destination})
        *peer = from_bytes(family, reinterpret_cast<char*>(peer->bytes), peer->port);
    return State::complete;
}

// What follows the addresses, and in a header of an unknown family all there is: each entry a type,
// a length and so many bytes, to the end.
bool ProxyHeaderReader::read_tlvs(size_t at) const noexcept {
    while (at < size_) {
        if (size_ - at < 3) return false;
        size_t length = big_endian(text_ + at + 1);
        at += 3;
        if (size_ - at < length) return false;
        at += length;
    }
    return true;
}

ProxyHeaderReader::State ProxyHeaderReader::look_at_v2() noexcept {
    auto command = static_cast<uint8_t>(text_[12]);
    auto family = static_cast<uint8_t>(text_[13]);
    size_t length = big_endian(text_ + 14);
    if (command != 0x20 && command != 0x21) return State::failed;
    if (kV2Head + length > kMost) return State::failed;
    if (size_ < kV2Head + length) {
        wanted_ = static_cast<uint32_t>(kV2Head + length);
        return State::need_more;
    }
    // LOCAL: the proxy's own connection; whatever else it says is of no meaning.
    if (command == 0x20) return State::complete;
    const char* at = text_ + kV2Head;
    size_t addresses = 0;
    switch (family) {
        case 0x00: break;
        case 0x11: addresses = kTcp4Bytes; break;
        case 0x21: addresses = kTcp6Bytes; break;
        case 0x31: addresses = kUnixBytes; break;
        default: return State::failed;  // Datagrams, or nothing that exists.
    }
    if (length < addresses || !read_tlvs(kV2Head + addresses)) return State::failed;
    if (family == 0x11) {
        peers_.source = from_bytes(AF_INET, at, big_endian(at + 8));
        peers_.destination = from_bytes(AF_INET, at + 4, big_endian(at + 10));
    } else if (family == 0x21) {
        peers_.source = from_bytes(AF_INET6, at, big_endian(at + 32));
        peers_.destination = from_bytes(AF_INET6, at + 16, big_endian(at + 34));
    } else if (family == 0x31) {
        peers_.source.family = peers_.destination.family = AF_UNIX;
    }
    return State::complete;
}

// --- Writing ---

size_t write_proxy_v1(const ProxiedPeers& peers, char* out) noexcept {
    if (!one_ip_family(peers)) {
        static constexpr std::string_view unknown = "PROXY UNKNOWN\r\n";
        std::memcpy(out, unknown.data(), unknown.size());
        return unknown.size();
    }
    char source[PeerAddress::text_bytes_max];
    char destination[PeerAddress::text_bytes_max];
    auto end = fmt::format_to_n(out, proxy_header_bytes_max, "PROXY TCP{} {} {} {} {}\r\n",
                                peers.source.family == AF_INET ? 4 : 6, peers.source.text(source),
                                peers.destination.text(destination), peers.source.port,
                                peers.destination.port);
    return static_cast<size_t>(end.out - out);
}

size_t write_proxy_v2(const ProxiedPeers& peers, char* out) noexcept {
    std::memcpy(out, kV2.data(), kV2.size());
    bool known = one_ip_family(peers);
    bool v4 = peers.source.family == AF_INET;
    size_t address = v4 ? 4 : 16;
    size_t length = known ? 2 * address + 4 : 0;
    out[12] = 0x21;
    out[13] = static_cast<char>(!known ? 0x00 : v4 ? 0x11 : 0x21);
    out[14] = 0;
    out[15] = static_cast<char>(length);
    if (!known) return kV2Head;
    char* at = out + kV2Head;
    std::memcpy(at, peers.source.bytes, address);
    std::memcpy(at + address, peers.destination.bytes, address);
    at += 2 * address;
    for (uint16_t port : {peers.source.port, peers.destination.port}) {
        *at++ = static_cast<char>(port >> 8);
        *at++ = static_cast<char>(port & 0xff);
    }
    return kV2Head + length;
}

size_t write_proxy_v2_local(char* out) noexcept {
    std::memcpy(out, kV2.data(), kV2.size());
    out[12] = 0x20;
    out[13] = out[14] = out[15] = 0;
    return kV2Head;
}

}  // namespace ringtime::net
