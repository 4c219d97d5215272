#include "hook/pause_table.h"

#include <new>

namespace ringtime::hook {
namespace {

constexpr uint64_t generation_mask = UINT32_MAX;

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
    if (free_.empty() && !grow()) return 0;
    unsigned index = free_.back();
    free_.pop_back();
    ++used_;
    Slot& slot = pages_[index / page_slots].load(std::memory_order_relaxed)[index % page_slots];
    slot.sleeper = &sleeper;
    slot.late = late;
    uint64_t generation = slot.state.load(std::memory_order_relaxed) >> 2;
    slot.state.store(generation << 2 | armed, std::memory_order_release);
    return uint64_t{core_} << 56 | uint64_t{index} << 32 | generation;
}

void PauseTable::put_back(Slot& slot, unsigned index) noexcept {
    uint64_t generation = ((slot.state.load(std::memory_order_relaxed) >> 2) + 1) & generation_mask;
    if (generation == 0) generation = 1;  // A token is never 0.
    slot.sleeper = nullptr;
    slot.state.store(generation << 2 | free_slot, std::memory_order_release);
    free_.push_back(index);
    --used_;
}

void PauseTable::cancel(ringtime_token token) noexcept {
    Slot* slot = find(token);
    if (!slot) return;
    uint64_t expected = (token & generation_mask) << 2 | armed;
    if (slot->state.compare_exchange_strong(expected, expected - armed,
                                            std::memory_order_acq_rel)) {
        put_back(*slot, index_of(token));
    } else if (expected == ((token & generation_mask) << 2 | claimed)) {
        slot->sleeper = nullptr;  // The message is on its way; deliver() finds nobody.
    }
}

bool PauseTable::claim(ringtime_token token, uint64_t value) noexcept {
    Slot* slot = find(token);
    if (!slot) return false;
    uint64_t expected = (token & generation_mask) << 2 | armed;
    uint64_t wanted = (token & generation_mask) << 2 | claimed;
    if (!slot->state.compare_exchange_strong(expected, wanted, std::memory_order_acq_rel))
        return false;
    slot->value.store(value, std::memory_order_relaxed);  // The message publishes it.
    return true;
}

void PauseTable::give_back(ringtime_token token) noexcept {
    find(token)->state.store((token & generation_mask) << 2 | armed, std::memory_order_release);
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
