#pragma once
// What the hooks need of one core, for the gateway's life: the marker a watchdog reads, the table
// of paused exchanges, the bytes plugins lent. Each HookCore belongs to its core's thread; marks
// and resumptions are the parts other threads touch. The generations of plugins come and go above
// it.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/piece.h"
#include "base/slab.h"
#include "hook/abi.h"
#include "hook/helper_pool.h"
#include "hook/pause_table.h"
#include "loop/mailbox.h"
#include "loop/timer.h"

namespace ringtime::hook {

/// The part of a core's loop that hooks use. reactor_port.h has the real one.
class CorePort {
 public:
    /// Any thread. False when the mailbox is full.
    [[nodiscard]] virtual bool post(const loop::Message& message) noexcept = 0;
    virtual void arm(loop::Timer& timer, Nanoseconds deadline) noexcept = 0;
    virtual void disarm(loop::Timer& timer) noexcept = 0;
    [[nodiscard]] virtual Nanoseconds now() const noexcept = 0;

 protected:
    ~CorePort() = default;
};

/// Bytes plugins lend instead of having them copied: gives each back exactly once.
class LentBytes final : public PieceOwner {
 public:
    LentBytes() : cells_(limits::exchanges_per_core) {}

    /// A piece over the bytes; copied to the heap when they have no release function. False at the
    /// limit or without memory: the bytes are given back.
    [[nodiscard]] bool borrow(const ringtime_bytes& bytes, Piece& out) noexcept;
    void release_piece(uint64_t token) noexcept override;
    [[nodiscard]] size_t out() const noexcept { return cells_.used(); }
    /// Whose bytes the next borrow() takes, as a count of those that are out; null: nobody's. Read
    /// by other threads, so it is left when the bytes' release has returned.
    void take_from(std::atomic<uint32_t>* count) noexcept { lender_ = count; }

 private:
    struct Cell {
        void (*release)(void*);
        void* owner;
        std::atomic<uint32_t>* count;
    };
    static void add(std::atomic<uint32_t>* count, uint32_t amount) noexcept;

    std::atomic<uint32_t>* lender_ = nullptr;
    Slab<Cell> cells_;
};

struct PluginCore;

/// Requests of plugins to other servers, on the core's own connections; implemented by exchange.
class FetchPort {
 public:
    /// See ringtime_host::fetch.
    [[nodiscard]] virtual ringtime_status fetch(PluginCore& plugin, const ringtime_fetch& request,
                                                ringtime_fetched done, void* user) noexcept = 0;
    /// Those of this plugin end now, with RINGTIME_GONE.
    virtual void cancel(PluginCore& plugin) noexcept = 0;

 protected:
    ~FetchPort() = default;
};

class HookCore {
 public:
    HookCore(unsigned index, const ringtime_host& host, HelperPool& helpers) noexcept
        : index_(index), host_(host), helpers_(helpers), pauses_(index) {}

    [[nodiscard]] unsigned index() const noexcept { return index_; }
    /// On the core's thread, before it serves.
    void attach(CorePort& port) noexcept {
        std::lock_guard lock(port_lock_);
        port_ = &port;
        thread_ = std::this_thread::get_id();
    }
    /// The core is gone, and nothing is delivered any more.
    void detach() noexcept {
        std::lock_guard lock(port_lock_);
        port_ = nullptr;
        thread_ = std::thread::id();
    }
    enum class Posted : uint8_t { yes, full, gone };
    /// Any thread, and threads of plugins live before the core and after it. full: it takes nothing
    /// at the moment.
    [[nodiscard]] Posted post(const loop::Message& message) noexcept {
        std::lock_guard lock(port_lock_);
        if (!port_) return Posted::gone;
        return port_->post(message) ? Posted::yes : Posted::full;
    }
    /// The core's thread.
    [[nodiscard]] CorePort& port() noexcept { return *port_; }
    [[nodiscard]] const ringtime_host& host() const noexcept { return host_; }
    [[nodiscard]] PauseTable& pauses() noexcept { return pauses_; }
    [[nodiscard]] LentBytes& lent() noexcept { return lent_; }
    [[nodiscard]] HelperPool& helpers() noexcept { return helpers_; }
    /// Null where nobody implements it.
    [[nodiscard]] FetchPort* fetches() noexcept { return fetches_; }
    void attach(FetchPort& fetches) noexcept { fetches_ = &fetches; }
    /// Whether this is the core's own thread.
    [[nodiscard]] bool here() const noexcept { return thread_ == std::this_thread::get_id(); }

