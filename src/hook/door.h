#pragma once
// The door of a plugin for threads that are not a core's at work: readers of metrics, taps of the
// log, readiness probes, helpers. Who is inside holds the plugin in place; a plugin that is shut
// down lets nobody in any more and waits for those who are.

#include <chrono>
#include <shared_mutex>

#include "base/clock.h"

namespace ringtime::hook {

class Door {
 public:
    /// False when it is closed, or just being closed. Never waits.
    [[nodiscard]] bool enter() noexcept {
        if (!lock_.try_lock_shared()) return false;
        if (!closed_) return true;
        lock_.unlock_shared();
        return false;
    }
    void leave() noexcept { lock_.unlock_shared(); }

    /// Nobody enters any more. False when somebody is still inside after `limit`.
    [[nodiscard]] bool close(Milliseconds limit) {
        if (!lock_.try_lock_for(std::chrono::milliseconds(limit))) return false;
        closed_ = true;
        lock_.unlock();
        return true;
    }

 private:
    // tidy: allow(data-path) entered by helper threads; a core that reads metrics only tries
    std::shared_timed_mutex lock_;
    bool closed_ = false;
};

/// Enters for its own life.
class Guest {
 public:
    explicit Guest(Door& door) noexcept : door_(door.enter() ? &door : nullptr) {}
    Guest(const Guest&) = delete;
    Guest& operator=(const Guest&) = delete;
    ~Guest() {
        if (door_) door_->leave();
    }
    [[nodiscard]] explicit operator bool() const noexcept { return door_ != nullptr; }

 private:
    Door* door_;
};

}  // namespace ringtime::hook
