#include "exchange/api.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "http/head_builder.h"

namespace ringtime::exchange {

using http::FieldId;
using http::Pull;

namespace {

constexpr uint32_t kPieceBytes = 64 * 1024;

}  // namespace

// --- BlockText ---

void BlockText::append(std::string_view text) {
    while (!text.empty()) {
        size_t used = size_ % block_bytes;
        if (used == 0) blocks_.push_back(std::make_unique_for_overwrite<char[]>(block_bytes));
        size_t part = std::min(text.size(), block_bytes - used);
        std::memcpy(blocks_.back().get() + used, text.data(), part);
        size_ += part;
        text.remove_prefix(part);
    }
}

std::string_view BlockText::block(size_t index) const noexcept {
    size_t begin = index * block_bytes;
    return {blocks_[index].get(), std::min(block_bytes, size_ - begin)};
}

std::string BlockText::text() const {
    std::string out;
    out.reserve(size_);
    for (size_t i = 0; i < blocks_.size(); ++i) out += block(i);
    return out;
}

// --- ApiCalls ---

ApiCalls::~ApiCalls() { ASSERT(open_ == 0); }

http::Answer* ApiCalls::start(ApiService& service, ApiRequest request, uint64_t body_bytes_max,
                              loop::Runnable& waker) noexcept {
    if (open_ == limits::api_calls_per_core) return nullptr;
    ++open_;
    return new ApiCall(*this, service, std::move(request), body_bytes_max, waker);
}

// --- ApiCall: the core's side ---

ApiCall::ApiCall(ApiCalls& calls, ApiService& service, ApiRequest request, uint64_t body_bytes_max,
                 loop::Runnable& waker) noexcept
    : calls_(calls),
      service_(service),
      waker_(waker),
      request_(std::move(request)),
      body_bytes_max_(body_bytes_max) {}

uint32_t ApiCall::room() const noexcept {
    return state_.load(std::memory_order_relaxed) == State::gathering ? kPieceBytes : 0;
}

void ApiCall::push(const Piece& piece) noexcept {
    if (request_.body.size() + piece.size > body_bytes_max_) {
        error_ = {Reason::body_too_large, Source::client, Retry::no, 0, 0};
    } else if (error_.ok()) {
        request_.body.append(piece.view());
    }
    piece.release();
}

void ApiCall::finish() noexcept {
    if (!error_.ok()) return;
    state_.store(State::waiting, std::memory_order_relaxed);
    if (service_.submit(*this)) return;
    state_.store(State::gathering, std::memory_order_relaxed);
    error_ = {Reason::overload, Source::gateway, Retry::no, 0, 0};
}

http::Answer::Phase ApiCall::advance() noexcept {
    if (!error_.ok()) return Phase::failed;
    return headed_ ? Phase::headed : Phase::waiting;
}

void ApiCall::came_back() noexcept {
    if (released_) {
        --calls_.returning_;
        delete this;
        return;
    }
    http::HeadBuilder builder(head_, reply_.status, head_text_, sizeof head_text_);
    builder.add(FieldId::content_type, reply_.content_type);
    builder.add(FieldId::cache_control, "no-store");
    builder.add("x-content-type-options", "nosniff");
    if (!builder.ok()) error_ = {Reason::internal, Source::gateway, Retry::no, 0, 0};
    headed_ = true;
    calls_.reactor_.wake(waker_);
}

Pull ApiCall::pull(Piece& out, uint32_t max) noexcept {
    size_t left = reply_.body.size() - pulled_;
    if (left == 0) return Pull::end;
    auto size = static_cast<uint32_t>(std::min<size_t>(left, std::min(max, kPieceBytes)));
    out = {reply_.body.data() + pulled_, size, this, 0};
    pulled_ += size;
    ++lent_;
    return Pull::data;
}

void ApiCall::release_piece(uint64_t) noexcept {
    ASSERT(lent_ > 0);
    --lent_;
    if (released_) delete_unless_lent();
}

void ApiCall::delete_unless_lent() noexcept {
    if (lent_ == 0) delete this;
}

void ApiCall::release() noexcept {
    ASSERT(!released_);
    released_ = true;
    --calls_.open_;
    State seen = State::waiting;
    // Whoever is late finds what the other has written: abandoned, the control thread deletes it.
    if (state_.compare_exchange_strong(seen, State::abandoned, std::memory_order_acq_rel)) return;
    if (seen == State::gathering || headed_) return delete_unless_lent();
    ++calls_.returning_;
}

// --- ApiCall: the control thread's side ---

void ApiCall::reply(ApiReply reply) noexcept {
    reply_ = std::move(reply);
    State seen = State::waiting;
    if (!state_.compare_exchange_strong(seen, State::replied, std::memory_order_acq_rel)) {
        delete this;
        return;
    }
    loop::Message message;
    message.context = this;
    message.function = [](void* context, uint64_t) noexcept {
        static_cast<ApiCall*>(context)->came_back();
    };
    // The core lives: it does not end before its calls have come back. A full mailbox empties.
    while (!calls_.reactor_.post(message)) {
        // tidy: allow(sleep) a queue without a way to wait for room; as good as never
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

}  // namespace ringtime::exchange
