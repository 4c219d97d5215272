#include "http/websocket_handshake.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "http/syntax.h"

namespace ringtime::http {
namespace {

constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
// A key is 16 bytes: 22 characters, of which the last carries two bits, and two of padding.
constexpr size_t kKeyBytes = 24;

/// SHA-1 (FIPS 180-4) of at most 119 bytes: two blocks. It proves that the peer has read the
/// request, nothing else; nobody may use it for security.
class Sha1 {
 public:
    [[nodiscard]] static std::array<uint8_t, 20> of(std::string_view text) noexcept {
        uint8_t blocks[128] = {};
        std::memcpy(blocks, text.data(), text.size());
        blocks[text.size()] = 0x80;
        size_t used = text.size() < 56 ? 64 : 128;
        uint64_t bits = text.size() * 8;
        for (size_t i = 0; i < 8; ++i) blocks[used - 1 - i] = static_cast<uint8_t>(bits >> (8 * i));
        Sha1 sum;
        for (size_t at = 0; at < used; at += 64) sum.add(blocks + at);
        std::array<uint8_t, 20> out{};
        for (size_t i = 0; i < 20; ++i)
            out[i] = static_cast<uint8_t>(sum.state_[i / 4] >> (8 * (3 - i % 4)));
        return out;
    }

 private:
    void add(const uint8_t* block) noexcept {
        uint32_t words[80];
        for (size_t i = 0; i < 16; ++i)
            words[i] = static_cast<uint32_t>(block[4 * i]) << 24 |
                       static_cast<uint32_t>(block[4 * i + 1]) << 16 |
                       static_cast<uint32_t>(block[4 * i + 2]) << 8 | block[4 * i + 3];
        for (size_t i = 16; i < 80; ++i)
            words[i] = std::rotl(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
        auto [a, b, c, d, e] = state_;
        for (size_t i = 0; i < 80; ++i) {
            uint32_t f = i < 20   ? (b & c) | (~b & d)
                         : i < 40 ? b ^ c ^ d
                         : i < 60 ? (b & c) | (b & d) | (c & d)
                                  : b ^ c ^ d;
            constexpr uint32_t keys[] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
            uint32_t next = std::rotl(a, 5) + f + e + keys[i / 20] + words[i];
            e = d;
            d = c;
            c = std::rotl(b, 30);
            b = a;
            a = next;
        }
        const uint32_t round[] = {a, b, c, d, e};
        for (size_t i = 0; i < 5; ++i) state_[i] += round[i];
    }

    std::array<uint32_t, 5> state_ = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
};

/// Whether `matches(element)` for one of the elements of a list in all lines of a field.
template <typename Matches>
bool any_element(const FieldTable& fields, FieldId id, Matches&& matches) noexcept {
    for (const Field* line = fields.find(id); line; line = fields.next(*line)) {
        ListElements elements(fields.value(*line));
        for (std::string_view element; elements.next(element);) {
            if (matches(element)) return true;
        }
    }
    return false;
}

bool is_key(std::string_view key) noexcept {
    if (key.size() != kKeyBytes || !key.ends_with("==")) return false;
    return key.substr(0, kKeyBytes - 2).find_first_not_of(kBase64) == std::string_view::npos;
}

}  // namespace

SocketOffer check_socket_offer(const RequestHead& head) noexcept {
    const FieldTable& fields = head.fields;
    auto is = [](std::string_view lower) {
        return [lower](std::string_view element) { return equal_ignoring_case(element, lower); };
    };
    if (head.version == Version::http_1_0 ||
        !any_element(fields, FieldId::connection, is("upgrade")) ||
        !any_element(fields, FieldId::upgrade, is("websocket")))
        return SocketOffer::no_upgrade;
    if (head.method != Method::get) return SocketOffer::bad_method;
    if (trim(fields.get(FieldId::sec_websocket_version)) != socket_version)
        return SocketOffer::bad_version;
    const Field* key = fields.find(FieldId::sec_websocket_key);
    if (!key || fields.next(*key) || !is_key(fields.value(*key))) return SocketOffer::bad_key;
    return SocketOffer::good;
}

void write_socket_accept(std::string_view key, char* out) noexcept {
    char text[kKeyBytes + kGuid.size()];
    std::memcpy(text, key.data(), kKeyBytes);
    std::memcpy(text + kKeyBytes, kGuid.data(), kGuid.size());
    std::array<uint8_t, 20> sum = Sha1::of({text, sizeof text});
    // 18 bytes in groups of three; the last two make three characters and one of padding.
    auto group = [&](size_t at) {
        uint32_t third = at + 2 < sum.size() ? sum[at + 2] : 0;
        return static_cast<uint32_t>(sum[at]) << 16 | static_cast<uint32_t>(sum[at + 1]) << 8 |
               third;
    };
    for (size_t i = 0; i < 7; ++i) {
        uint32_t bits = group(3 * i);
        for (size_t j = 0; j < 4; ++j) out[4 * i + j] = kBase64[bits >> (18 - 6 * j) & 63];
    }
    out[socket_accept_bytes - 1] = '=';
}

bool offers_socket_protocol(const FieldTable& fields, std::string_view protocol) noexcept {
    return is_token(protocol) &&
           any_element(fields, FieldId::sec_websocket_protocol,
                       [&](std::string_view element) { return element == protocol; });
}

}  // namespace ringtime::http
