#pragma once
// One core's end of the rings it shares with one worker: numbers of exchanges, memory of region A,
// what is still to be said when the ring is full, and the check of everything the worker says.
// Lives on its core until the worker is gone and every piece of its memory has come back.
//
// A worker that says what cannot be (a number that is not open, bytes outside its arena, more than
// its window) gets a strike; the third strike, or a corrupt ring, ends the process. Nothing it does
// is an assertion.

#include <cstdint>
#include <vector>

#include "base/piece.h"
#include "loop/reactor.h"
#include "worker/bounds.h"
#include "worker/region.h"
#include "worker/shared.h"

namespace ringtime::worker {

class CorePool;
class WorkerAnswer;

/// An exchange's number at this worker. Taken from REQUEST until the worker's END or ABORT.
struct Slot {
    WorkerAnswer* answer = nullptr;     ///< Null when the gateway has lost interest.
    uint32_t sequence = 0;              ///< Of its REQUEST, counted from 1.
    uint32_t unfreed = 0;               ///< Bytes of the answer not given back.
    uint32_t lent = 0;                  ///< Memory of region A its body holds, in bytes.
    Nanoseconds aborted_at = 0;
    uint32_t first_slab = RTW_NO_SLAB;  ///< Of region A: the head, then the body in order.
    uint32_t last_slab = RTW_NO_SLAB;
    uint16_t generation = 0;
    uint16_t next_free = 0;
    bool open = false;
    bool aborted = false;
    bool recalled = false;
};

/// What becomes of a link whose process is gone: those of ephemeral apps serve the next one.
enum class AfterLoss : uint8_t { end, renew };

class Link final : public PieceOwner, public loop::Flushable {
  public:
    Link(CorePool& pool, WorkerState& worker, RegionPair region);
    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;
    ~Link() = default;

    [[nodiscard]] WorkerState& worker() noexcept { return worker_; }
    [[nodiscard]] uint32_t open_slots() const noexcept { return open_slots_; }
    /// Requests this worker may have, counting those it has not begun: those handed in advance
    /// would be answered within ahead_ns.
    [[nodiscard]] uint32_t places() const noexcept;
    /// Takes no more requests, for another link is to take its place, when no exchange is open and
    /// requests have touched more than `bytes` of the memory for them. False: it goes on.
    [[nodiscard]] bool rest_if_swollen(uint32_t bytes) noexcept;
    /// Whether a request can be handed over now (a place apart).
    [[nodiscard]] bool usable() noexcept;

    /// Hands the answer's request over; takes no place. False: no memory or number now.
    [[nodiscard]] bool hand_over(WorkerAnswer& answer, Milliseconds timeout) noexcept;
    /// The gateway gives the exchange up; its number stays taken until the worker answers.
    void abort(uint32_t slot) noexcept;
    /// A body slab for at most `size` bytes; null when the window or the arena is used up.
    [[nodiscard]] char* reserve_body(uint32_t slot, uint32_t& size) noexcept;
    /// Sends `size` bytes of the slab last reserved for this slot; 0 gives it back.
    void commit_body(uint32_t slot, char* reserved, uint32_t size) noexcept;
    [[nodiscard]] uint32_t body_room(uint32_t slot) noexcept;
    void end_body(uint32_t slot) noexcept;
    /// For pieces that lie in region B: bytes from `offset` on go back to the worker on release.
    [[nodiscard]] Piece make_piece(uint32_t exchange, uint32_t free_begin, uint32_t begin,
                                   uint32_t size) noexcept;
    void free_bytes(uint32_t exchange, uint32_t offset, uint32_t size) noexcept;
    [[nodiscard]] const char* arena() const noexcept {
        return reinterpret_cast<const char*>(region_.to_gateway()) + RTW_ARENA_OFFSET;
    }
    [[nodiscard]] uint32_t exchange_of(uint32_t slot) const noexcept {
        return slot | uint32_t{slots_[slot].generation} << 12;
    }

    void release_piece(uint64_t token) noexcept override;
    void flush() noexcept override;

    /// Takes in at most descriptors_per_turn. True when there were any.
    bool drain() noexcept;
    void set_wants_wake(uint32_t value) noexcept {
        rtw_store(&region_.to_worker()->wants_wake, value);
    }

