#pragma once
// Writes the cores' access logs to one descriptor: a thread of its own, in batches, several times a
// second. When the descriptor does not take what it is given (full disk, stuck pipe), lines are
// dropped and counted; cores never notice.

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "config/settings.h"
#include "exchange/access_log.h"
#include "hook/log_feed.h"

namespace ringtime::runtime {

class AccessLogWriter {
 public:
    /// Logs are added before start().
    explicit AccessLogWriter(const config::AccessLog& destination);
    ~AccessLogWriter();

    [[nodiscard]] bool open(std::string& problem);
    exchange::AccessLog& add_core();
    /// Lines are shown to `feed` as well, which outlives the writer's thread. Before start().
    void show_to(hook::LogFeed& feed) noexcept { feed_ = &feed; }
    /// Again when plugins were loaded, which may want to hear a log that is off.
    void start();
    /// Writes what is left and ends the thread.
    void stop();
    /// Opens the file again (after rotation). Any thread.
    void reopen() noexcept { reopen_.store(true); }
    /// Lines that were lost so far. Any thread.
    [[nodiscard]] uint64_t dropped() const noexcept;

 private:
    void run();
    bool write_round();
    void write_all(std::string_view bytes);
    void ask_for_lines() noexcept;

    config::AccessLog destination_;
    Fd file_;
    int fd_ = -1;
    hook::LogFeed* feed_ = nullptr;
    std::string shown_;  ///< Whole lines of one core on their way to the feed.
    std::vector<std::unique_ptr<exchange::AccessLog>> logs_;
    std::atomic<bool> stopping_{false};
    std::atomic<bool> reopen_{false};
    std::thread thread_;
};

}  // namespace ringtime::runtime
