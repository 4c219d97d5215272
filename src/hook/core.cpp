#include "hook/core.h"

#include <cstdlib>
#include <cstring>

#include "base/assert.h"
#include "hook/host_table.h"
#include "hook/registry.h"

namespace ringtime::hook {
namespace {

void free_copy(void* owner) { std::free(owner); }

void deliver_message(void* context, uint64_t token) noexcept {
    static_cast<PauseTable*>(context)->deliver(token);
}

}  // namespace

bool LentBytes::borrow(const ringtime_bytes& bytes, Piece& out) noexcept {
    ringtime_bytes lent = bytes;
    if (bytes.bytes.size > UINT32_MAX) {
        if (lent.release) lent.release(lent.owner);
        return false;
    }
    if (!lent.release) {
        auto* copy = static_cast<char*>(std::malloc(bytes.bytes.size ? bytes.bytes.size : 1));
        if (!copy) return false;
        if (bytes.bytes.size) std::memcpy(copy, bytes.bytes.data, bytes.bytes.size);
        lent = {{copy, bytes.bytes.size}, &free_copy, copy};
    }
    std::atomic<uint32_t>* count = bytes.release ? lender_ : nullptr;
    Cell* cell = cells_.create(Cell{lent.release, lent.owner, count});
    if (!cell) {
        lent.release(lent.owner);
        return false;
    }
    add(count, 1);
    out = {lent.bytes.data, static_cast<uint32_t>(lent.bytes.size), this,
           reinterpret_cast<uint64_t>(cell)};
    return true;
}

void LentBytes::release_piece(uint64_t token) noexcept {
    auto* cell = reinterpret_cast<Cell*>(token);
    Cell lent = *cell;
    cells_.destroy(cell);
    try {
        lent.release(lent.owner);
    } catch (...) {  // The bytes are the plugin's own affair by now.
    }
    add(lent.count, UINT32_MAX);
}

// One writer, the core's thread: no locked instruction is needed.
void LentBytes::add(std::atomic<uint32_t>* count, uint32_t amount) noexcept {
    if (count)
        count->store(count->load(std::memory_order_relaxed) + amount, std::memory_order_release);
}

ringtime_status HookCore::resume(ringtime_token token, uint64_t value) noexcept {
    if (!pauses_.claim(token, value)) return RINGTIME_GONE;
    if (here()) {
        pauses_.deliver(token);
        return RINGTIME_OK;
    }
    Posted posted = post({&deliver_message, &pauses_, token});
    if (posted == Posted::yes) return RINGTIME_OK;
    // Its exchange may have ended meanwhile, as every one has when the core is gone.
    bool sleeps = pauses_.give_back(token) && posted == Posted::full;
    return sleeps ? RINGTIME_AGAIN : RINGTIME_GONE;
}

ringtime_status HookCore::run_soon(void (*function)(void*), void* argument) noexcept {
    auto run = [](void* context, uint64_t value) noexcept {
        try {
            reinterpret_cast<void (*)(void*)>(value)(context);
        } catch (...) {  // It has nobody to answer to.
        }
    };
    return to_status(post({run, argument, reinterpret_cast<uint64_t>(function)}));
}

Cores::Cores(unsigned count)
    : registry_(std::make_shared<Registry>()),  // tidy: allow(data-path) made once
      host_{host_table(), this} {
    ASSERT(count > 0 && count <= limits::cores_max);
    for (unsigned i = 0; i < count; ++i)
        cores_.push_back(std::make_unique<HookCore>(i, host_.api, helpers_));
}

Cores::~Cores() = default;

// tidy: allow(data-path) loading and unloading only
void Cores::leave_behind(std::shared_ptr<void> plugin) {
    std::lock_guard lock(names_lock_);
    left_behind_.push_back(std::move(plugin));
}

bool Cores::left_any_behind() const {
    std::lock_guard lock(names_lock_);
    return !left_behind_.empty();
}

uint32_t Cores::add_name(std::string name) {
    std::lock_guard lock(names_lock_);
    names_.push_back(std::move(name));
    return static_cast<uint32_t>(names_.size() - 1);
}

std::string Cores::name_of(uint32_t number) const {
    std::lock_guard lock(names_lock_);
    return number < names_.size() ? names_[number] : "unknown";
}

std::string_view Cores::name_if_free(uint32_t number) const noexcept {
    std::unique_lock lock(names_lock_, std::try_to_lock);
    return lock && number < names_.size() ? std::string_view(names_[number]) : "unknown";
}

}  // namespace ringtime::hook
