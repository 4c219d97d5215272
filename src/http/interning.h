#pragma once
// The perfect hash of the known field names, for the parser's innermost loop. Others call intern().

#include <array>
#include <bit>
#include <cstring>

#include "http/fields.h"

namespace ringtime::http::interning {

static_assert(std::endian::native == std::endian::little,
              "word-wise comparison reads bytes low first");

constexpr size_t kCount = static_cast<size_t>(FieldId::count_);

/// In the order of FieldId.
inline constexpr std::array<std::string_view, kCount> kNames = {
    "",
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "expect",
    "upgrade",
    "te",
    "trailer",
    "keep-alive",
    "proxy-connection",
    "http2-settings",
    "accept",
    "accept-encoding",
    "accept-language",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-language",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expires",
    "forwarded",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "location",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "referer",
    "retry-after",
    "sec-websocket-accept",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "server",
    "set-cookie",
    "user-agent",
    "vary",
    "via",
    "www-authenticate",
    "x-base",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-identity",
    "x-not-found",
    "x-real-ip",
    "x-request-id",
    "x-vhost-tenant",
};

constexpr size_t kNameSizeMin = 2;
constexpr size_t kNameSizeMax = 22;
constexpr size_t kNameRoom = 24;

/// Length, first and last letter tell all known names apart; the factor was searched for so that
/// the upper byte of the product does as well. A collision after adding a name fails the build
/// below.
constexpr uint8_t slot_of(size_t size, char first, char last) noexcept {
    uint32_t key = static_cast<uint32_t>(size) | (static_cast<uint8_t>(first) | 0x20U) << 8 |
                   (static_cast<uint8_t>(last) | 0x20U) << 16;
    return static_cast<uint8_t>((key * 0x9b810e77U) >> 24);
}

struct alignas(32) Known {
    char text[kNameRoom] = {};
    uint64_t size = 0;  ///< 0 for `other`, which so equals no name.
};
static_assert(sizeof(Known) == 32, "one load of AVX2");

struct Tables {
    std::array<uint8_t, 256> ids{};  ///< By slot; 0 is `other`.
    std::array<Known, kCount> known{};
    bool perfect = true;
};

constexpr Tables make_tables() {
    Tables tables;
    for (size_t id = 1; id < kCount; ++id) {
        std::string_view name = kNames[id];
        uint8_t slot = slot_of(name.size(), name.front(), name.back());
        if (tables.ids[slot] != 0) tables.perfect = false;
        if (name.size() < kNameSizeMin || name.size() > kNameSizeMax) tables.perfect = false;
        tables.ids[slot] = static_cast<uint8_t>(id);
        for (size_t i = 0; i < name.size(); ++i) tables.known[id].text[i] = name[i];
        tables.known[id].size = name.size();
    }
    return tables;
}

inline constexpr Tables kTables = make_tables();
static_assert(kTables.perfect, "two known names share a slot: search a new factor");

template <typename Word>
inline Word load(const char* from) noexcept {
    Word word;
    std::memcpy(&word, from, sizeof word);
    return word;
}

/// Whether `text` spells `lower`, whose letters are lower-case, in any capitalisation. Only letters
/// have bit 0x40 in known names (the rest are digits and `-`), so exactly they get their case
/// folded.
template <typename Word>
inline bool same(const char* text, const char* lower) noexcept {
    constexpr Word kLetters = static_cast<Word>(0x4040404040404040ULL);
    Word expected = load<Word>(lower);
    return static_cast<Word>(load<Word>(text) | static_cast<Word>((expected & kLetters) >> 1)) ==
           expected;
}

/// Words overlap where the size is no multiple of theirs, so nothing outside the name is read.
inline bool same_name(const char* text, const Known& known) noexcept {
    size_t size = known.size;
    if (size >= 8) [[likely]] {
        bool equal = same<uint64_t>(text, known.text) &&
                     same<uint64_t>(text + size - 8, known.text + size - 8);
        return size <= 16 ? equal : equal && same<uint64_t>(text + 8, known.text + 8);
    }
    if (size >= 4) {
        return same<uint32_t>(text, known.text) &&
               same<uint32_t>(text + size - 4, known.text + size - 4);
    }
    return same<uint16_t>(text, known.text) &&
           same<uint16_t>(text + size - 2, known.text + size - 2);
}

[[nodiscard]] inline FieldId find(const char* name, size_t size) noexcept {
    if (size == 0) return FieldId::other;
    uint8_t id = kTables.ids[slot_of(size, name[0], name[size - 1])];
    const Known& known = kTables.known[id];
    if (known.size != size || !same_name(name, known)) return FieldId::other;
    return static_cast<FieldId>(id);
}

}  // namespace ringtime::http::interning
