#pragma once
// Token buckets for as many clients as a table of fixed size holds, shared by all cores without a
// lock. A bucket is one number, the time at which it will be full again (the generic cell rate
// algorithm), so taking a token is one exchange of it. Where the table is full the bucket that is
// nearest to being full makes room: a client that is held back is the last to be forgotten.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

class RateLimit {
 public:
    /// `clients_max` is rounded up to a power of two; 16 bytes each.
    RateLimit(double per_second, uint64_t burst, size_t clients_max);

    struct Outcome {
        bool allowed = true;
        uint64_t remaining = 0;  ///< Tokens left.
        uint64_t full_in_s = 0;  ///< Rounded up.
        uint64_t retry_in_s = 0;
    };
    /// Any thread.
    [[nodiscard]] Outcome take(uint64_t client, uint64_t now_ns) noexcept;
    [[nodiscard]] uint64_t burst() const noexcept { return burst_; }

    /// Of a name of a client.
    [[nodiscard]] static uint64_t hash(std::string_view text) noexcept;
    /// Of an address: those of one IPv6 network of 64 bits are one client, who owns them all.
    [[nodiscard]] static uint64_t hash_address(std::string_view address) noexcept;

 private:
    static constexpr size_t ways = 8;
    struct Bucket {
        std::atomic<uint64_t> client{0};
        std::atomic<uint64_t> full_at{0};
    };
    [[nodiscard]] Bucket& find(uint64_t client) noexcept;

    uint64_t interval_ns_;  ///< For one token.
    uint64_t burst_;
    size_t mask_;
    std::unique_ptr<Bucket[]> buckets_;
};
