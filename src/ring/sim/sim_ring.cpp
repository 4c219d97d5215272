// Ring and BufferPool over a simulated world.

#include <sanitizer/asan_interface.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "base/limits.h"
#include "ring/ring.h"
#include "ring/sim/sim_backend.h"

namespace ringtime::ring {
namespace {

constexpr uint64_t kEntersPerCheck = 16;

}  // namespace

// --- Buffers ---

// Free buffers are unreadable (or at least spoiled), so that a view kept too long is seen at its
// first use.
void RingBackend::spoil_buffer(BufferPool& pool, uint16_t id) noexcept {
    char* memory = memory_of(pool) + size_t{id} * pool.buffer_size();
    std::memset(memory, 0xDB, pool.buffer_size());
    ASAN_POISON_MEMORY_REGION(memory, pool.buffer_size());
}

void RingBackend::give_buffer(BufferPool& pool, uint16_t id) noexcept {
    ASAN_UNPOISON_MEMORY_REGION(memory_of(pool) + size_t{id} * pool.buffer_size(),
                                pool.buffer_size());
    spoil_buffer(pool, id);
    free_buffers(pool).push_back(id);
}

uint16_t RingBackend::take_buffer(BufferPool& pool, SimRandom& random) {
    std::vector<uint16_t>& free = free_buffers(pool);
    if (free.empty()) return BufferPool::no_buffer;
    std::swap(free[random.below(free.size())], free.back());
    const uint16_t id = free.back();
    free.pop_back();
    ASAN_UNPOISON_MEMORY_REGION(memory_of(pool) + size_t{id} * pool.buffer_size(),
                                pool.buffer_size());
    return id;
}

void RingBackend::open_pool(BufferPool& pool) {
    pool.memory_ = static_cast<char*>(std::malloc(pool.memory_size_));
    ASSERT(pool.memory_);
    pool.kernel_ring_ = new std::vector<uint16_t>;
    pool.fill();
}

void RingBackend::close_pool(BufferPool& pool) noexcept {
    ASAN_UNPOISON_MEMORY_REGION(pool.memory_, pool.memory_size_);
    std::free(pool.memory_);
    delete &free_buffers(pool);
}

void BufferPool::take_memory() { RingBackend::open_pool(*this); }

BufferPool::~BufferPool() { RingBackend::close_pool(*this); }

void BufferPool::publish(uint16_t id) noexcept { RingBackend::give_buffer(*this, id); }
void BufferPool::set_aside(uint16_t id) noexcept { RingBackend::spoil_buffer(*this, id); }
void BufferPool::drop_memory(uint16_t id) noexcept {
    ASSERT(slices_[id].references == 0);
}

// --- Ring ---

Ring::Ring() = default;

Ring::~Ring() { delete backend_; }

std::unique_ptr<Ring> Ring::open(const RingOptions& options, std::string&) {
    return RingBackend::open(options);
}

std::unique_ptr<Ring> RingBackend::open(const RingOptions& options) {
    SimWorld& world = SimWorld::current();
    std::unique_ptr<Ring> ring(new Ring);
    ring->backend_ = new RingBackend(
        *ring, world, std::min(options.submission_entries, world.faults().submission_entries));
    ring->features_.receive_multishot = world.random().chance(500);
    ring->pools_[0] = std::make_unique<BufferPool>(
        options.small_buffer_bytes, options.small_buffers, options.small_buffers_ready);
    ring->pools_[1] = std::make_unique<BufferPool>(
        options.bulk_buffer_bytes, options.bulk_buffers, options.bulk_buffers_ready);
    return ring;
}

void Ring::submit(Op& op) noexcept {
    ASSERT(!op.in_flight);
    ASSERT(op.on_complete);
    op.in_flight = true;
    ++counters_.submitted;
    backend_->submit({&op, nullptr, -1});
}

void Ring::cancel_all(int fd) noexcept { backend_->submit({nullptr, nullptr, fd}); }

void Ring::cancel(Op& op) noexcept {
    ASSERT(op.in_flight);
    backend_->submit({nullptr, &op, -1});
}

unsigned Ring::enter(Nanoseconds timeout) noexcept {
    ++counters_.enters;
    const unsigned handled = backend_->enter(timeout);
    counters_.completed += handled;
    return handled;
}

bool Ring::has_completions() const noexcept { return !backend_->completed.empty(); }
bool Ring::has_queued() const noexcept { return !backend_->queued.empty(); }
Nanoseconds Ring::clock() const noexcept { return backend_->world.now(); }

// --- The queues ---

RingBackend::RingBackend(Ring& owner, SimWorld& its_world, unsigned entries)
    : ring(owner), world(its_world), entries_max(std::max(entries, 1U)) {
    world.join(*this);
}

RingBackend::~RingBackend() {
    if (ring.pools_[1]) check();
    world.leave(*this);
}

void RingBackend::submit(const Queued& entry) {
    if (entry.op) take_slot(*entry.op);
    if (queued.size() >= entries_max) issue();
    queued.push_back(entry);
}

// Hands the queue over in its order. Like the kernel, each operation is tried at once; unlike it,
// the seed may make any of them wait.
void RingBackend::issue() {
    std::vector<Queued> batch;
    batch.swap(queued);
    for (const Queued& entry : batch) {
        if (!entry.op) {
            cancel(entry.cancelled_op, entry.cancelled_fd);
            continue;
        }
        Flight flight{entry.op};
        if (world.random().chance(world.faults().deferred) ||
            attempt(flight) == Outcome::waits) {
            flights.push_back(flight);
        }
    }
}

// Lets operations in flight go on, in an order nobody may rely on.
void RingBackend::progress() {
    postponed = false;
    const size_t count = flights.size();
    for (size_t i = 0; i + 1 < count; ++i)
        std::swap(flights[i], flights[i + world.random().below(count - i)]);
    size_t kept = 0;
    for (size_t i = 0; i < count; ++i) {
        Flight flight = flights[i];
        if (flight.tried_at == world.changes()) {
            // Nothing has happened since it was tried in vain.
        } else if (world.random().chance(world.faults().deferred)) {
            postponed = true;
        } else if (attempt(flight) == Outcome::completed) {
            continue;
        }
        flights[kept++] = flight;
    }
    flights.erase(flights.begin() + static_cast<ptrdiff_t>(kept),
                  flights.begin() + static_cast<ptrdiff_t>(count));
}

unsigned RingBackend::enter(Nanoseconds timeout) {
    SimRandom& random = world.random();
    ++world.counters().enters;
    const bool stalls = random.chance(world.faults().stall);
    world.advance_to(world.now() + random.between(200, stalls ? 60'000'000 : 20'000));
    const Nanoseconds deadline =
        timeout > UINT64_MAX - world.now() ? UINT64_MAX : world.now() + timeout;
    issue();
    while (true) {
        progress();
        if (!completed.empty()) break;
        if (world.now() >= deadline || random.chance(world.faults().interrupted)) break;
        // What was deferred goes on soon; else the next event of the world is what we wait for.
        const Nanoseconds next = postponed ? world.now() + 1000 : world.next_event();
        if (std::min(next, deadline) == UINT64_MAX) break;
        world.advance_to(std::min(next, deadline));
    }
    const unsigned handled = handle();
    // Looking at every buffer takes longer than everything else: now and then is often enough.
    if (++enters % kEntersPerCheck == 0) world.check();
    return handled;
}

// Completions of one multishot operation stay in order; all others come in any.
unsigned RingBackend::handle() {
    std::vector<Completion> batch;
    batch.swap(completed);
    const auto limit = static_cast<unsigned>(std::min<size_t>(
        {batch.size(), limits::completions_per_turn, world.faults().completions_per_enter}));
    for (unsigned handled = 0; handled < limit; ++handled) {
        size_t pick = world.random().below(batch.size());
        for (size_t i = 0; i < pick; ++i)
            if (batch[i].op == batch[pick].op) pick = i;
        const Completion completion = batch[pick];
        batch.erase(batch.begin() + static_cast<ptrdiff_t>(pick));
        Op& op = *completion.op;
        op.result = completion.result;
        op.more = completion.more;
        op.has_buffer = completion.has_buffer;
        op.buffer = completion.buffer;
        if (!op.more) {
            op.in_flight = false;
            free_slot(op);
        }
        if (op.has_buffer)
            ring.buffers(op.group).hand_over(op.buffer, static_cast<uint32_t>(op.result));
        if (op.result == -ENOBUFS && op.group != BufferGroup::none)
            ++ring.counters_.buffers_refused;
        world.remember("complete", static_cast<int64_t>(op.kind), op.fd, op.result);
        op.on_complete(op);
    }
    world.counters().completions += limit;
    // What was not handled stays ahead of what handlers caused meanwhile.
    batch.insert(batch.end(), completed.begin(), completed.end());
    completed.swap(batch);
    return limit;
}

// --- Invariants ---

bool RingBackend::busy(int fd) const {
    const auto uses = [fd](const auto& entry) { return entry.op && entry.op->fd == fd; };
    return std::any_of(queued.begin(), queued.end(), uses) ||
           std::any_of(flights.begin(), flights.end(), uses);
}

void RingBackend::check_pool(BufferPool& pool, const char* name) {
    size_t free = free_buffers(pool).size();
    for (const Completion& completion : completed)
        if (completion.has_buffer && &ring.buffers(completion.op->group) == &pool) ++free;
    size_t held = 0;
    for (uint32_t id = 0; id < pool.count(); ++id)
        if (pool.slice(static_cast<uint16_t>(id)).references > 0) ++held;
    const size_t spare = pool.available() - pool.ready();
    if (free != pool.ready() || free + spare + held != pool.count())
        world.violate(std::string("buffers of the pool '") + name + "' are neither free nor held");
}

void RingBackend::check() {
    for (const Flight& flight : flights)
        if (!flight.op->in_flight) world.violate("an operation changed while it was in flight");
    for (const Completion& completion : completed)
        if (!completion.op->in_flight) world.violate("an operation changed before it completed");
    check_pool(ring.buffers(BufferGroup::small), "small");
    check_pool(ring.buffers(BufferGroup::bulk), "bulk");
}

}  // namespace ringtime::ring
