#include "hook/pause_table.h"

#include <new>

namespace ringtime::hook {
namespace {

constexpr uint64_t generation_mask = UINT32_MAX;

constexpr uint64_t generation_of(ringtime_token token) noexcept {
    return token & generation_mask;
}

constexpr unsigned index_of(ringtime_token token) noexcept {
    return static_cast<unsigned>(token >> 32 & 0xffffff);
}

}  // namespace

PauseTable::~PauseTable() {
    for (auto& page : pages_) delete[] page.load(std::memory_order_relaxed);
}

bool PauseTable::grow() noexcept {
    if (page_count_ == pages) return false;
    auto* page = new (std::nothrow) Slot[page_slots];
    if (!page) return false;
    unsigned first = page_count_ * page_slots;
    free_.reserve(pauses_max);
    for (unsigned i = page_slots; i-- > 0;) free_.push_back(first + i);
    pages_[page_count_++].store(page, std::memory_order_release);
    return true;
}

PauseTable::Slot* PauseTable::find(ringtime_token token) const noexcept {
    unsigned index = index_of(token);
    if (index >= pauses_max) return nullptr;
    Slot* page = pages_[index / page_slots].load(std::memory_order_acquire);
    return page ? &page[index % page_slots] : nullptr;
}

ringtime_token PauseTable::arm(Sleeper& sleeper, LateHandler late) noexcept {
    if (orphans_.load(std::memory_order_acquire) > 0) [[unlikely]]
        take_orphans();
    if (free_.empty() && !grow()) return 0;
    unsigned index = free_.back();
    free_.pop_back();
    ++used_;
    Slot& slot = pages_[index / page_slots].load(std::memory_order_relaxed)[index % page_slots];
    slot.sleeper = &sleeper;
    slot.late = late;
    uint64_t generation = slot.state.load(std::memory_order_relaxed) >> phase_bits;
    slot.state.store(state_of(generation, armed), std::memory_order_release);
    return uint64_t{core_} << 56 | uint64_t{index} << 32 | generation;
}

void PauseTable::put_back(Slot& slot, unsigned index) noexcept {
    uint64_t generation =
        ((slot.state.load(std::memory_order_relaxed) >> phase_bits) + 1) & generation_mask;
    if (generation == 0) generation = 1;  // A token is never 0.
    slot.sleeper = nullptr;
    slot.state.store(state_of(generation, free_slot), std::memory_order_release);
    free_.push_back(index);
    --used_;
}

void PauseTable::cancel(ringtime_token token) noexcept {
    Slot* slot = find(token);
    if (!slot) return;
    const uint64_t was_armed = state_of(generation_of(token), armed);
    const uint64_t was_claimed = state_of(generation_of(token), claimed);
    // A claim may be given back meanwhile, and be made again.
    uint64_t state = slot->state.load(std::memory_order_acquire);
    while (state == was_armed || state == was_claimed) {
        Phase next = state == was_armed ? free_slot : deserted;
        if (!slot->state.compare_exchange_weak(state, state_of(generation_of(token), next),
                                               std::memory_order_acq_rel))
            continue;
        slot->sleeper = nullptr;
        // Of a claim a message is on its way; deliver() finds nobody.
        if (next == free_slot) put_back(*slot, index_of(token));
        return;
    }
}

bool PauseTable::claim(ringtime_token token, uint64_t value) noexcept {
    Slot* slot = find(token);
    if (!slot) return false;
    uint64_t expected = state_of(generation_of(token), armed);
    if (!slot->state.compare_exchange_strong(expected, state_of(generation_of(token), claimed),
                                             std::memory_order_acq_rel))
        return false;
    slot->value.store(value, std::memory_order_relaxed);  // The message publishes it.
    return true;
}

bool PauseTable::give_back(ringtime_token token) noexcept {
    Slot& slot = *find(token);
    uint64_t expected = state_of(generation_of(token), claimed);
    if (slot.state.compare_exchange_strong(expected, state_of(generation_of(token), armed),
                                           std::memory_order_acq_rel))
        return true;
    slot.state.store(state_of(generation_of(token), orphaned), std::memory_order_relaxed);
    orphans_.fetch_add(1, std::memory_order_release);
    return false;
}

// Rare: an exchange ended while the mailbox was full.
void PauseTable::take_orphans() noexcept {
    for (unsigned index = 0; index < page_count_ * page_slots; ++index) {
        Slot& slot =
            pages_[index / page_slots].load(std::memory_order_relaxed)[index % page_slots];
        uint64_t state = slot.state.load(std::memory_order_relaxed);
        if ((state & ((1U << phase_bits) - 1)) != orphaned) continue;
        put_back(slot, index);
        orphans_.fetch_sub(1, std::memory_order_relaxed);
    }
}

void PauseTable::deliver(ringtime_token token) noexcept {
    Slot& slot = *find(token);
    Sleeper* sleeper = slot.sleeper;
    LateHandler late = slot.late;
    uint64_t value = slot.value.load(std::memory_order_relaxed);
    put_back(slot, index_of(token));
    if (sleeper) return sleeper->on_resumed(value);
    if (!late.function) return;
    try {
        late.function(late.self, value);
    } catch (...) {  // Whatever it was meant to free is the plugin's; nobody waits for it.
    }
}

}  // namespace ringtime::hook
