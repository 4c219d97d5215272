#include "loop/mailbox.h"

namespace ringtime::loop {

Mailbox::Mailbox() : cells_(new Cell[limits::mailbox_entries]) {
    for (uint64_t i = 0; i < limits::mailbox_entries; ++i)
        cells_[i].sequence.store(i, std::memory_order_relaxed);
}

bool Mailbox::push(const Message& message) noexcept {
    uint64_t position = tail_.load(std::memory_order_relaxed);
    for (;;) {
        Cell& cell = cells_[position & mask];
        uint64_t sequence = cell.sequence.load(std::memory_order_acquire);
        if (sequence == position) {
            // Ours if nobody took it meanwhile; the cell is published by its sequence.
            if (tail_.compare_exchange_weak(position, position + 1, std::memory_order_relaxed)) {
                cell.message = message;
                cell.sequence.store(position + 1, std::memory_order_release);
                return true;
            }
        } else if (sequence < position) {
            return false;
        } else {
            position = tail_.load(std::memory_order_relaxed);
        }
    }
}

bool Mailbox::pop(Message& out) noexcept {
    Cell& cell = cells_[head_ & mask];
    if (cell.sequence.load(std::memory_order_acquire) != head_ + 1) return false;
    out = cell.message;
    cell.sequence.store(head_ + limits::mailbox_entries, std::memory_order_release);
    ++head_;
    return true;
}

bool Mailbox::empty() const noexcept {
    return cells_[head_ & mask].sequence.load(std::memory_order_acquire) != head_ + 1;
}

}  // namespace ringtime::loop
