#pragma once
// Pipes that bodies pass through from one socket to another without leaving the kernel (splice(2)).
// One is held only while bytes lie in it, so a core needs few: as many as it has peers that are
// slow to take what others sent. Bounded; without one a body is received and sent as usual.

#include <cstdint>
#include <vector>

#include "base/limits.h"

namespace ringtime::net {

struct Pipe {
    int ends[2] = {-1, -1};  ///< To read from, to write to.

    [[nodiscard]] bool open() const noexcept { return ends[0] >= 0; }
    [[nodiscard]] int from() const noexcept { return ends[0]; }
    [[nodiscard]] int to() const noexcept { return ends[1]; }
};

class Pipes {
 public:
    explicit Pipes(uint32_t limit = limits::relay_pipes);
    ~Pipes();
    Pipes(const Pipes&) = delete;
    Pipes& operator=(const Pipes&) = delete;

    /// An empty pipe; one that is not open() when there is none to be had.
    [[nodiscard]] Pipe take() noexcept;
    /// Back, empty.
    void give(Pipe& pipe) noexcept;
    /// Back, with what was never sent.
    void spill(Pipe& pipe) noexcept;

    [[nodiscard]] uint32_t used() const noexcept { return used_; }

 private:
    const uint32_t limit_;
    uint32_t used_ = 0;
    std::vector<Pipe> idle_;
};

}  // namespace ringtime::net
