#include "upstream/handover.h"

#include <thread>

#include "base/assert.h"
#include "upstream/pool.h"

namespace ringtime::upstream {

void Ask::answer(int connection, uint64_t its_address, uint32_t its_uses) noexcept {
    fd = connection;
    address = its_address;
    uses = its_uses;
    Handover& way_back = *handover;
    unsigned core = asker;
    state.store(State::answered, std::memory_order_release);
    // Not ours any more. Should the mailbox be full the asker looks by itself before long.
    (void)way_back.post(core, &CorePool::on_answered, *this);
}

void Handover::join(CorePool& pool) noexcept {
    unsigned core = pool.io().reactor.core();
    ASSERT(core < cores_);
    seats_[core].pool.store(&pool);
}

// Who announced itself before the seat was empty may have seen the pool: it is waited for.
void Handover::leave(const CorePool& pool) noexcept {
    Seat& seat = seats_[pool.io().reactor.core()];
    seat.pool.store(nullptr);
    while (seat.callers.load() != 0) std::this_thread::yield();
}

bool Handover::post(unsigned core, Function function, uint64_t argument) noexcept {
    Seat& seat = seats_[core];
    seat.callers.fetch_add(1);
    CorePool* pool = seat.pool.load();
    bool posted = pool && pool->io().reactor.post({function, pool, argument});
    seat.callers.fetch_sub(1);
    return posted;
}

}  // namespace ringtime::upstream
