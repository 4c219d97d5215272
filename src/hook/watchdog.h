#pragma once
// Names the plugin and hook that hold a core: looks at each core's mark every few milliseconds from
// a thread of its own. A call is told from the next by its number, so a core that is busy with many
// short hooks is not blamed. It only reads and logs; nothing on a core waits for it.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "hook/core.h"

namespace ringtime::hook {

struct Held {
    unsigned core = 0;
    std::string plugin;
    Hook hook = Hook::count_;
    Milliseconds at_least = 0;  ///< How long when it was seen.
};

class Watchdog {
 public:
    static constexpr Milliseconds held_max = 50;
    static constexpr Milliseconds period = 10;

    /// `cores` outlives the watchdog.
    explicit Watchdog(Cores& cores);
    ~Watchdog() { stop(); }

    /// Looks every `period` and logs what look() returns.
    void start();
    void stop();
    /// One look at `now`: the calls that have just passed held_max. Each is returned once.
    [[nodiscard]] std::vector<Held> look(Nanoseconds now);
    /// How many were found so far. Any thread.
    [[nodiscard]] uint64_t found() const noexcept { return found_.load(std::memory_order_relaxed); }

 private:
    struct Seen {
        uint64_t marker = 0;
        Nanoseconds since = 0;
        bool told = false;
    };
    void run();

    Cores& cores_;
    std::vector<Seen> seen_;
    std::atomic<uint64_t> found_{0};
    std::mutex lock_;  // tidy: allow(data-path) its own thread's
    std::condition_variable changed_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace ringtime::hook
