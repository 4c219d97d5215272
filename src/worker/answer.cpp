#include "worker/answer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "worker/core_pool.h"
#include "worker/heads.h"

namespace ringtime::worker {

WorkerAnswer::WorkerAnswer(CorePool& pool, const WorkerRequest& request,
                           loop::Runnable& waker) noexcept
    : pool_(pool), waker_(waker), request_(request) {
    timer_.owner = this;
    timer_.on_expire = &on_deadline;
    starved_.answer = this;
}

void WorkerAnswer::wake() noexcept { pool_.reactor().wake(waker_); }

// ---- Stages ----

void WorkerAnswer::enqueue(Nanoseconds now, Nanoseconds deadline) noexcept {
    stage_ = Stage::queued;
    if (queued_at_ == 0) queued_at_ = now;
    pool_.reactor().arm(timer_, deadline);
}

void WorkerAnswer::handed_over(Link& link, uint32_t slot, Nanoseconds deadline) noexcept {
    stage_ = Stage::handed;
    link_ = &link;
    link.retain();
    slot_ = slot;
    exchange_ = link.exchange_of(slot);
    ++attempts_;
    pool_.reactor().arm(timer_, deadline);
    if (request_.body_length == 0) return;
    if (holds_piece_) {
        feed();
    } else if (body_finished_) {
        link.end_body(slot);
    }
    wake();  // The body may go on now.
}

void WorkerAnswer::fail(Reason reason, Source source, uint32_t detail) noexcept {
    ++pool_.counters().failed;
    error_ = {.reason = reason, .source = source, .detail = detail};
    if (stage_ == Stage::queued) pool_.leave_queue(*this);
    if (stage_ != Stage::headed) stage_ = Stage::failed;
    disconnect();
    wake();
}

// Whatever still tied it to its slot; the link itself is kept while bytes of it may be pulled.
void WorkerAnswer::disconnect() noexcept {
    slot_ = no_slot;
    pool_.reactor().disarm(timer_);
    if (starved_.linked()) starved_.unlink();
    if (holds_piece_) held_.release();
    holds_piece_ = false;
}

void WorkerAnswer::on_deadline(loop::Timer& timer) noexcept {
    auto& self = *static_cast<WorkerAnswer*>(timer.owner);
    if (self.stage_ == Stage::queued) return self.fail(Reason::queue_timeout, Source::gateway);
    if (self.stage_ != Stage::handed) return;
    if (self.connected()) {
        self.link_->abort(self.slot_);
        self.link_->suspect();
    }
    self.fail(Reason::worker_timeout, Source::worker);
}

bool WorkerAnswer::may_retry(bool begun) const noexcept {
    return stage_ == Stage::handed && body_sent_ == 0 && !reserved_ && attempts_ < attempts_max &&
           (!begun || http::is_idempotent(request_.method));
}

void WorkerAnswer::worker_lost(bool begun, Reason reason) noexcept {
    bool again = reason == Reason::worker_crashed && may_retry(begun);
    slot_ = no_slot;
    if (!again) return fail(reason, Source::worker);
    ++pool_.counters().retried;
    wait_again();
}

void WorkerAnswer::recalled() noexcept {
    slot_ = no_slot;
    if (!may_be_recalled()) return fail(Reason::worker_protocol, Source::worker);
    ++recalls_;
    --attempts_;
    ++pool_.counters().recalled;
    wait_again();
}

void WorkerAnswer::wait_again() noexcept {
    if (starved_.linked()) starved_.unlink();
    std::exchange(link_, nullptr)->release();
    pool_.queue_again(*this);
}

http::Answer::Phase WorkerAnswer::advance() noexcept {
    if (stage_ == Stage::failed) return Phase::failed;
    if (stage_ == Stage::headed) return Phase::headed;
    return interim_ ? Phase::interim : Phase::waiting;
}

void WorkerAnswer::release() noexcept {
    if (stage_ == Stage::queued) pool_.leave_queue(*this);
    drop_chunks();
    if (connected()) link_->abort(slot_);
    disconnect();
    drop_head();
    if (link_) link_->release();
    pool_.destroy(*this);
}

// ---- The head ----

char* WorkerAnswer::head_memory(uint32_t size) noexcept {
    drop_head();
    if (size <= inline_head_bytes) return head_bytes_;
    head_block_ = static_cast<char*>(pool_.head_blocks().take());
    return head_block_;
}

void WorkerAnswer::drop_head() noexcept {
    if (head_block_) pool_.head_blocks().give(head_block_);
    head_block_ = nullptr;
}

bool WorkerAnswer::bodyless() const noexcept {
    return request_.method == http::Method::head || head_.status == 204 || head_.status == 304;
}

bool WorkerAnswer::take_head(uint32_t offset, uint32_t head_bytes, uint32_t length) noexcept {
    if (stage_ != Stage::handed) return false;
    char* copy = head_memory(head_bytes);
    if (!copy) return false;
    std::memcpy(copy, link_->arena() + offset, head_bytes);
    auto decoded = decode_response_head(copy, head_bytes, head_);
    if (!decoded.ok()) return false;
    bool final = head_.status >= 200 || head_.status == 101;
    if (head_.status == 101 && request_.upgrade == WorkerRequest::Upgrade::no) return false;
    if (!final) {
        if (length != head_bytes || ++interims_ > limits::interim_responses_max) return false;
        link_->free_bytes(exchange_, offset, length);
        interim_ = true;
        wake();
        return true;
    }
    stage_ = Stage::headed;
    interim_ = false;
    pool_.reactor().disarm(timer_);
    // A tunnel's length is nobody's to announce.
    body_length_ = head_.status == 101 ? unknown_length : decoded->body_length;
    if (length == head_bytes) {
        link_->free_bytes(exchange_, offset, length);
        wake();
        return true;
    }
    // Head and body go back together, with the body's first piece.
    if (!take_body(offset + head_bytes, length - head_bytes)) {
        stage_ = Stage::handed;
        return false;
    }
    first_chunk_->free_begin = offset;
    return true;
}

// ---- The answer's body ----

bool WorkerAnswer::take_body(uint32_t offset, uint32_t length) noexcept {
    if (stage_ != Stage::headed || bodyless()) return false;
    body_received_ += length;
    if (body_length_ != unknown_length && body_received_ > body_length_) return false;
    wake();
    if (last_chunk_ && last_chunk_->end == offset &&
        offset / RTW_BLOCK_BYTES == last_chunk_->free_begin / RTW_BLOCK_BYTES) {
        last_chunk_->end += length;
        return true;
    }
    Chunk* chunk = chunk_count_ < chunks_max ? pool_.chunks().create() : nullptr;
    if (!chunk) return false;
    *chunk = {nullptr, offset, offset, offset + length};
    if (last_chunk_) {
        last_chunk_->next = chunk;
    } else {
        first_chunk_ = chunk;
    }
    last_chunk_ = chunk;
    ++chunk_count_;
    return true;
}

bool WorkerAnswer::take_end() noexcept {
    bool complete = stage_ == Stage::headed && (body_length_ == unknown_length || bodyless() ||
                                                body_received_ == body_length_);
    if (!complete) return false;
    if (body_length_ == unknown_length && bodyless()) body_length_ = 0;
    ended_ = true;
    if (holds_piece_) held_.release();  // The rest of the request's body interests nobody.
    holds_piece_ = false;
    slot_ = no_slot;
    if (starved_.linked()) starved_.unlink();
    wake();
    return true;
}

http::Pull WorkerAnswer::pull(Piece& out, uint32_t max) noexcept {
    Chunk* chunk = first_chunk_;
    if (!chunk) {
        if (!error_.ok()) return http::Pull::failed;
        return ended_ ? http::Pull::end : http::Pull::pending;
    }
    uint32_t size = std::min(max, chunk->end - chunk->begin);
    out = link_->make_piece(exchange_, chunk->free_begin, chunk->begin, size);
    chunk->begin += size;
    chunk->free_begin = chunk->begin;
    if (chunk->begin == chunk->end) {
        first_chunk_ = chunk->next;
        if (!first_chunk_) last_chunk_ = nullptr;
        --chunk_count_;
        pool_.chunks().destroy(chunk);
    }
    return http::Pull::data;
}

void WorkerAnswer::drop_chunks() noexcept {
    while (Chunk* chunk = first_chunk_) {
        first_chunk_ = chunk->next;
        link_->free_bytes(exchange_, chunk->free_begin, chunk->end - chunk->free_begin);
        pool_.chunks().destroy(chunk);
    }
    last_chunk_ = nullptr;
    chunk_count_ = 0;
}

// ---- The request's body ----

// After the worker's end, or a failure, nobody reads it: it is taken and dropped, so that whoever
// sends it can decide at leisure what to do with its connection.
bool WorkerAnswer::takes_body() const noexcept { return connected() && !ended_; }

uint32_t WorkerAnswer::room() const noexcept {
    if (stage_ == Stage::made || stage_ == Stage::queued || holds_piece_ || body_finished_)
        return 0;
    if (!takes_body()) return RTW_BLOCK_BYTES;
    uint32_t room = link_->body_room(slot_);
    if (room == 0 && !starved_.linked()) link_->starved.push_back(starved_);
    return room;
}

void WorkerAnswer::push(const Piece& piece) noexcept {
    if (!takes_body()) return piece.release();
    held_ = piece;
    held_done_ = 0;
    holds_piece_ = true;
    feed();
}

// Copies what fits; the rest of the piece waits for memory.
void WorkerAnswer::feed() noexcept {
    while (held_done_ < held_.size) {
        uint32_t size = held_.size - held_done_;
        char* out = link_->reserve_body(slot_, size);
        if (!out) {
            if (!starved_.linked()) link_->starved.push_back(starved_);
            return;
        }
        std::memcpy(out, held_.data + held_done_, size);
        held_done_ += size;
        body_sent_ += size;
        link_->commit_body(slot_, out, size);
    }
    holds_piece_ = false;
    held_.release();
    if (body_finished_) link_->end_body(slot_);
}

void WorkerAnswer::finish() noexcept {
    body_finished_ = true;
    if (takes_body() && !holds_piece_ && request_.body_length != 0) link_->end_body(slot_);
}

void WorkerAnswer::memory_came_back() noexcept {
    if (takes_body() && holds_piece_) feed();
    if (!holds_piece_) wake();
}

char* WorkerAnswer::reserve(uint32_t& size) noexcept {
    ASSERT(!reserved_);
    reserved_ = takes_body() && !holds_piece_ ? link_->reserve_body(slot_, size) : nullptr;
    reserved_size_ = reserved_ ? size : 0;
    if (!reserved_ && takes_body() && !starved_.linked()) link_->starved.push_back(starved_);
    return reserved_;
}

void WorkerAnswer::commit(uint32_t size) noexcept {
    ASSERT(reserved_ && size <= reserved_size_);
    body_sent_ += size;
    link_->commit_body(slot_, std::exchange(reserved_, nullptr), size);
}

}  // namespace ringtime::worker