    /// `mark` says which hook of which plugin runs from now on; `call`, a number that differs from
    /// call to call, tells one long call from many short ones.
    void enter(uint32_t mark, uint64_t call) noexcept {
        marker_.store(call << 32 | mark, std::memory_order_relaxed);
    }
    void leave() noexcept { marker_.store(0, std::memory_order_relaxed); }
    /// Back to the hook that was running when another was entered.
    void back_to(uint64_t marker) noexcept { marker_.store(marker, std::memory_order_relaxed); }
    /// Any thread: 0 while no hook runs.
    [[nodiscard]] uint64_t marker() const noexcept {
        return marker_.load(std::memory_order_relaxed);
    }

    /// Any thread; see ringtime_host::resume.
    [[nodiscard]] ringtime_status resume(ringtime_token token, uint64_t value) noexcept;
    /// Any thread; see ringtime_host::post.
    [[nodiscard]] ringtime_status run_soon(void (*function)(void*), void* argument) noexcept;

 private:
    unsigned index_;
    const ringtime_host& host_;
    HelperPool& helpers_;
    FetchPort* fetches_ = nullptr;
    CorePort* port_ = nullptr;
    std::atomic<std::thread::id> thread_{};
    std::mutex port_lock_;  // tidy: allow(data-path) other threads' messages, and a core's end
    PauseTable pauses_;
    LentBytes lent_;
    // Read by the watchdog: not on a line that anything else here is written on.
    alignas(128) std::atomic<uint64_t> marker_{0};
};

/// A mark: which plugin (its number in Cores), which hook.
[[nodiscard]] constexpr uint32_t make_mark(uint32_t number, Hook hook) noexcept {
    return number << 8 | (static_cast<uint32_t>(hook) + 1);
}

[[nodiscard]] constexpr ringtime_status to_status(HookCore::Posted posted) noexcept {
    if (posted == HookCore::Posted::yes) return RINGTIME_OK;
    return posted == HookCore::Posted::full ? RINGTIME_AGAIN : RINGTIME_GONE;
}

class Cores;
class Registry;

/// The function table plugins get. Host calls that have no exchange find the cores through it.
struct Host {
    ringtime_host api;
    Cores* cores;
};

/// All cores of the gateway and the table of host functions bound to them. Outlives every plugin.
class Cores {
 public:
    /// `count`: at most limits::cores_max.
    explicit Cores(unsigned count);
    Cores(const Cores&) = delete;
    Cores& operator=(const Cores&) = delete;
    ~Cores();

    [[nodiscard]] unsigned count() const noexcept { return static_cast<unsigned>(cores_.size()); }
    [[nodiscard]] HookCore& operator[](unsigned index) noexcept { return *cores_[index]; }
    [[nodiscard]] const ringtime_host& host() const noexcept { return host_.api; }

    /// Helper threads: keeps for the gateway's life what could not be unloaded.
    // tidy: allow(data-path) loading and unloading only
    void leave_behind(std::shared_ptr<void> plugin);
    /// Whether a thread may be left in a plugin, from where it reaches all of this until the
    /// process has ended.
    [[nodiscard]] bool left_any_behind() const;

    /// A number for a newly loaded plugin, for marks; names stay known after it is gone.
    [[nodiscard]] uint32_t add_name(std::string name);
    [[nodiscard]] std::string name_of(uint32_t number) const;
    /// The same for a process that dies: it neither waits nor allocates, and may not know.
    [[nodiscard]] std::string_view name_if_free(uint32_t number) const noexcept;

    /// The plugins that are loaded, of all generations.
    [[nodiscard]] Registry& registry() noexcept { return *registry_; }
    // tidy: allow(data-path) for a thread that may be left behind
    [[nodiscard]] std::shared_ptr<Registry> share_registry() const noexcept { return registry_; }
    [[nodiscard]] HelperPool& helpers() noexcept { return helpers_; }
    /// Before plugins are loaded; `source` outlives them.
    void add_metrics(const MetricSource& source) { metrics_.push_back(&source); }
    /// Everything that is counted, by the gateway and by plugins. Any thread.
    void read_metrics(MetricSink& sink);
    /// Taps of the log that plugins have at the moment; any thread.
    [[nodiscard]] std::atomic<unsigned>& log_taps() noexcept { return log_taps_; }

 private:
    std::shared_ptr<Registry> registry_;  // tidy: allow(data-path) as above
    std::vector<const MetricSource*> metrics_;
    std::atomic<unsigned> log_taps_{0};
    std::vector<std::unique_ptr<HookCore>> cores_;
    HelperPool helpers_;  ///< Behind the cores: it ends before those it brings results to.
    Host host_;
    mutable std::mutex names_lock_;  // tidy: allow(data-path) loading and the watchdog only
    std::vector<std::string> names_;
    // tidy: allow(data-path) loading and unloading only
    std::vector<std::shared_ptr<void>> left_behind_;
};

}  // namespace ringtime::hook
