#pragma once
// The core's reactor as hooks see it. One per core, owned by whoever owns the reactor.

#include "hook/core.h"
#include "loop/reactor.h"

namespace ringtime::hook {

class ReactorPort final : public CorePort {
 public:
    /// `reactor` outlives the port.
    explicit ReactorPort(loop::Reactor& reactor) noexcept : reactor_(reactor) {}

    [[nodiscard]] bool post(const loop::Message& message) noexcept override {
        return reactor_.post(message);
    }
    void arm(loop::Timer& timer, Nanoseconds deadline) noexcept override {
        reactor_.arm(timer, deadline);
    }
    void disarm(loop::Timer& timer) noexcept override { reactor_.disarm(timer); }
    [[nodiscard]] Nanoseconds now() const noexcept override { return reactor_.now(); }

 private:
    loop::Reactor& reactor_;
};

}  // namespace ringtime::hook
