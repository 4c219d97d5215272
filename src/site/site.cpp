#include "site/site.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/log.h"
#include "site/inject.h"

namespace ringtime::site {
namespace {

constexpr size_t kCacheControlBytesMax = 512;

uint64_t load(const char* from) noexcept {
    uint64_t word;
    std::memcpy(&word, from, sizeof word);
    return word;
}

/// Both halves of a 128-bit product: every input bit reaches every output bit.
__extension__ using Wide = unsigned __int128;
uint64_t mix(uint64_t a, uint64_t b) noexcept {
    Wide product = static_cast<Wide>(a) * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// Arbitrary odd constants with half of their bits set.
constexpr uint64_t kFirst = 0x9e3779b97f4a7c15;
constexpr uint64_t kSecond = 0xc2b2ae3d27d4eb4f;

/// Not mutable state but a name giver: a serial is compared, never ordered or counted.
uint64_t next_serial() noexcept {
    static std::atomic<uint64_t> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

/// Parts with their lengths, so that no two lists of parts read alike.
void append_part(std::string& out, std::string_view part) {
    out += std::to_string(part.size());
    out += ':';
    out += part;
}

}  // namespace

uint64_t hash_bytes(std::string_view bytes, uint64_t seed) noexcept {
    const char* at = bytes.data();
    size_t left = bytes.size();
    uint64_t hash = mix(seed ^ kFirst, left ^ kSecond);
    for (; left >= 16; left -= 16, at += 16) hash = mix(load(at) ^ kFirst, load(at + 8) ^ hash);
    char tail[16] = {};
    if (left) std::memcpy(tail, at, left);
    hash = mix(load(tail) ^ kFirst, load(tail + 8) ^ hash);
    return mix(hash ^ kSecond, kFirst);
}

bool Site::valid_cache_control(std::string_view value) noexcept {
    return !value.empty() && value.size() <= kCacheControlBytesMax &&
           std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c < 0x7f; });
}

Site::Site(SiteOptions options) : options_(std::move(options)), serial_(next_serial()) {
    std::erase_if(options_.cache_rules, [](const CacheRule& rule) {
        if (valid_cache_control(rule.value)) return false;
        log_format(LogLevel::warn, "site",
                   "cache rule for {} left out: its value cannot stand in a head", rule.glob);
        return true;
    });
    injection_ = injection_of(options_.inject_base ? std::string_view(options_.base)
                                                   : std::string_view(),
                              options_.env_json);
    append_part(identity_, options_.folder);
    append_part(identity_, options_.entrypoint);
    append_part(identity_, options_.base);
    append_part(identity_, injection_);
    append_part(identity_, options_.compress ? "compressed" : "plain");
    for (const CacheRule& rule : options_.cache_rules) {
        append_part(identity_, rule.glob);
        append_part(identity_, rule.value);
    }
    hash_ = hash_bytes(identity_, 0);
}

}  // namespace ringtime::site
