#pragma once
// Work for the main thread, which supervises worker processes and takes signals: other threads hand
// it over here and it is done between two polls. The main thread never waits for them in turn.

#include <functional>
#include <mutex>
#include <vector>

#include "base/fd.h"

namespace ringtime::runtime {

class MainTasks {
 public:
    MainTasks();

    /// Any thread but a core's. Runs soon, in order.
    void post(std::function<void()> task);
    /// Any thread but a core's and the main one: returns when it has run.
    void call(const std::function<void()>& task);

    // --- The main thread ---
    /// Readable when there is something to do.
    [[nodiscard]] int fd() const noexcept { return signal_.get(); }
    void run_all();

 private:
    std::mutex mutex_;
    std::vector<std::function<void()>> tasks_;
    Fd signal_;
};

}  // namespace ringtime::runtime
