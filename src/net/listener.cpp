#include "net/listener.h"

#include <cerrno>

#include "base/assert.h"

namespace ringtime::net {
namespace {

// Out of descriptors or memory: the connection waits in the backlog until somebody closes, or this
// long.
constexpr Nanoseconds kRetry = 100 * kNanosecondsPerMillisecond;

}  // namespace

Listener::Listener(Io& io, int fd, Acceptor& acceptor, Preface preface) noexcept
    : io_(io), fd_(fd), acceptor_(acceptor), preface_(preface) {
    for (Slot& slot : slots_) {
        slot.listener = this;
        slot.op.owner = &slot;
        slot.op.on_complete = [](ring::Op& op) noexcept {
            auto& done = *static_cast<Slot*>(op.owner);
            done.listener->on_accepted(done);
        };
    }
    retry_.owner = this;
    retry_.on_expire = [](loop::Timer& timer) noexcept {
        static_cast<Listener*>(timer.owner)->resume();
    };
}

Listener::~Listener() {
    ASSERT(stopped());
    io_.reactor.disarm(retry_);
}

void Listener::arm(Slot& slot) noexcept {
    slot.size = sizeof slot.address;
    slot.op.kind = ring::OpKind::accept;
    slot.op.fd = fd_;
    slot.op.address = &slot.address;
    slot.op.offset = reinterpret_cast<uint64_t>(&slot.size);
    io_.reactor.ring().submit(slot.op);
}

void Listener::resume() noexcept {
    if (stopping_) return;
    for (Slot& slot : slots_) {
        if (!slot.op.in_flight && acceptor_.can_accept()) arm(slot);
    }
}

void Listener::stop() noexcept {
    stopping_ = true;
    io_.reactor.disarm(retry_);
    if (!stopped()) io_.reactor.ring().cancel_all(fd_);
}

bool Listener::stopped() const noexcept { return armed() == 0; }

size_t Listener::armed() const noexcept {
    size_t count = 0;
    for (const Slot& slot : slots_) count += slot.op.in_flight ? 1 : 0;
    return count;
}

void Listener::on_accepted(Slot& slot) noexcept {
    int result = slot.op.result;
    if (result >= 0) {
        acceptor_.accepted(result, PeerAddress::from(reinterpret_cast<sockaddr*>(&slot.address)),
                           preface_);
    } else if (result == -EMFILE || result == -ENFILE || result == -ENOBUFS || result == -ENOMEM) {
        io_.reactor.arm(retry_, io_.reactor.now() + kRetry);
        return;
    }
    if (!stopping_ && acceptor_.can_accept()) arm(slot);
}

}  // namespace ringtime::net
