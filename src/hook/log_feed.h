#pragma once
// Shows the log to plugins that tap it: event lines from any thread, access lines from the thread
// that writes them, delivered one at a time from a thread of its own. Bounded: a tap that is too
// slow loses entries and is told how many; nobody who logs ever waits.

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/log.h"
#include "hook/core.h"

namespace ringtime::hook {

class LogFeed final : public LogListener {
 public:
    /// Entries that wait to be delivered; each is at most a line of the access log (4 KiB).
    static constexpr size_t entries_max = 4096;

    explicit LogFeed(Cores& cores);
    ~LogFeed() { stop(); }

    void start();
    /// A tap that does not return is left behind with its thread.
    void stop();

    /// Whether anybody taps; any thread.
    [[nodiscard]] bool wanted() const noexcept {
        return cores_.log_taps().load(std::memory_order_relaxed) != 0;
    }
    void on_line(LogLevel level, uint64_t wall_ms, std::string_view area,
                 std::string_view text) noexcept override;
    /// Whole lines of the access log.
    void on_access(std::string_view lines) noexcept;

 private:
    struct State;
    static void run(State& state, const Registry& registry) noexcept;

    Cores& cores_;
    // tidy: allow(data-path) a thread that is left behind keeps what it looks at
    std::shared_ptr<State> state_;
};

}  // namespace ringtime::hook
