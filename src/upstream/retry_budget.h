#pragma once
// How many retries the requests of one core to one upstream pay for: each request brings a share of
// one, each retry costs one. What has been saved is a burst, so that the requests a dying server
// takes with it are all repeated; a server that goes on failing cannot multiply the load for long.

#include <algorithm>
#include <cstdint>

#include "base/upstream_limits.h"

namespace ringtime::upstream {

class RetryBudget {
 public:
    /// `percent`: retries per hundred requests; 0: none at all.
    explicit RetryBudget(unsigned percent) noexcept
        : percent_(percent), hundredths_(percent == 0 ? 0 : kMost) {}

    void add_request() noexcept { hundredths_ = std::min(hundredths_ + percent_, kMost); }
    [[nodiscard]] bool take() noexcept {
        if (hundredths_ < 100) return false;
        hundredths_ -= 100;
        return true;
    }

 private:
    static constexpr uint64_t kMost = limits::retry_burst_max * 100;

    uint64_t percent_;
    uint64_t hundredths_;
};

}  // namespace ringtime::upstream
