// What a worker says, checked. Everything here reads a hostile process's memory: a descriptor is
// copied once, the copy is checked against what this side knows, and only then used.
#include <algorithm>

#include "base/log.h"
#include "worker/answer.h"
#include "worker/core_pool.h"
#include "worker/heads.h"
#include "worker/link.h"

namespace ringtime::worker {

bool Link::drain() noexcept {
    if (lost_ || condemned_) return false;
    uint32_t available = rtw_available(&consumer_);
    if (available == 0) return false;
    empty_rings_ -= std::min(empty_rings_, rings_per_batch);
    if (available > RTW_RING_ENTRIES) {
        condemn("corrupted its ring");
        return false;
    }
    if (available > descriptors_per_turn) available = descriptors_per_turn;
    for (uint32_t i = 0; i < available && !condemned_; ++i) {
        rtw_desc desc;
        rtw_take(&consumer_, &desc);
        take(desc);
    }
    rtw_release(&consumer_);
    return true;
}

void Link::take(const rtw_desc& desc) noexcept {
    uint32_t index = desc.exchange & 0xfff;
    if (index >= slots_.size() || !slots_[index].open ||
        slots_[index].generation != desc.exchange >> 12) {
        strike("named a request it does not have", no_slot);
        return;
    }
    switch (desc.kind) {
        case RTW_HEAD:
            return take_head(index, desc);
        case RTW_BODY:
            return take_body(index, desc);
        case RTW_FREE:
            return take_free(index, desc);
        case RTW_ABORT:
            return take_abort(index, desc);
        case RTW_END:
            return take_end(index);
        default:
            return strike("sent an unknown kind of message", index);
    }
}

// The bytes lie in its arena, inside one block, and within the window of this exchange.
bool Link::take_bytes(uint32_t index, const rtw_desc& desc) noexcept {
    Slot& slot = slots_[index];
    uint32_t size = region_.arena_bytes();
    bool inside = desc.length > 0 && desc.offset < size && desc.length <= size - desc.offset &&
                  desc.offset % RTW_BLOCK_BYTES + desc.length <= RTW_BLOCK_BYTES;
    if (!inside || slot.unfreed + desc.length > RTW_WINDOW_BYTES + RTW_BLOCK_BYTES) {
        strike(inside ? "sent more than its window" : "named memory it does not have", index);
        return false;
    }
    slot.unfreed += desc.length;
    return true;
}

void Link::take_head(uint32_t index, const rtw_desc& desc) noexcept {
    if (!take_bytes(index, desc)) return;
    WorkerAnswer* answer = slots_[index].answer;
    uint32_t head_bytes = peek_head_bytes(arena() + desc.offset, desc.length);
    bool valid =
        !answer || (head_bytes != 0 && answer->take_head(desc.offset, head_bytes, desc.length));
    if (!answer || !valid) free_bytes(desc.exchange, desc.offset, desc.length);
    if (!valid) strike("sent an invalid head", index);
    if (desc.flags & RTW_END_STREAM) take_end(index);
}

void Link::take_body(uint32_t index, const rtw_desc& desc) noexcept {
    if (!take_bytes(index, desc)) return;
    WorkerAnswer* answer = slots_[index].answer;
    bool valid = !answer || answer->take_body(desc.offset, desc.length);
    if (!answer || !valid) free_bytes(desc.exchange, desc.offset, desc.length);
    if (!valid) strike("sent a body that does not belong to its head", index);
    if (desc.flags & RTW_END_STREAM) take_end(index);
}

void Link::take_end(uint32_t index) noexcept {
    WorkerAnswer* answer = slots_[index].answer;
    if (answer && !answer->take_end()) strike("ended an answer before its end", index);
    end_slot(index);
    pool_.place_given_back(*this);
}

void Link::take_free(uint32_t index, const rtw_desc& desc) noexcept {
    Slot& slot = slots_[index];
    uint32_t slab = desc.offset / RTW_UNIT_BYTES;
    if (desc.offset % RTW_UNIT_BYTES != 0 || slab >= slabs_.size() || !slabs_[slab].lent ||
        slabs_[slab].slot != index || slabs_[slab].bytes != desc.length)
        return strike("gave back memory it was not lent", index);
    // Bodies are read in order: what is given back is nearly always the second in the chain.
    uint32_t before = slot.first_slab;
    while (slabs_[before].next != slab) before = slabs_[before].next;
    slabs_[before].next = slabs_[slab].next;
    if (slot.last_slab == slab) slot.last_slab = before;
    slot.lent -= slabs_[slab].units * RTW_UNIT_BYTES;
    WorkerAnswer* answer = slot.answer;
    give_slab(slab);
    if (answer) answer->memory_came_back();
}

void Link::take_abort(uint32_t index, const rtw_desc& desc) noexcept {
    Slot& slot = slots_[index];
    if (WorkerAnswer* answer = slot.answer) {
        slot.answer = nullptr;
        if (desc.flags & RTW_UNTOUCHED) {
            answer->recalled();
        } else {
            answer->worker_lost(true, Reason::worker_failed);
        }
    }
    end_slot(index);
    pool_.place_given_back(*this);
}

// ---- When it goes wrong ----

void Link::strike(const char* what, uint32_t index) noexcept {
    ++pool_.counters().strikes;
    log_format(LogLevel::warn, "worker", "app={} worker={} pid={} {}", worker_.app->spec.name,
               worker_.id, worker_.pid, what);
    if (index != no_slot && slots_[index].open) {
        if (WorkerAnswer* answer = slots_[index].answer) {
            abort(index);
            answer->worker_lost(true, Reason::worker_protocol);
        }
    }
    pool_.tell(worker_, kWorkerStruck);
    if (++strikes_ >= strikes_max) condemn("broke the protocol too often");
}

void Link::condemn(const char* what) noexcept {
    if (condemned_) return;
    condemned_ = true;
    log_format(LogLevel::error, "worker", "app={} worker={} pid={} {}; ending it",
               worker_.app->spec.name, worker_.id, worker_.pid, what);
    worker_.close();
    pool_.tell(worker_, kWorkerBroken);
    fail_all(Reason::worker_protocol);
}

void Link::fail_all(Reason reason) noexcept {
    for (Slot& slot : slots_) {
        WorkerAnswer* answer = slot.answer;
        slot.answer = nullptr;
        if (slot.open && answer) answer->worker_lost(begun(slot), reason);
    }
}

void Link::cut() noexcept {
    for (uint32_t index = 0; index < slots_.size(); ++index) {
        Slot& slot = slots_[index];
        WorkerAnswer* answer = slot.answer;
        if (!slot.open || !answer) continue;
        abort(index);
        answer->worker_lost(begun(slot), Reason::draining);
    }
}

void Link::lose_worker(AfterLoss after) noexcept {
    renews_ = after == AfterLoss::renew;
    if (lost_) {
        if (renews_) return;
        if (doorbell_op_.in_flight) pool_.reactor().ring().cancel_all(region_.doorbell());
        return pool_.link_changed(*this);
    }
    // What it had said before it ended is still true.
    for (uint32_t i = 0; i < RTW_RING_ENTRIES / descriptors_per_turn && open_slots_ > 0; ++i)
        if (!drain()) break;
    lost_ = true;
    ++users_;  // Answers that let go of it now must not end it under our feet.
    fail_all(condemned_ ? Reason::worker_protocol : Reason::worker_crashed);
    uint32_t running = open_slots_;
    for (uint32_t index = 0; open_slots_ > 0; ++index)
        if (slots_[index].open) end_slot(index);
    disarm_all();
    for (; worker_.app->spec.ephemeral && running > 0; --running) pool_.leave_gate();
    if (doorbell_op_.in_flight && !renews_)
        pool_.reactor().ring().cancel_all(region_.doorbell());
    --users_;
    pool_.link_changed(*this);
}

void Link::disarm_all() noexcept {
    loop::Reactor& reactor = pool_.reactor();
    reactor.disarm(watch_timer_);
    reactor.disarm(liveness_timer_);
    reactor.disarm(again_timer_);
    reactor.disarm(lost_timer_);
    loop::Reactor::forget(static_cast<loop::Flushable&>(*this));
}

// Slots and slabs are all given back: only what both sides count begins anew.
void Link::renew() noexcept {
    rtw_region* to_worker = region_.to_worker();
    for (uint32_t* word : {&to_worker->tail, &to_worker->head, &to_worker->wants_wake,
                           &to_worker->recalling, &to_worker->recall_from})
        rtw_store(word, 0);
    producer_ = {to_worker, region_.to_gateway(), 0, 0, 0};
    consumer_ = {region_.to_gateway(), to_worker, 0, 0};
    unsaid_.clear();
    unsaid_count_ = sequence_ = strikes_ = recalled_ = empty_rings_ = 0;
    no_ahead_until_ = 0;
    condemned_ = lost_ = renews_ = false;
    if (!doorbell_op_.in_flight) pool_.reactor().ring().submit(doorbell_op_);
}

// Requests handed in advance must not suffer from the one before them. See worker_abi.h for why no
// request can run twice.
void Link::recall() noexcept {
    if (recalled_ > 0 || lost_ || condemned_) return;
    rtw_region* to_worker = region_.to_worker();
    uint32_t first = rtw_load(&region_.to_gateway()->begun) + 1;
    // One whose body has left us can begin nowhere else: it stays, and what is before it.
    for (const Slot& slot : slots_) {
        bool stays = slot.open && slot.answer && !slot.answer->may_be_recalled();
        if (stays && static_cast<int32_t>(slot.sequence - first) >= 0) first = slot.sequence + 1;
    }
    rtw_store(&to_worker->recall_from, first);
    rtw_store(&to_worker->recalling, 1);
    rtw_full_fence();
    no_ahead_until_ = pool_.reactor().now() + no_ahead_for;
    for (Slot& slot : slots_) {
        bool ours = slot.open && !begun(slot) && static_cast<int32_t>(slot.sequence - first) >= 0;
        if (!ours) continue;
        ++recalled_;
        slot.recalled = true;
        give_up(slot);
        WorkerAnswer* answer = slot.answer;
        slot.answer = nullptr;
        if (answer) answer->recalled();
    }
    if (recalled_ == 0) rtw_store(&to_worker->recalling, 0);
}

// A worker ends what was given up; until then its number and its place are taken. One that has not
// long after the handler's time was over has lost it: the process is replaced.
void Link::give_up(Slot& slot) noexcept {
    slot.aborted = true;
    slot.aborted_at = pool_.reactor().now();
    if (lost_timer_.armed()) return;
    pool_.reactor().arm(lost_timer_, slot.aborted_at + patience());
}

Nanoseconds Link::patience() const noexcept {
    const AppSpec& spec = worker_.app->spec;
    return from_milliseconds(spec.timeout_ms + spec.grace_ms);
}

void Link::on_lost(loop::Timer& timer) noexcept {
    auto& self = *static_cast<Link*>(timer.owner);
    Nanoseconds now = self.pool_.reactor().now();
    Nanoseconds time = self.patience();
    Nanoseconds oldest = UINT64_MAX;
    for (const Slot& slot : self.slots_)
        if (slot.open && slot.aborted) oldest = std::min(oldest, slot.aborted_at);
    if (oldest == UINT64_MAX) return;
    if (now - oldest >= time) return self.pool_.tell(self.worker_, kWorkerStruck);
    self.pool_.reactor().arm(timer, oldest + time);
}

void Link::watch_ahead() noexcept {
    if (watch_timer_.armed()) return;
    watched_begun_ = rtw_load(&region_.to_gateway()->begun);
    pool_.reactor().arm(watch_timer_, pool_.reactor().now() + recall_after);
}

void Link::on_watch(loop::Timer& timer) noexcept {
    auto& self = *static_cast<Link*>(timer.owner);
    if (self.open_slots_ <= self.worker_.concurrency) return;
    if (rtw_load(&self.region_.to_gateway()->begun) != self.watched_begun_)
        return self.watch_ahead();
    self.recall();
}

void Link::suspect() noexcept {
    recall();
    if (liveness_timer_.armed()) return;
    watched_loops_ = rtw_load(&region_.to_gateway()->loops);
    Nanoseconds grace = from_milliseconds(worker_.app->spec.grace_ms);
    pool_.reactor().arm(liveness_timer_, pool_.reactor().now() + grace);
}

void Link::on_liveness(loop::Timer& timer) noexcept {
    auto& self = *static_cast<Link*>(timer.owner);
    if (rtw_load(&self.region_.to_gateway()->loops) != self.watched_loops_) return;
    self.worker_.close();
    self.pool_.tell(self.worker_, kWorkerHung);
}

void Link::on_again(loop::Timer& timer) noexcept {
    auto& self = *static_cast<Link*>(timer.owner);
    self.flush();
    // A doorbell flood is answered at this pace.
    if (!self.doorbell_op_.in_flight && !self.lost_)
        self.pool_.reactor().ring().submit(self.doorbell_op_);
}

void Link::on_doorbell(ring::Op& op) noexcept {
    auto& self = *static_cast<Link*>(op.owner);
    if (self.lost_ && !self.renews_) return self.pool_.link_changed(self);
    if (self.lost_) return;  // Armed again when it is renewed.
    if (++self.empty_rings_ > empty_rings_max) {
        if (self.empty_rings_ >= empty_rings_strike && !self.condemned_) {
            self.empty_rings_ = empty_rings_max;
            self.strike("rings its doorbell all the time", no_slot);
        }
        loop::Reactor& reactor = self.pool_.reactor();
        if (!self.again_timer_.armed())
            reactor.arm(self.again_timer_, reactor.now() + loop::TimerWheel::tick);
        return;
    }
    self.pool_.reactor().ring().submit(op);
}

}  // namespace ringtime::worker
