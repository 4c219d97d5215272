#include "loop/timer.h"

#include <bit>

namespace ringtime::loop {

void TimerWheel::arm(Timer& timer, Nanoseconds deadline) noexcept {
    bool later = timer.armed() && deadline >= timer.deadline;
    timer.deadline = deadline;
    if (later) return;
    if (timer.armed()) {
        timer.unlink();
    } else {
        ++armed_;
    }
    place(timer, current_ + 1);
}

void TimerWheel::disarm(Timer& timer) noexcept {
    if (!timer.armed()) return;
    timer.unlink();
    --armed_;
}

// A node waits in the level whose slots are wide enough for its distance; beyond the widest it
// waits in the last slot and is placed again from there.
void TimerWheel::place(Timer& timer, uint64_t first) noexcept {
    uint64_t due = (timer.deadline + tick - 1) / tick;
    if (due < first) due = first;
    uint64_t distance = due - current_;
    unsigned level = 0;
    while (level + 1 < levels && distance >= (uint64_t{1} << (slot_bits * (level + 1)))) ++level;
    uint64_t reach = (uint64_t{1} << (slot_bits * levels)) - 1;
    if (distance > reach) due = current_ + reach;
    unsigned slot = static_cast<unsigned>(due >> (slot_bits * level)) & (slots - 1);
    wheel_[level][slot].push_back(timer);
    occupied_[level] |= uint64_t{1} << slot;
}

void TimerWheel::fire_slot(List<Timer>& slot, Nanoseconds now) noexcept {
    List<Timer> due;
    due.splice_back(slot);
    while (Timer* timer = due.pop_front()) {
        if (timer->deadline > now) {
            place(*timer, current_ + 1);
        } else {
            --armed_;
            timer->on_expire(*timer);
        }
    }
}

void TimerWheel::cascade(unsigned level) noexcept {
    unsigned slot = static_cast<unsigned>(current_ >> (slot_bits * level)) & (slots - 1);
    if (slot == 0 && level + 1 < levels) cascade(level + 1);
    occupied_[level] &= ~(uint64_t{1} << slot);
    List<Timer> moving;
    moving.splice_back(wheel_[level][slot]);
    // What is due in this very tick lands in the slot that is about to fire.
    while (Timer* timer = moving.pop_front()) place(*timer, current_);
}

void TimerWheel::advance(Nanoseconds now) noexcept {
    uint64_t target = now / tick;
    while (current_ < target) {
        if (armed_ == 0) {
            current_ = target;
            for (uint64_t& bits : occupied_) bits = 0;
            return;
        }
        ++current_;
        unsigned slot = static_cast<unsigned>(current_) & (slots - 1);
        if (slot == 0) cascade(1);
        if (!(occupied_[0] >> slot & 1)) continue;
        occupied_[0] &= ~(uint64_t{1} << slot);
        fire_slot(wheel_[0][slot], now);
    }
}

// Exact for the finest level; for a coarser one the time at which its next slot is opened.
Nanoseconds TimerWheel::next_deadline() const noexcept {
    if (armed_ == 0) return UINT64_MAX;
    uint64_t earliest = UINT64_MAX;
    for (unsigned level = 0; level < levels; ++level) {
        if (!occupied_[level]) continue;
        unsigned shift = slot_bits * level;
        uint64_t position = current_ >> shift;
        unsigned here = static_cast<unsigned>(position) & (slots - 1);
        uint64_t ahead = std::rotr(occupied_[level], static_cast<int>((here + 1) & (slots - 1)));
        uint64_t steps = static_cast<uint64_t>(std::countr_zero(ahead)) + 1;
        uint64_t opens = (position + steps) << shift;
        if (opens < earliest) earliest = opens;
    }
    return earliest * tick;
}

}  // namespace ringtime::loop
