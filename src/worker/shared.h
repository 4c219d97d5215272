#pragma once
// What the supervisor (main thread) and the cores both touch. Owned by the supervisor; a
// WorkerState is freed only after every core has said that it let go of it. Everything here is an
// atomic word or fixed.
//
// Dispatch takes a place in a worker by one compare-and-swap on `places`: the count of requests
// handed over, and a bit that closes the door. Whoever sees the last place given back behind a
// closed door tells the supervisor.

#include <atomic>
#include <cstdint>

#include "base/limits.h"
#include "worker/spec.h"

namespace ringtime::worker {

/// Sends word to the supervisor from any thread. Never full: each sender has one place in the list,
/// and asking again before it was read only adds a bit.
struct Notice {
    Notice* next = nullptr;
    std::atomic<uint32_t> bits{0};
    void* subject = nullptr;  ///< WorkerState, AppState or CoreSeat, by the list it is in.
    enum class Kind : uint8_t { worker, app, core } kind = Kind::worker;
};

class NoticeBoard {
  public:
    NoticeBoard() noexcept;
    ~NoticeBoard();
    NoticeBoard(const NoticeBoard&) = delete;
    NoticeBoard& operator=(const NoticeBoard&) = delete;

    /// Any thread.
    void post(Notice& notice, uint32_t bits) noexcept;
    /// The supervisor: everything posted so far, oldest first; `bits` are to be exchanged for 0 by
    /// the reader before it acts on them.
    [[nodiscard]] Notice* take_all() noexcept;
    /// -1 where the process was out of descriptors.
    [[nodiscard]] int fd() const noexcept { return fd_; }

  private:
    std::atomic<Notice*> top_{nullptr};
    int fd_;
};

/// How many requests of ephemeral apps run at once, over all apps and cores.
class Gate {
  public:
    explicit Gate(uint32_t limit) noexcept : limit_(limit) {}

    [[nodiscard]] bool open() const noexcept {
        return inside_.load(std::memory_order_seq_cst) < limit_;
    }
    [[nodiscard]] bool enter() noexcept {
        uint32_t inside = inside_.load(std::memory_order_seq_cst);
        while (inside < limit_)
            if (inside_.compare_exchange_weak(inside, inside + 1, std::memory_order_seq_cst))
                return true;
        return false;
    }
    void leave() noexcept { inside_.fetch_sub(1, std::memory_order_seq_cst); }

    /// One bit per core with requests that found it closed: set before the second try, read after
    /// leaving, so that one of both sees the other.
    std::atomic<uint64_t> waiting_cores{0};

  private:
    std::atomic<uint32_t> inside_{0};
    const uint32_t limit_;
};

/// Bits of a worker's notice.
inline constexpr uint32_t kWorkerDrained = 1;  ///< Closed, and the last place was given back.
inline constexpr uint32_t kWorkerBroken = 2;   ///< Violated the protocol: to be killed.
inline constexpr uint32_t kWorkerHung = 4;     ///< Its loop does not advance: to be killed.
inline constexpr uint32_t kWorkerWornOut =
    8;  ///< requests_max reached, or its one ephemeral request.
inline constexpr uint32_t kWorkerReleased = 16;  ///< One more core has let go of it.
inline constexpr uint32_t kWorkerRenewed = 32;   ///< One more core has made its link as new.
inline constexpr uint32_t kWorkerStruck = 64;    ///< Broke a rule or lost a request: replaced.
inline constexpr uint32_t kWorkerBare = 128;     ///< A core waits for other memory: `bare_cores`.
/// Bits of an app's notice.
inline constexpr uint32_t kAppWantsMore = 1;  ///< Requests wait.
/// Bits of a core's notice.
inline constexpr uint32_t kCoreJoined = 1;
inline constexpr uint32_t kCoreLeft = 2;

struct AppState {
    AppSpec spec;
    uint32_t index = 0;
    std::atomic<uint32_t> ready{0};  ///< Instances that take requests.
    /// Not 0: it keeps failing to start; requests fail at once.
    std::atomic<uint32_t> hopeless{0};
    /// Not 0: it has not shown yet that it can start.
    std::atomic<uint32_t> unproven{1};
    std::atomic<uint64_t> waiting_cores{0};  ///< One bit per core whose queue is not empty.
    Notice notice;
    static_assert(limits::cores_max <= 64);
};

struct WorkerState {
    static constexpr uint32_t closed = 1U << 31;

    AppState* app = nullptr;
    uint32_t id = 0;
    int32_t pid = 0;
    int doorbell = -1;         ///< Wakes the worker; stays open while any core may ring it.
    uint32_t concurrency = 1;  ///< Handled at once.
    bool spare = false;        ///< Forked for one request, after which it ends by itself.
    alignas(64) std::atomic<uint32_t> places{closed};
    std::atomic<uint32_t> handed{0};   ///< Requests ever handed over.
    std::atomic<uint64_t> used_at{0};  ///< When it last got one.
    std::atomic<uint32_t> released_by{0};
    std::atomic<uint32_t> renewed_by{0};
    std::atomic<uint64_t> bare_cores{0};  ///< Those that wait for other memory, a bit each.
    std::atomic<uint32_t> user{nobody};  ///< Spare: the core that has taken it.
    static constexpr uint32_t nobody = UINT32_MAX;
    Notice notice;

    [[nodiscard]] uint32_t in_flight() const noexcept {
        return places.load(std::memory_order_relaxed) & ~closed;
    }
    [[nodiscard]] bool is_open() const noexcept {
        return (places.load(std::memory_order_relaxed) & closed) == 0;
    }
    /// One more request, unless it is closed or has `limit`.
    [[nodiscard]] bool take_place(uint32_t limit) noexcept {
        uint32_t value = places.load(std::memory_order_relaxed);
        while (value < limit)  // `closed` is above every limit.
            if (places.compare_exchange_weak(value, value + 1, std::memory_order_acquire))
                return true;
        return false;
    }
    /// True when it was the last one behind a closed door.
    [[nodiscard]] bool give_place() noexcept {
        return places.fetch_sub(1, std::memory_order_seq_cst) == (closed | 1);
    }
    /// Returns how many are inside.
    uint32_t close() noexcept {
        return places.fetch_or(closed, std::memory_order_seq_cst) & ~closed;
    }
    /// Closes only when nobody is inside.
    [[nodiscard]] bool close_idle() noexcept {
        uint32_t idle = 0;
        return places.compare_exchange_strong(idle, closed, std::memory_order_seq_cst);
    }
};

}  // namespace ringtime::worker
