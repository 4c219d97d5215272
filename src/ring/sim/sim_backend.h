#pragma once
// What stands behind a Ring in a simulated world: the queues of operations on their way to
// completion. An operation is queued (submit), in flight (handed over by enter), completed (its
// effect has happened), then handled. Between any two of these the seed may let other things
// happen.

#include <cstdint>
#include <vector>

#include "ring/ring.h"
#include "ring/sim/sim_world.h"

namespace ringtime::ring {

struct RingBackend {
    /// An operation the kernel works on.
    struct Flight {
        Op* op;
        uint32_t done = 0;       ///< Bytes of a MSG_WAITALL transfer so far.
        bool tried = false;      ///< A receive looks at its pool before it waits, once.
        bool cancelled = false;  ///< Completes at its next turn, whatever it has done.
        uint64_t tried_at = 0;   ///< The world's count of changes when it was last tried in vain.
    };
    struct Completion {
        Op* op;
        int32_t result;
        bool more = false;
        bool has_buffer = false;
        uint16_t buffer = 0;
    };
    /// A queue entry: an operation, or a request to cancel.
    struct Queued {
        Op* op;
        Op* cancelled_op;
        int cancelled_fd;
    };
    /// What trying an operation came to.
    enum class Outcome : uint8_t { waits, completed };

    RingBackend(Ring& ring, SimWorld& world, unsigned entries);
    ~RingBackend();

    void submit(const Queued& entry);
    unsigned enter(Nanoseconds timeout);
    [[nodiscard]] bool busy(int fd) const;
    void check();

    // --- The kernel's part (sim_ops.cpp) ---
    Outcome attempt(Flight& flight);
    Outcome attempt_receive(Flight& flight, SimSocket& socket);
    Outcome receive_into_pool(Flight& flight, SimLink& link, SimLink::Side side);
    Outcome receive_into_memory(Flight& flight, SimLink& link, SimLink::Side side);
    Outcome attempt_send(Flight& flight, SimSocket& socket);
    Outcome attempt_accept(Flight& flight, SimSocket& socket);
    Outcome attempt_connect(Flight& flight, SimSocket& socket);
    Outcome attempt_poll(Flight& flight);
    Outcome attempt_close(Flight& flight);
    Outcome attempt_read(Flight& flight);
    Outcome complete(const Flight& flight, int64_t result);
    Outcome finish_cancelled(const Flight& flight);
    Outcome attempt_kind(Flight& flight);
    Outcome attempt_open(Flight& flight);
    /// Marks what is in flight: `op`, or everything on `fd`. How many there were.
    int32_t cancel(const Op* op, int fd);
    void take_slot(const Op& op);
    void free_slot(const Op& op);

    /// Gives a buffer of `pool` to the kernel, or takes one from it (no_buffer when there is none).
    static void spoil_buffer(BufferPool& pool, uint16_t id) noexcept;
    static void give_buffer(BufferPool& pool, uint16_t id) noexcept;
    static uint16_t take_buffer(BufferPool& pool, SimRandom& random);
    static std::vector<uint16_t>& free_buffers(BufferPool& pool) noexcept {
        return *static_cast<std::vector<uint16_t>*>(pool.kernel_ring_);
    }
    static char* memory_of(BufferPool& pool) noexcept { return pool.memory_; }
    static void open_pool(BufferPool& pool);
    static void close_pool(BufferPool& pool) noexcept;
    static std::unique_ptr<Ring> open(const RingOptions& options);

    Ring& ring;
    SimWorld& world;
    size_t entries_max;
    std::vector<Queued> queued;
    std::vector<Flight> flights;
    std::vector<Completion> completed;
    uint64_t enters = 0;
    bool postponed = false;  ///< Something could have gone on and was deferred.

 private:
    void issue();
    void progress();
    unsigned handle();
    void check_pool(BufferPool& pool, const char* name);
};

}  // namespace ringtime::ring
