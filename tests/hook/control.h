#pragma once
// What a test and the plugins it loads share: the plugin finds it by the address in its
// configuration.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace ringtime::hook_test {

/// Opens once; whoever waits goes on.
class Gate {
 public:
    void open() {
        std::lock_guard lock(lock_);
        open_ = true;
        changed_.notify_all();
    }
    void wait() {
        std::unique_lock lock(lock_);
        changed_.wait(lock, [&] { return open_; });
    }

 private:
    std::mutex lock_;
    std::condition_variable changed_;
    bool open_ = false;
};

struct Control {
    void note(std::string what) {
        std::lock_guard guard(lock);
        journal.push_back(std::move(what));
    }
    [[nodiscard]] std::vector<std::string> take() {
        std::lock_guard guard(lock);
        return std::exchange(journal, {});
    }

    std::mutex lock;
    std::vector<std::string> journal;
    Gate gate;                       ///< What a plugin told to block waits for.
    Gate reached;                    ///< Opened by the plugin when it is there.
    std::atomic<uint64_t> token{0};  ///< Of the last pause.
    const void* host = nullptr;      ///< ringtime_host of the plugin that paused.
    std::thread thread;              ///< Started by a plugin that resumes from its own.
};

}  // namespace ringtime::hook_test
