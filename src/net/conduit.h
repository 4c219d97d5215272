#pragma once
// A body's way from one socket to another inside the kernel (splice(2)): what has arrived goes into
// a pipe, and from there to whoever takes it. The pipe is held only while bytes lie in it. What is
// a body's and what is not, and when it pays, is for the owner to know.

#include <cstdint>

#include "net/pipes.h"

namespace ringtime::net {

class Stream;

class Conduit {
 public:
    explicit Conduit(Pipes& pipes) noexcept : pipes_(pipes) {}
    ~Conduit() { close(); }
    Conduit(const Conduit&) = delete;
    Conduit& operator=(const Conduit&) = delete;

    /// What follows of the body goes this way: nobody receives it.
    [[nodiscard]] bool open() const noexcept { return open_; }
    /// Bytes that were taken from the one and not yet sent to the other; they lie in from().
    [[nodiscard]] uint64_t held() const noexcept { return held_; }
    [[nodiscard]] int from() const noexcept { return pipe_.from(); }

    /// Moves what has arrived, at most `size` bytes: held() says how many. Without a pipe it is not
    /// open(), and bytes are to be received. Precondition: nothing held, nothing readable.
    void fill(Stream& stream, uint64_t size) noexcept;
    /// So many of those held have been sent.
    void skip(uint64_t size) noexcept;
    /// What is held is dropped.
    void close() noexcept;

 private:
    Pipes& pipes_;
    Pipe pipe_;
    uint64_t held_ = 0;
    bool open_ = false;
};

}  // namespace ringtime::net
