#include "hook/limited_call.h"

#include <sys/resource.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

namespace ringtime::hook {

// tidy: allow(data-path) loading and unloading, never a core
bool call_with_limit(Milliseconds limit, std::function<void()> call) {
    struct Shared {
        std::mutex lock;  // tidy: allow(data-path) as above
        std::condition_variable changed;
        bool done = false;
    };
    auto shared = std::make_shared<Shared>();  // tidy: allow(data-path) either may be the last
    std::thread thread([shared, call = std::move(call)] {
        // Below the cores: loading must not cost a request anything (Linux: nice is per thread).
        ::setpriority(PRIO_PROCESS, 0, 10);
        call();
        std::lock_guard lock(shared->lock);
        shared->done = true;
        shared->changed.notify_one();
    });
    std::unique_lock lock(shared->lock);
    bool done = shared->changed.wait_for(lock, std::chrono::milliseconds(limit),
                                         [&] { return shared->done; });
    lock.unlock();
    if (done) {
        thread.join();
    } else {
        thread.detach();
    }
    return done;
}

}  // namespace ringtime::hook