    /// Its drain time is over: what is left of its requests ends on both sides.
    void cut() noexcept;
    /// The process is gone: everything open fails or is repeated elsewhere.
    void lose_worker(AfterLoss after) noexcept;
    /// Nothing refers to it, or to its bytes, any more.
    [[nodiscard]] bool finished() const noexcept {
        return lost_ && users_ == 0 && pieces_out_ == 0 && reserved_ == 0 &&
               (renews_ || !doorbell_op_.in_flight);
    }
    [[nodiscard]] bool renews() const noexcept { return renews_; }
    /// Precondition: finished(). As it was made, on the same memory.
    void renew() noexcept;
    /// Answers that hold bytes of its regions keep it.
    void retain() noexcept { ++users_; }
    void release() noexcept;
    /// The answer of this slot is no longer interested; nothing is said to the worker.
    void forget_answer(uint32_t slot) noexcept { slots_[slot].answer = nullptr; }
    [[nodiscard]] bool lost() const noexcept { return lost_; }
    /// Requests handed in advance behind one that takes too long go back to the queue.
    void recall() noexcept;
    /// A request ran out of time: if the loop does not advance from here on, the process is ended.
    void suspect() noexcept;

    /// In the pool's list of links with open exchanges: the only ones that have something to say.
    struct Active : ListNode {
        Link* link = nullptr;
    } active;
    /// Answers whose body found no memory.
    struct Starved : ListNode {
        WorkerAnswer* answer = nullptr;
    };
    List<Starved> starved;

  private:
    struct Slab {
        uint32_t next = RTW_NO_SLAB;
        uint32_t bytes = 0;
        uint16_t slot = 0;
        uint8_t units = 0;
        bool lent = false;
    };

    [[nodiscard]] uint32_t take_slot() noexcept;
    void end_slot(uint32_t slot) noexcept;
    [[nodiscard]] uint32_t take_slab(uint32_t slot, uint32_t bytes) noexcept;
    void give_slab(uint32_t slab) noexcept;
    void shrink_slab(uint32_t slab, uint32_t bytes) noexcept;
    void chain_slab(Slot& slot, uint32_t slab) noexcept;
    void post(const rtw_desc& desc) noexcept;
    [[nodiscard]] bool rings_for(uint32_t wants_wake) noexcept;
    void say(uint8_t kind, uint8_t flags, uint32_t slot, uint32_t offset, uint32_t length) noexcept;
    void take(const rtw_desc& desc) noexcept;
    void take_head(uint32_t slot, const rtw_desc& desc) noexcept;
    void take_body(uint32_t slot, const rtw_desc& desc) noexcept;
    void take_end(uint32_t slot) noexcept;
    void take_free(uint32_t slot, const rtw_desc& desc) noexcept;
    void take_abort(uint32_t slot, const rtw_desc& desc) noexcept;
    [[nodiscard]] bool take_bytes(uint32_t slot, const rtw_desc& desc) noexcept;
    void strike(const char* what, uint32_t slot) noexcept;
    void condemn(const char* what) noexcept;
    [[nodiscard]] bool begun(const Slot& slot) const noexcept;
    void fail_all(Reason reason) noexcept;
    void disarm_all() noexcept;
    void give_up(Slot& slot) noexcept;
    [[nodiscard]] Nanoseconds patience() const noexcept;
    static void on_lost(loop::Timer& timer) noexcept;
    void watch_ahead() noexcept;
    static void on_doorbell(ring::Op& op) noexcept;
    static void on_watch(loop::Timer& timer) noexcept;
    static void on_liveness(loop::Timer& timer) noexcept;
    static void on_again(loop::Timer& timer) noexcept;

    static constexpr uint32_t no_slot = UINT32_MAX;

    CorePool& pool_;
    WorkerState& worker_;
    RegionPair region_;
    rtw_producer producer_;
    rtw_consumer consumer_;
    rtw_arena arena_;
    std::vector<Slab> slabs_;  ///< By unit of region A.
    std::vector<Slot> slots_;
    std::vector<rtw_desc>
        unsaid_;  ///< What found the ring full; its last `unsaid_count_` are to be said.
    uint32_t unsaid_count_ = 0;
    bool urgent_ = false;  ///< Of what the next flush says, something concerns an open exchange.
    uint32_t first_free_slot_ = no_slot;
    uint32_t open_slots_ = 0;
    uint32_t touched_units_ = 0;  ///< Of region A: none behind these was ever used.
    uint32_t sequence_ = 0;
    uint32_t strikes_ = 0;
    uint32_t users_ = 0;
    uint32_t pieces_out_ = 0;
    uint32_t reserved_ = 0;
    uint32_t recalled_ = 0;  ///< Exchanges taken back that the worker has not yet skipped.
    uint32_t watched_begun_ = 0;
    uint32_t watched_loops_ = 0;
    uint32_t empty_rings_ = 0;
    Nanoseconds no_ahead_until_ = 0;
    bool condemned_ = false;
    bool lost_ = false;
    bool rests_ = false;  ///< Another link is to take its place.
    bool renews_ = false;
    loop::Timer watch_timer_;
    loop::Timer liveness_timer_;
    loop::Timer again_timer_;
    loop::Timer lost_timer_;  ///< Runs while the worker has not ended what was given up.
    uint64_t doorbell_value_ = 0;
    ring::Op doorbell_op_;
};

}  // namespace ringtime::worker
