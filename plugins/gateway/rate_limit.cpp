#include "rate_limit.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>

namespace {

constexpr uint64_t kSecond = 1'000'000'000;

uint64_t seconds_up(uint64_t ns) { return (ns + kSecond - 1) / kSecond; }

/// So that nobody can choose names that meet in one place of the table.
uint64_t seed() {
    static const uint64_t value = [] {
        std::random_device device;
        return static_cast<uint64_t>(device()) << 32 | device();
    }();
    return value;
}

}  // namespace

RateLimit::RateLimit(double per_second, uint64_t burst, size_t clients_max)
    : interval_ns_(std::max<uint64_t>(1, static_cast<uint64_t>(1e9 / per_second))), burst_(burst) {
    size_t size = ways;
    while (size < clients_max) size *= 2;
    mask_ = size - 1;
    buckets_ = std::make_unique<Bucket[]>(size);
}

uint64_t RateLimit::hash(std::string_view text) noexcept {
    uint64_t value = seed();
    for (char c : text) {
        value = (value ^ static_cast<unsigned char>(c)) * 0x9e3779b97f4a7c15;
        value ^= value >> 29;
    }
    return value | 1;  // 0 is nobody.
}

uint64_t RateLimit::hash_address(std::string_view address) noexcept {
    char text[64] = {};
    in6_addr parsed{};
    if (address.find(':') == address.npos || address.size() >= sizeof text) return hash(address);
    std::memcpy(text, address.data(), address.size());
    if (::inet_pton(AF_INET6, text, &parsed) != 1) return hash(address);
    return hash({reinterpret_cast<const char*>(&parsed), 8});
}

RateLimit::Bucket& RateLimit::find(uint64_t client) noexcept {
    size_t first = (client >> 8) & mask_ & ~(ways - 1);
    Bucket* soonest = &buckets_[first];
    for (size_t i = first; i < first + ways; ++i) {
        Bucket& bucket = buckets_[i];
        if (bucket.client.load(std::memory_order_relaxed) == client) return bucket;
        if (bucket.full_at.load(std::memory_order_relaxed) <
            soonest->full_at.load(std::memory_order_relaxed))
            soonest = &bucket;
    }
    // Two cores that do this at once cost somebody a few tokens, or give a few: no more.
    soonest->client.store(client, std::memory_order_relaxed);
    soonest->full_at.store(0, std::memory_order_relaxed);
    return *soonest;
}

RateLimit::Outcome RateLimit::take(uint64_t client, uint64_t now_ns) noexcept {
    Bucket& bucket = find(client);
    uint64_t capacity = interval_ns_ * burst_;
    uint64_t full_at = bucket.full_at.load(std::memory_order_relaxed);
    for (;;) {
        uint64_t next = std::max(full_at, now_ns) + interval_ns_;
        uint64_t missing = next - now_ns;
        if (missing > capacity)
            return {false, 0, seconds_up(full_at - now_ns), seconds_up(missing - capacity)};
        if (bucket.full_at.compare_exchange_weak(full_at, next, std::memory_order_relaxed))
            return {true, (capacity - missing) / interval_ns_, seconds_up(missing), 0};
    }
}
