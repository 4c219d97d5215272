#include "net/pipes.h"

#include <utility>

#include "base/assert.h"
#include "ring/direct.h"

namespace ringtime::net {

Pipes::Pipes(uint32_t limit) : limit_(limit) { idle_.reserve(limit); }

Pipes::~Pipes() {
    ASSERT(used_ == 0);
    for (const Pipe& pipe : idle_) ring::close_pipe(pipe.ends);
}

Pipe Pipes::take() noexcept {
    Pipe pipe;
    if (used_ == limit_) return pipe;
    if (!idle_.empty()) {
        pipe = idle_.back();
        idle_.pop_back();
    } else if (!ring::open_pipe(pipe.ends, limits::relay_pipe_bytes)) {
        return {};
    }
    ++used_;
    return pipe;
}

void Pipes::give(Pipe& pipe) noexcept {
    ASSERT(used_ > 0 && pipe.open());
    --used_;
    idle_.push_back(std::exchange(pipe, {}));
}

void Pipes::spill(Pipe& pipe) noexcept {
    ASSERT(used_ > 0 && pipe.open());
    --used_;
    ring::close_pipe(std::exchange(pipe, {}).ends);
}

}  // namespace ringtime::net
