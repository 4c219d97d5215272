#include "site/caching.h"

#include <algorithm>

namespace ringtime::site {
namespace {

constexpr size_t kHashBytes = 8;

struct Letters {
    unsigned upper = 0, lower = 0, hex_letters = 0, digits = 0, base32_digits = 0, others = 0;
};

Letters count_letters(std::string_view text) noexcept {
    Letters count;
    for (char c : text) {
        if (c >= '0' && c <= '9') {
            ++count.digits;
            if (c >= '2' && c <= '7') ++count.base32_digits;
        } else if (c >= 'a' && c <= 'z') {
            ++count.lower;
            if (c <= 'f') ++count.hex_letters;
        } else if (c >= 'A' && c <= 'Z') {
            ++count.upper;
        } else {
            ++count.others;
        }
    }
    return count;
}

/// Lower-case hexadecimal with letters and digits: webpack, Rollup 3, Parcel.
bool is_hex_hash(std::string_view text) noexcept {
    Letters count = count_letters(text);
    return text.size() >= kHashBytes && count.digits && count.hex_letters &&
           count.digits + count.hex_letters == text.size();
}

/// Eight characters of base64url (Vite, Rollup 4) or base32 (esbuild, Angular).
bool is_dense_hash(std::string_view text, bool in_assets) noexcept {
    Letters count = count_letters(text);
    bool base64 = count.upper && count.lower && count.digits;
    // One Vite hash in four has no digit; in its own folder mixed case is enough.
    bool mixed = in_assets && count.upper > 1 && count.lower;
    bool base32 = count.upper && count.base32_digits &&
                  count.upper + count.base32_digits == text.size();
    return base64 || mixed || base32;
}

}  // namespace

bool has_hashed_name(std::string_view path) noexcept {
    size_t slash = path.rfind('/');
    std::string_view folder = slash == std::string_view::npos ? "" : path.substr(0, slash);
    std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
    size_t dot = name.rfind('.');
    if (dot == std::string_view::npos) return false;
    std::string_view extension = name.substr(dot + 1);
    std::string_view stem = name.substr(0, dot);
    // A source map and its file share the name.
    if (extension == "map") stem = stem.substr(0, stem.rfind('.'));
    bool in_assets = folder == "assets" || folder.ends_with("/assets");
    if (stem.size() > kHashBytes && (stem[stem.size() - kHashBytes - 1] == '-' ||
                                     stem[stem.size() - kHashBytes - 1] == '.')) {
        std::string_view tail = stem.substr(stem.size() - kHashBytes);
        bool plain = tail.find('.') == std::string_view::npos;
        if (plain && is_dense_hash(tail, in_assets)) return true;
    }
    for (size_t begin = stem.find_first_of("-."); begin != std::string_view::npos;) {
        size_t end = stem.find_first_of("-.", begin + 1);
        // With no further separator this takes the rest.
        if (is_hex_hash(stem.substr(begin + 1, end - begin - 1))) return true;
        begin = end;
    }
    return false;
}

// Simulates all positions in the glob at once: quadratic at worst, whatever the pattern is.
bool glob_matches(std::string_view glob, std::string_view path) {
    std::vector<char> here(glob.size() + 1), next(glob.size() + 1);
    // A star may match nothing: the position behind it is reached with it.
    auto settle = [&](std::vector<char>& positions) {
        for (size_t i = 0; i < glob.size(); ++i) {
            if (positions[i] && glob[i] == '*') positions[i + 1] = 1;
        }
    };
    auto deep = [&](size_t i) {
        return (i + 1 < glob.size() && glob[i + 1] == '*') || (i > 0 && glob[i - 1] == '*');
    };
    here[0] = 1;
    settle(here);
    for (char c : path) {
        std::fill(next.begin(), next.end(), char{0});
        for (size_t i = 0; i < glob.size(); ++i) {
            if (!here[i]) continue;
            if (glob[i] == '*') {
                if (c != '/' || deep(i)) next[i] = 1;
            } else if (glob[i] == c || (glob[i] == '?' && c != '/')) {
                next[i + 1] = 1;
            }
        }
        settle(next);
        here.swap(next);
    }
    return here[glob.size()] != 0;
}

std::string_view cache_control_of(const std::vector<CacheRule>& rules, std::string_view path,
                                  bool html) {
    std::string rooted = "/" + std::string(path);
    for (const CacheRule& rule : rules) {
        if (glob_matches(rule.glob, rooted)) return rule.value;
    }
    // Everything without a hash may change under its name: caches keep it and ask (§5.2.2.4 of
    // RFC 9111), which a validator makes cheap.
    return !html && has_hashed_name(path) ? "public, max-age=31536000, immutable" : "no-cache";
}

}  // namespace ringtime::site
