#pragma once
// The two shared regions of one (core, worker) pair and their doorbell; layout in worker_abi.h.
// Made by the supervisor, then owned by the core. The worker can neither write region A nor shrink
// either one: no torn reads of requests, no SIGBUS.

#include <cstdint>

#include "base/fd.h"
#include "ringtime/worker_abi.h"

namespace ringtime::worker {

class RegionPair {
  public:
    RegionPair() = default;
    RegionPair(RegionPair&& other) noexcept;
    RegionPair& operator=(RegionPair&& other) noexcept;
    ~RegionPair();

    /// An errno, or 0. `to_worker` and `to_gateway` receive the descriptors to pass on.
    [[nodiscard]] int create(unsigned core, uint32_t arena_bytes, Fd& to_worker,
                             Fd& to_gateway) noexcept;

    [[nodiscard]] rtw_region* to_worker() const noexcept { return to_worker_; }
    [[nodiscard]] const rtw_region* to_gateway() const noexcept { return to_gateway_; }
    [[nodiscard]] uint32_t arena_bytes() const noexcept {
        return static_cast<uint32_t>(bytes_ - RTW_ARENA_OFFSET);
    }
    [[nodiscard]] size_t bytes() const noexcept { return bytes_; }
    /// The worker rings it for this core. Non-blocking.
    [[nodiscard]] int doorbell() const noexcept { return doorbell_.get(); }

  private:
    void unmap() noexcept;

    rtw_region* to_worker_ = nullptr;
    const rtw_region* to_gateway_ = nullptr;
    size_t bytes_ = 0;
    Fd doorbell_;
};

}  // namespace ringtime::worker
