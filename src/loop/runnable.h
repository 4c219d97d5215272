#pragma once
// Something the reactor resumes: a connection, a fiber, a worker port. Woken any number of times between
// two runs, it runs once.

#include "base/list.h"

namespace ringtime::loop {

class Runnable : public ListNode {
 public:
    /// Called by Reactor::run_ready only, never from inside a completion or another run().
    virtual void run() noexcept = 0;

 protected:
    ~Runnable() = default;
};

/// Called once per turn, after the runnables and before the kernel is entered: collects what a turn
/// produced into one operation (one send per socket, one doorbell per worker).
class Flushable : public ListNode {
 public:
    virtual void flush() noexcept = 0;

 protected:
    ~Flushable() = default;
};

}  // namespace ringtime::loop
