#pragma once
// Whether bytes are UTF-8 (RFC 3629: no surrogates, nothing overlong, nothing above U+10FFFF), in
// any cuts. A byte that can no longer become valid is refused at once.

#include <cstdint>
#include <string_view>

namespace ringtime::http {

class Utf8Check {
 public:
    /// False, for ever, once something is not valid.
    [[nodiscard]] bool take(std::string_view text) noexcept {
        for (char c : text) {
            if (!take_byte(static_cast<uint8_t>(c))) return false;
        }
        return true;
    }
    /// Whether no character is cut in the middle.
    [[nodiscard]] bool complete() const noexcept { return following_ == 0; }

 private:
    [[nodiscard]] bool take_byte(uint8_t byte) noexcept {
        if (following_ > 0) {
            if (byte < low_ || byte > high_) return false;
            low_ = 0x80;
            high_ = 0xbf;
            --following_;
            return true;
        }
        if (byte < 0x80) return true;
        if (byte < 0xc2 || byte > 0xf4) return false;
        following_ = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
        // The second byte decides about overlong forms, surrogates and the upper end.
        low_ = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
        high_ = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
        return true;
    }

    uint8_t following_ = 0;  ///< Bytes the character still needs.
    uint8_t low_ = 0x80;     ///< What the next of them may be.
    uint8_t high_ = 0xbf;
};

}  // namespace ringtime::http
