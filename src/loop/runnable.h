#pragma once
// Something the reactor resumes: a connection, a fiber, a worker port. Woken any number of times
// between two runs, it runs once.

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

/// Work that arrives in memory without a completion (the rings of workers). The reactor looks each
/// turn, and once more between announcing that it will sleep and sleeping, so that no wake-up is
/// lost: the other side reads the announcement after publishing, we look again after announcing,
/// each behind a full fence.
class Poller : public ListNode {
 public:
    /// Takes in what has arrived, within bounds. True when there was something.
    virtual bool poll() noexcept = 0;
    /// From here on the other side must ring a doorbell.
    virtual void announce_sleep() noexcept = 0;
    virtual void announce_awake() noexcept = 0;

 protected:
    ~Poller() = default;
};

}  // namespace ringtime::loop
