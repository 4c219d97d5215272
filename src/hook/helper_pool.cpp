#include "hook/helper_pool.h"

#include <pthread.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "hook/core.h"

namespace ringtime::hook {
namespace {

constexpr auto farewell = std::chrono::seconds(1);
// A full mailbox empties within one turn of its core's loop.
constexpr auto mailbox_pause = std::chrono::milliseconds(1);

}  // namespace

struct HelperPool::State {
    std::mutex lock;  // tidy: allow(data-path) held to move one node; never while work runs
    std::condition_variable changed;
    List<HelperTask> queue;
    unsigned queued = 0;
    unsigned running = 0;  ///< Threads that have not ended.
    uint64_t submitted = 0;
    uint64_t refused = 0;
    unsigned handing_back = 0;  ///< Threads that are at a core.
    bool stopping = false;
};

// tidy: allow(data-path) made once
HelperPool::HelperPool() : state_(std::make_shared<State>()) {}

HelperPool::~HelperPool() {
    std::unique_lock lock(state_->lock);
    state_->stopping = true;
    state_->changed.notify_all();
    state_->changed.wait_for(lock, farewell, [&] { return state_->running == 0; });
    state_->changed.wait(lock, [&] { return state_->handing_back == 0; });
}

void HelperPool::start() {
    std::lock_guard lock(state_->lock);
    while (state_->running < threads) {
        ++state_->running;
        std::thread([state = state_] {
            ::pthread_setname_np(::pthread_self(), "helper");
            run(*state);
            std::lock_guard ending(state->lock);
            --state->running;
            state->changed.notify_all();
        }).detach();
    }
}

bool HelperPool::submit(HelperTask& task) noexcept {
    std::lock_guard lock(state_->lock);
    if (state_->running == 0 || state_->stopping || state_->queued == queue_max) {
        ++state_->refused;
        return false;
    }
    ++state_->submitted;
    ++state_->queued;
    state_->queue.push_back(task);
    state_->changed.notify_one();
    return true;
}

void HelperPool::run(State& state) noexcept {
    for (;;) {
        HelperTask* task = nullptr;
        {
            std::unique_lock lock(state.lock);
            state.changed.wait(lock, [&] { return state.stopping || !state.queue.empty(); });
            if (state.stopping) return;
            task = state.queue.pop_front();
            --state.queued;
        }
        task->work(*task);
        while (!hand_back(state, *task)) {
            // tidy: allow(sleep) nothing tells when a mailbox has room
            std::this_thread::sleep_for(mailbox_pause);
        }
    }
}

// False when the core takes nothing at the moment. Once the pool has ended nothing is handed back:
// the cores end with it.
bool HelperPool::hand_back(State& state, HelperTask& task) noexcept {
    {
        std::lock_guard lock(state.lock);
        if (state.stopping) return true;
        ++state.handing_back;
    }
    auto deliver = [](void* context, uint64_t) noexcept {
        auto* finished = static_cast<HelperTask*>(context);
        finished->done(*finished);
    };
    bool done = task.core->post({deliver, &task, 0}) != HookCore::Posted::full;
    std::lock_guard lock(state.lock);
    --state.handing_back;
    if (state.stopping) state.changed.notify_all();
    return done;
}

uint64_t HelperPool::submitted() const noexcept {
    std::lock_guard lock(state_->lock);
    return state_->submitted;
}

uint64_t HelperPool::refused() const noexcept {
    std::lock_guard lock(state_->lock);
    return state_->refused;
}

uint64_t HelperPool::waiting() const noexcept {
    std::lock_guard lock(state_->lock);
    return state_->queued;
}

}  // namespace ringtime::hook
