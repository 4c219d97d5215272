#pragma once
// How an exchange is woken by what it waits for: it notes that, and runs nothing.

namespace ringtime::hook {

struct Wake {
    void (*function)(void* context) noexcept = nullptr;
    void* context = nullptr;

    void operator()() const noexcept { function(context); }
};

}  // namespace ringtime::hook
