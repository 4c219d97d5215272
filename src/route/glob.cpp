#include "route/glob.h"

#include <algorithm>

namespace ringtime::route {
namespace {

[[nodiscard]] int hex_value(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

[[nodiscard]] bool is_unreserved(uint8_t c) noexcept {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void append_escape(std::vector<Item>& items, uint8_t byte) {
    static constexpr char digits[] = "0123456789ABCDEF";
    items.push_back('%');
    for (char digit : {digits[byte >> 4], digits[byte & 15]}) {
        Item plain = static_cast<Item>(digit);
        items.push_back(digit >= 'A' ? static_cast<Item>(item::hex_letter | plain) : plain);
    }
}

// A path never holds these: dot segments are resolved before it is matched.
[[nodiscard]] bool has_dot_segment(const std::vector<Item>& items) {
    size_t size = 0;
    bool dots = true;
    for (size_t i = 0; i <= items.size(); ++i) {
        if (i == items.size() || items[i] == '/') {
            if (dots && (size == 1 || size == 2)) return true;
            size = 0;
            dots = true;
        } else {
            ++size;
            dots = dots && items[i] == '.';
        }
    }
    return false;
}

}  // namespace

void append_canonical(std::vector<Item>& items, uint8_t byte) {
    static constexpr std::string_view encoded = " \"<>^`{|}";
    if (byte >= 0x80 || encoded.find(static_cast<char>(byte)) != std::string_view::npos) {
        append_escape(items, byte);
    } else {
        items.push_back(byte);
    }
}

Glob parse_glob(std::string_view text) {
    Glob glob;
    auto refuse = [&glob](const char* why) {
        glob.error = why;
        return glob;
    };
    if (text.empty() || text[0] != '/') return refuse("must begin with `/`");
    if (text.size() > glob_bytes_max) return refuse("is longer than 512 bytes");
    for (size_t i = 0; i < text.size(); ++i) {
        auto byte = static_cast<uint8_t>(text[i]);
        if (byte < 0x20 || byte == 0x7f) return refuse("holds a control character");
        if (byte == '#' || byte == '\\') return refuse("holds `#` or `\\`, which no path does");
        if (byte == '?') {
            glob.items.push_back(item::one);
        } else if (byte == '*') {
            bool deep = i + 1 < text.size() && text[i + 1] == '*';
            while (i + 1 < text.size() && text[i + 1] == '*') ++i;
            glob.items.push_back(deep ? item::deep : item::run);
        } else if (byte == '%') {
            int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
            int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
            if (high < 0 || low < 0) return refuse("holds a `%` without two hex digits");
            auto decoded = static_cast<uint8_t>(high * 16 + low);
            if (decoded == 0) return refuse("holds `%00`, which no path does");
            if (is_unreserved(decoded)) {
                glob.items.push_back(decoded);
            } else {
                append_escape(glob.items, decoded);
            }
            i += 2;
        } else {
            append_canonical(glob.items, byte);
        }
    }
    if (has_dot_segment(glob.items))
        return refuse("holds a `.` or `..` segment, which no path does");
    return glob;
}

std::string literal_prefix(std::span<const Item> items) {
    std::string prefix;
    size_t whole = 0;
    size_t i = 0;
    for (; i < items.size() && is_literal(items[i]); ++i) {
        if (items[i] == '/') whole = i;
        prefix.push_back(static_cast<char>(items[i]));
    }
    bool ends_inside_segment = i == items.size() && !(i > 0 && items[i - 1] == '/');
    prefix.resize(ends_inside_segment ? i : whole);
    return prefix;
}

namespace {

/// The items of one glob that may be next, closed over what stars may skip.
using ItemSet = std::vector<bool>;

void close(const std::vector<Item>& items, ItemSet& set) {
    for (size_t i = 0; i < items.size(); ++i) {
        if (set[i] && is_star(items[i])) set[i + 1] = true;
    }
}

/// Keeps what is sure to be possible after `inner` consumed one item, whichever bytes it stood for.
void step(const std::vector<Item>& outer, ItemSet& set, Item inner) {
    ItemSet next(set.size(), false);
    for (size_t i = 0; i < outer.size(); ++i) {
        if (!set[i]) continue;
        Item have = outer[i];
        bool takes = have == item::deep || have == inner;
        if (inner != item::deep && inner != '/') takes = takes || have == item::run;
        if (inner != item::deep && inner != '/' && inner != item::run) {
            takes = takes || have == item::one;
        }
        if (!takes) continue;
        next[is_star(have) ? i : i + 1] = true;
    }
    set = next;
    close(outer, set);
}

}  // namespace

bool covers(const std::vector<Item>& outer, const std::vector<Item>& inner) {
    ItemSet set(outer.size() + 1, false);
    set[0] = true;
    close(outer, set);
    for (Item what : inner) step(outer, set, what);
    return set[outer.size()];
}

}  // namespace ringtime::route
