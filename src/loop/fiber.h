#pragma once
// A flat coroutine: the only one there is. It reads a lifecycle from top to bottom; protocols below
// it are step machines. Rules (they keep g++ 12 honest and costs flat):
//   - it awaits only next_event(), until() and completion(); nothing with a destructor in such an
//     expression;
//   - its parameters are references that outlive it or trivially copyable;
//   - it is resumed by the reactor alone and never destroyed from outside: to end one, set a reason
//   that
//     its conditions look at, make its operations complete, wake it, and let it return.
// The frame is a slot of the core's slab: no slot, no fiber, an ordinary refusal.

#include <coroutine>
#include <utility>

#include "loop/reactor.h"

#if defined(__GNUC__) && !defined(__clang__)
// Without optimisation g++ 12 does not see that the frame's operator delete belongs to its operator
// new; it says so at the end of the coroutine, wherever that stands.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif

namespace ringtime::loop {

class Fiber;

/// The place a fiber lives in, embedded in its owner.
class FiberSlot final : public Runnable {
 public:
    using EndHandler = void (*)(void* owner) noexcept;

    /// `on_end(owner)` is called when the fiber has returned and its frame is gone.
    explicit FiberSlot(Reactor& reactor, EndHandler on_end = nullptr,
                       void* owner = nullptr) noexcept
        : reactor_(reactor), on_end_(on_end), owner_(owner) {}
    ~FiberSlot() { ASSERT(!handle_); }

    /// Runs `fiber` in this turn. False when there was no slot for its frame.
    [[nodiscard]] bool start(Fiber fiber) noexcept;
    /// Something a condition of the fiber looks at has changed. Harmless when no fiber runs.
    void wake() noexcept {
        if (handle_) reactor_.wake(*this);
    }
    [[nodiscard]] bool running() const noexcept { return static_cast<bool>(handle_); }
    [[nodiscard]] Reactor& reactor() noexcept { return reactor_; }

    void run() noexcept override {
        if (!handle_) return;
        handle_.resume();
        if (handle_) return;
        // It may have been woken while it ran for the last time.
        Reactor::forget(*this);
        if (on_end_) on_end_(owner_);
    }

 private:
    friend class Fiber;

    Reactor& reactor_;
    EndHandler on_end_;
    void* owner_;
    std::coroutine_handle<> handle_;
};

class [[nodiscard]] Fiber {
 public:
    struct NextEvent {};
    struct Until {
        Timer* timer;
        Nanoseconds deadline;
    };
    struct Completion {
        ring::Op* op;
    };

    struct promise_type {
        FiberSlot* slot = nullptr;

        /// The first parameter of a fiber is its owner, which says where frames come from.
        template <typename Owner, typename... Rest>
        static void* operator new(size_t size, Owner& owner, Rest&...) noexcept {
            SlabMemory& frames = owner.fiber_frames();
            ASSERT(size <= frames.slot_size() - 2 * sizeof(void*));
            auto* memory = static_cast<SlabMemory**>(frames.take());
            if (!memory) return nullptr;
            *memory = &frames;
            return memory + 2;
        }
        static void operator delete(void* frame) noexcept {
            auto** memory = static_cast<SlabMemory**>(frame) - 2;
            (*memory)->give(memory);
        }

        static Fiber get_return_object_on_allocation_failure() noexcept { return Fiber({}); }
        Fiber get_return_object() noexcept {
            return Fiber(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        std::suspend_always initial_suspend() noexcept { return {}; }
        struct Leave {
            static bool await_ready() noexcept { return true; }
            static void await_suspend(std::coroutine_handle<>) noexcept {}
            static void await_resume() noexcept {}
        };
        Leave final_suspend() noexcept {
            slot->handle_ = nullptr;
            return {};
        }
        void return_void() noexcept {}
        [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }

        struct Suspend {
            static bool await_ready() noexcept { return false; }
            static void await_suspend(std::coroutine_handle<>) noexcept {}
            static void await_resume() noexcept {}
        };
        Suspend await_transform(NextEvent) noexcept { return {}; }
        Suspend await_transform(Until until) noexcept {
            until.timer->owner = slot;
            until.timer->on_expire = &wake_owner;
            slot->reactor().arm(*until.timer, until.deadline);
            return {};
        }
        Suspend await_transform(Completion completion) noexcept {
            completion.op->owner = slot;
            completion.op->on_complete = &wake_owner;
            slot->reactor().ring().submit(*completion.op);
            return {};
        }

     private:
        static void wake_owner(Timer& timer) noexcept {
            static_cast<FiberSlot*>(timer.owner)->wake();
        }
        static void wake_owner(ring::Op& op) noexcept { static_cast<FiberSlot*>(op.owner)->wake(); }
    };

 private:
    friend class FiberSlot;
    explicit Fiber(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
    std::coroutine_handle<promise_type> handle_;
};

/// `co_await next_event();` suspends until somebody wakes the fiber: always in a loop over a
/// condition.
[[nodiscard]] inline Fiber::NextEvent next_event() noexcept { return {}; }
/// Suspends until woken, by the timer at the latest. The timer stays armed when somebody else was
/// first.
[[nodiscard]] inline Fiber::Until until(Timer& timer, Nanoseconds deadline) noexcept {
    return {&timer, deadline};
}
/// Submits `op` and suspends; loop while `op.in_flight`.
[[nodiscard]] inline Fiber::Completion completion(ring::Op& op) noexcept { return {&op}; }

inline bool FiberSlot::start(Fiber fiber) noexcept {
    ASSERT(!handle_);
    if (!fiber.handle_) return false;
    fiber.handle_.promise().slot = this;
    handle_ = fiber.handle_;
    reactor_.wake(*this);
    return true;
}

}  // namespace ringtime::loop
