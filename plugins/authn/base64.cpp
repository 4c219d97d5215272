#include "base64.h"

#include <cstdint>

namespace authn {
namespace {

enum class Alphabet { standard, url };

/// 64 for what is no digit.
uint32_t digit(char c, Alphabet alphabet) {
    if (c >= 'A' && c <= 'Z') return static_cast<uint32_t>(c - 'A');
    if (c >= 'a' && c <= 'z') return static_cast<uint32_t>(c - 'a') + 26;
    if (c >= '0' && c <= '9') return static_cast<uint32_t>(c - '0') + 52;
    if (c == (alphabet == Alphabet::url ? '-' : '+')) return 62;
    if (c == (alphabet == Alphabet::url ? '_' : '/')) return 63;
    return 64;
}

std::optional<std::string> decode(std::string_view text, Alphabet alphabet) {
    if (text.size() % 4 == 1) return std::nullopt;
    std::string out;
    out.reserve(text.size() / 4 * 3 + 2);
    uint32_t bits = 0;
    unsigned held = 0;
    for (char c : text) {
        uint32_t value = digit(c, alphabet);
        if (value == 64) return std::nullopt;
        bits = (bits << 6 | value) & 0xffffff;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out += static_cast<char>(bits >> held & 0xff);
        }
    }
    // Bits that say nothing would give one value several texts.
    if (bits & ((1u << held) - 1)) return std::nullopt;
    return out;
}

}  // namespace

std::optional<std::string> decode_base64url(std::string_view text) {
    return decode(text, Alphabet::url);
}

std::optional<std::string> decode_base64(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    for (int i = 0; i < 2 && !text.empty() && text.back() == '='; ++i) text.remove_suffix(1);
    return decode(text, Alphabet::standard);
}

}  // namespace authn
