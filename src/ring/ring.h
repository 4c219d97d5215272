#pragma once
// One core's io_uring: turns Ops into kernel work and completions into handler calls. Made and used
// by one thread (SINGLE_ISSUER, DEFER_TASKRUN): completions run only inside enter(). Two back ends
// implement this header, chosen when a program is linked: the kernel (uring.cpp), and a simulated
// world for tests (sim/), so that whole cores run deterministically from a seed.

#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/limits.h"
#include "ring/buffer_pool.h"
#include "ring/op.h"

namespace ringtime::ring {

struct RingOptions {
    unsigned submission_entries = limits::submission_entries;
    unsigned completion_entries = limits::completion_entries;
    uint32_t small_buffer_bytes = limits::small_buffer_bytes;
    uint32_t small_buffers = limits::small_buffers;
    uint32_t small_buffers_ready = limits::small_buffers_ready;
    uint32_t bulk_buffer_bytes = limits::bulk_buffer_bytes;
    uint32_t bulk_buffers = limits::bulk_buffers;
    uint32_t bulk_buffers_ready = limits::bulk_buffers_ready;
};

/// What this kernel does well, found by probing, never by its version.
struct RingFeatures {
    /// Multishot receives that neither starve other sockets nor fetch buffers in advance.
    bool receive_multishot = false;
};

struct RingCounters {
    uint64_t enters = 0;
    uint64_t submitted = 0;
    uint64_t completed = 0;
    uint64_t buffers_refused = 0;  ///< Receives that found a pool empty.
};

class Ring {
 public:
    /// Null when the kernel refuses; `problem` then names the cause and the remedy for an operator.
   [[nodiscard]] static std::unique_ptr<Ring> open(const RingOptions& options,
                                                   std::string& problem);
   ~Ring();
   Ring(const Ring&) = delete;
   Ring& operator=(const Ring&) = delete;

   /// Queues an operation; it reaches the kernel with the next enter(). Never refuses: a full
   /// queue is submitted first. Precondition: !op.in_flight and op.on_complete is set.
   void submit(Op& op) noexcept;

   /// Cancels whatever is in flight on `fd`. Each cancelled operation completes as usual: with
   /// -ECANCELED, or with what it had done by then. Nobody is told how many there were.
   void cancel_all(int fd) noexcept;

   /// Asks for the end of one operation, which completes as described above, possibly after some
   /// more completions. Precondition: op.in_flight.
   void cancel(Op& op) noexcept;

   /// One system call: hands over what is queued, waits until a completion is there or `timeout`
   /// has passed (0: does not wait), then calls the handlers of at most
   /// `limits::completions_per_turn` completions. Returns how many were handled.
   unsigned enter(Nanoseconds timeout) noexcept;

   /// True when completions are waiting that need no system call.
   [[nodiscard]] bool has_completions() const noexcept;
   /// True when operations are queued for the kernel.
   [[nodiscard]] bool has_queued() const noexcept;

   /// CLOCK_MONOTONIC, or the simulation's clock.
   [[nodiscard]] Nanoseconds clock() const noexcept;

   [[nodiscard]] BufferPool& buffers(BufferGroup group) noexcept {
       return *pools_[static_cast<unsigned>(group)];
    }
    [[nodiscard]] const RingFeatures& features() const noexcept { return features_; }
    [[nodiscard]] const RingCounters& counters() const noexcept { return counters_; }

 private:
    friend struct RingBackend;
    Ring();

    std::unique_ptr<BufferPool> pools_[2];
    RingFeatures features_;
    RingCounters counters_;
    struct RingBackend* backend_ = nullptr;
};

}  // namespace ringtime::ring
