#include "net/conduit.h"

#include <algorithm>

#include "net/stream.h"

namespace ringtime::net {

void Conduit::fill(Stream& stream, uint64_t size) noexcept {
    ASSERT(held_ == 0);
    pipe_ = pipes_.take();
    open_ = pipe_.open();
    if (!open_) return;
    stream.receive(Receive::watch);
    held_ = stream.splice_to(pipe_.to(), std::min<uint64_t>(size, limits::relay_pipe_bytes));
    if (held_ == 0) pipes_.give(pipe_);
}

void Conduit::skip(uint64_t size) noexcept {
    held_ -= size;
    if (held_ == 0 && pipe_.open()) pipes_.give(pipe_);
}

void Conduit::close() noexcept {
    open_ = false;
    if (held_ == 0) return;
    held_ = 0;
    pipes_.spill(pipe_);
}

}  // namespace ringtime::net
