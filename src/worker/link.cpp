#include "worker/link.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "ring/direct.h"
#include "worker/answer.h"
#include "worker/core_pool.h"
#include "worker/heads.h"

namespace ringtime::worker {

Link::Link(CorePool& pool, WorkerState& worker, RegionPair region)
    : pool_(pool),
      worker_(worker),
      region_(std::move(region)),
      producer_{region_.to_worker(), region_.to_gateway(), 0, 0, 0},
      consumer_{region_.to_gateway(), region_.to_worker(), 0, 0},
      slabs_(region_.arena_bytes() / RTW_UNIT_BYTES) {
    rtw_arena_init(&arena_, region_.arena_bytes());
    active.link = this;
    watch_timer_.owner = liveness_timer_.owner = again_timer_.owner = lost_timer_.owner = this;
    lost_timer_.on_expire = &on_lost;
    watch_timer_.on_expire = &on_watch;
    liveness_timer_.on_expire = &on_liveness;
    again_timer_.on_expire = &on_again;
    doorbell_op_.kind = ring::OpKind::read;
    doorbell_op_.fd = region_.doorbell();
    doorbell_op_.address = &doorbell_value_;
    doorbell_op_.length = sizeof doorbell_value_;
    doorbell_op_.owner = this;
    doorbell_op_.on_complete = &on_doorbell;
    pool_.reactor().ring().submit(doorbell_op_);
}

// ---- Numbers ----

uint32_t Link::take_slot() noexcept {
    uint32_t index = first_free_slot_;
    if (index == no_slot) {
        if (slots_.size() == RTW_SLOTS_MAX) return no_slot;
        index = static_cast<uint32_t>(slots_.size());
        slots_.emplace_back();
    } else {
        first_free_slot_ =
            slots_[index].next_free == UINT16_MAX ? no_slot : slots_[index].next_free;
    }
    Slot& slot = slots_[index];
    slot.open = true;
    slot.aborted = slot.recalled = false;
    slot.unfreed = slot.lent = 0;
    slot.first_slab = slot.last_slab = RTW_NO_SLAB;
    if (open_slots_++ == 0) pool_.link_became_active(*this);
    return index;
}

// The worker has ended the exchange: its memory and its place are free.
void Link::end_slot(uint32_t index) noexcept {
    Slot& slot = slots_[index];
    for (uint32_t slab = slot.first_slab; slab != RTW_NO_SLAB;) {
        uint32_t following = slabs_[slab].next;
        give_slab(slab);
        slab = following;
    }
    if (slot.recalled && --recalled_ == 0) rtw_store(&region_.to_worker()->recalling, 0);
    slot.open = false;
    slot.answer = nullptr;
    slot.first_slab = RTW_NO_SLAB;
    slot.generation = (slot.generation + 1) & 0xfff;
    slot.next_free =
        first_free_slot_ == no_slot ? UINT16_MAX : static_cast<uint16_t>(first_free_slot_);
    first_free_slot_ = index;
    if (--open_slots_ == 0) active.unlink();
}

bool Link::begun(const Slot& slot) const noexcept {
    return static_cast<int32_t>(rtw_load(&region_.to_gateway()->begun) - slot.sequence) >= 0;
}

uint32_t Link::places() const noexcept {
    if (worker_.app->spec.ephemeral) return 1;
    uint32_t places = worker_.concurrency;
    if (places != 1 || pool_.reactor().now() < no_ahead_until_) return places;
    uint32_t service = rtw_peek(&region_.to_gateway()->service_ns);
    if (service == 0) return places;
    uint32_t ahead = ahead_ns / service;
    return places + (ahead < ahead_max ? ahead : ahead_max);
}

bool Link::usable() noexcept {
    if (lost_ || condemned_ || rests_ || recalled_ > 0) return false;
    return unsaid_count_ > 0 ? unsaid_count_ <= unsaid_before_request
                             : rtw_room(&producer_) > ring_reserve;
}

// ---- Memory of region A ----

bool Link::rest_if_swollen(uint32_t bytes) noexcept {
    if (open_slots_ > 0 || lost_ || touched_units_ * RTW_UNIT_BYTES <= bytes) return false;
    return !std::exchange(rests_, true);
}

uint32_t Link::take_slab(uint32_t slot, uint32_t bytes) noexcept {
    uint32_t units = rtw_slab_units(bytes);
    uint32_t slab = units ? rtw_arena_take(&arena_, units) : RTW_NO_SLAB;
    if (slab == RTW_NO_SLAB) return slab;
    slabs_[slab] = {.slot = static_cast<uint16_t>(slot), .units = static_cast<uint8_t>(units)};
    return slab;
}

void Link::give_slab(uint32_t slab) noexcept {
    slabs_[slab].lent = false;
    rtw_arena_give(&arena_, slab, slabs_[slab].units);
    List<Starved> waiting;  // Whoever finds too little again enters the other list.
    waiting.splice_back(starved);
    while (Starved* waiter = waiting.pop_front()) waiter->answer->memory_came_back();
}

// A sender that trickles must not hold 64 KiB with every byte.
void Link::shrink_slab(uint32_t slab, uint32_t bytes) noexcept {
    uint32_t needed = (bytes + RTW_UNIT_BYTES - 1) / RTW_UNIT_BYTES;
    uint32_t units = slabs_[slab].units;
    if (needed < units) rtw_arena_give(&arena_, slab + needed, units - needed);
    slabs_[slab].units = static_cast<uint8_t>(needed);
}

void Link::chain_slab(Slot& slot, uint32_t slab) noexcept {
    touched_units_ = std::max(touched_units_, slab + slabs_[slab].units);
    if (slot.last_slab == RTW_NO_SLAB) {
        slot.first_slab = slab;
    } else {
        slabs_[slot.last_slab].next = slab;
    }
    slot.last_slab = slab;
}

// Every body may hold as much as half of what is free for bodies: slow workers, however many
// requests they sit on, never take the memory that others need to move.
uint32_t Link::body_room(uint32_t index) noexcept {
    if (lost_ || condemned_ || unsaid_count_ || rtw_room(&producer_) <= ring_reserve) return 0;
    uint32_t heads = arena_.blocks * 64 / head_share;
    if (arena_.free_units <= heads) return 0;
    uint32_t window = (arena_.free_units - heads) / 2 * RTW_UNIT_BYTES;
    if (window > RTW_WINDOW_BYTES) window = RTW_WINDOW_BYTES;
    const Slot& slot = slots_[index];
    return slot.lent < window ? window - slot.lent : 0;
}

char* Link::reserve_body(uint32_t slot, uint32_t& size) noexcept {
    uint32_t room = body_room(slot);
    if (size > room) size = room;
    if (size > RTW_BLOCK_BYTES) size = RTW_BLOCK_BYTES;
    uint32_t slab = size ? take_slab(slot, size) : RTW_NO_SLAB;
    while (slab == RTW_NO_SLAB && size > RTW_UNIT_BYTES) {
        size = rtw_slab_units(size) / 4 * RTW_UNIT_BYTES;
        slab = take_slab(slot, size);
    }
    if (slab == RTW_NO_SLAB) {
        size = 0;
        return nullptr;
    }
    ++reserved_;
    return reinterpret_cast<char*>(region_.to_worker()) + RTW_ARENA_OFFSET +
           size_t{slab} * RTW_UNIT_BYTES;
}

void Link::commit_body(uint32_t index, char* reserved, uint32_t size) noexcept {
    ASSERT(reserved_ > 0);
    --reserved_;
    auto* arena = reinterpret_cast<char*>(region_.to_worker()) + RTW_ARENA_OFFSET;
    auto slab = static_cast<uint32_t>(static_cast<size_t>(reserved - arena) / RTW_UNIT_BYTES);
    if (index == no_slot || size == 0 || lost_ || condemned_) {
        give_slab(slab);
        if (lost_) pool_.link_changed(*this);
        return;
    }
    shrink_slab(slab, size);
    Slot& slot = slots_[index];
    slabs_[slab].lent = true;
    slabs_[slab].bytes = size;
    slot.lent += slabs_[slab].units * RTW_UNIT_BYTES;
    chain_slab(slot, slab);
    say(RTW_BODY, 0, index, slab * RTW_UNIT_BYTES, size);
}

void Link::end_body(uint32_t slot) noexcept { say(RTW_BODY_END, 0, slot, 0, 0); }

// ---- Saying ----

void Link::say(uint8_t kind, uint8_t flags, uint32_t slot, uint32_t offset,
               uint32_t length) noexcept {
    post({.kind = kind,
          .flags = flags,
          .exchange = exchange_of(slot),
          .offset = offset,
          .length = length});
}

void Link::post(const rtw_desc& desc) noexcept {
    if (lost_ || condemned_) return;
    pool_.reactor().flush_soon(*this);
    const Slot& slot = slots_[desc.exchange & 0xfff];
    urgent_ = urgent_ || (slot.open && slot.generation == desc.exchange >> 12);
    if (unsaid_count_ == 0 && rtw_room(&producer_) > 0) {
        rtw_put(&producer_, &desc);
        return;
    }
    if (unsaid_count_ > 0 && desc.kind == RTW_FREE) {
        rtw_desc& last = unsaid_.back();
        if (last.kind == RTW_FREE && last.exchange == desc.exchange &&
            last.offset + last.length == desc.offset) {
            last.length += desc.length;
            return;
        }
    }
    if (unsaid_count_ == unsaid_max) return condemn("does not read its ring");
    if (unsaid_.size() == 2 * size_t{unsaid_max})
        unsaid_.erase(unsaid_.begin(), unsaid_.end() - unsaid_count_);
    unsaid_.push_back(desc);
    ++unsaid_count_;
}

// The memory of answers that have left goes back unnoticed, with the next request: waking the
// worker for it would cost as much as the request did.
bool Link::rings_for(uint32_t wants_wake) noexcept {
    if (wants_wake != RTW_WAKE_FOR_WORK) return wants_wake != RTW_WAKE_NEVER;
    return urgent_ || rtw_room(&producer_) <= RTW_RING_ENTRIES / 2;
}

// Once per turn: everything this turn had to say, and one doorbell if the worker sleeps.
void Link::flush() noexcept {
    if (lost_) return;
    for (; unsaid_count_ > 0 && rtw_room(&producer_) > 0; --unsaid_count_)
        rtw_put(&producer_, &unsaid_[unsaid_.size() - unsaid_count_]);
    if (unsaid_count_ == 0) unsaid_.clear();
    if (rings_for(rtw_publish(&producer_))) {
        ++pool_.counters().doorbells;
        ring::ring_doorbell(worker_.doorbell);
    }
    urgent_ = unsaid_count_ > 0;
    // Nobody tells when there is room again.
    if (unsaid_count_ > 0 && !again_timer_.armed())
        pool_.reactor().arm(again_timer_, pool_.reactor().now() + loop::TimerWheel::tick);
}

bool Link::hand_over(WorkerAnswer& answer, Milliseconds timeout) noexcept {
    const WorkerRequest& request = answer.request();
    uint32_t bytes = request_head_bytes(request);
    if (arena_.free_units < rtw_slab_units(bytes)) return false;
    uint32_t index = take_slot();
    if (index == no_slot) return false;
    uint32_t slab = take_slab(index, bytes);
    if (slab == RTW_NO_SLAB) {
        end_slot(index);
        return false;
    }
    Slot& slot = slots_[index];
    slot.answer = &answer;
    slot.sequence = ++sequence_;
    chain_slab(slot, slab);
    char* out = reinterpret_cast<char*>(region_.to_worker()) + RTW_ARENA_OFFSET +
                size_t{slab} * RTW_UNIT_BYTES;
    encode_request_head(request, timeout, out, bytes);
    uint8_t flags = request.body_length == 0 ? uint8_t{RTW_END_STREAM} : uint8_t{0};
    say(RTW_REQUEST, flags, index, slab * RTW_UNIT_BYTES, bytes);
    Nanoseconds now = pool_.reactor().now();
    answer.handed_over(*this, index,
                       request.deadline ? request.deadline : now + from_milliseconds(timeout));
    if (open_slots_ > worker_.concurrency) watch_ahead();
    return true;
}

void Link::abort(uint32_t index) noexcept {
    Slot& slot = slots_[index];
    slot.answer = nullptr;
    if (slot.aborted) return;
    give_up(slot);
    say(RTW_ABORT, 0, index, 0, 0);
}

// ---- Pieces ----

// exchange (24 bits) | offset (24 bits) | size - 1 (16 bits): a piece says all that FREE needs.
Piece Link::make_piece(uint32_t exchange, uint32_t free_begin, uint32_t begin,
                       uint32_t size) noexcept {
    static_assert(RTW_ARENA_BYTES_MAX <= 1 << 24 && RTW_BLOCK_BYTES <= 1 << 16);
    ++pieces_out_;
    uint32_t freed = begin + size - free_begin;
    return {.data = arena() + begin,
            .size = size,
            .owner = this,
            .token = uint64_t{exchange} << 40 | uint64_t{free_begin} << 16 | (freed - 1)};
}

void Link::release_piece(uint64_t token) noexcept {
    ASSERT(pieces_out_ > 0);
    --pieces_out_;
    free_bytes(static_cast<uint32_t>(token >> 40), static_cast<uint32_t>(token >> 16) & 0xffffff,
               static_cast<uint32_t>(token & 0xffff) + 1);
    if (lost_) pool_.link_changed(*this);
}

void Link::release() noexcept {
    ASSERT(users_ > 0);
    --users_;
    if (lost_) pool_.link_changed(*this);
}

void Link::free_bytes(uint32_t exchange, uint32_t offset, uint32_t size) noexcept {
    Slot& slot = slots_[exchange & 0xfff];
    if (slot.open && slot.generation == exchange >> 12) slot.unfreed -= size;
    post({.kind = RTW_FREE, .exchange = exchange, .offset = offset, .length = size});
}

}  // namespace ringtime::worker
