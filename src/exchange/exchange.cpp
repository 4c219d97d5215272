#include "exchange/exchange.h"

#include "exchange/core.h"
#include "exchange/http1_connection.h"
#include "http/hop_by_hop.h"

namespace ringtime::exchange {

using http::Answer;
using http::Pull;

namespace {

// Bytes moved between a source and a sink before others get their turn.
constexpr uint64_t kRelayBytesPerStep = 1024 * 1024;

constexpr http::FieldSet kFraming = http::field_bit(http::FieldId::content_length) |
                                    http::field_bit(http::FieldId::transfer_encoding);

}  // namespace

Exchange::Exchange(Core& core)
    : gather(core.io.texts),
      conduit(core.io.pipes),
      core_(core),
      fiber_(
          core.reactor, [](void* self) noexcept { static_cast<Exchange*>(self)->finish(); }, this),
      arena_(arena_block_, sizeof arena_block_, limits::exchange_arena_bytes_max) {
    pin_.exchange = this;
}

SlabMemory& Exchange::fiber_frames() noexcept { return core_.reactor.fiber_frames(); }

void Exchange::reset() noexcept {
    ASSERT(!fiber_.running());
    if (head_pin.owner) head_pin.release();
    head_pin = {};
    gather.clear();
    arena_.reset();
    parser.reset();
}

void Exchange::begin(Http1Connection& connection) noexcept {
    connection_ = &connection;
    sink_ = &connection;
    source_ = &connection;
    hold_ = &core_.pin(pin_);
    mount_ = nullptr;
    api_.reset();
    mount_name_ = {};
    mount_counters_ = 0;
    body_bytes_max_ = UINT64_MAX;
    answer_ = nullptr;
    session_ = nullptr;
    server_ = {};
    retries_ = 0;
    body_ = nullptr;
    gathering_ = Gathering::none;
    refusal_ = outcome_ = {};
    status_ = 0;
    upgrade_ = request_id_ = path_ = host_ = {};
    request_done_ = response_started_ = response_complete_ = ended_ = false;
    tunnel_ = tunnel_answered_ = false;
    hooks_begun_ = hooks_active_ = response_prepared_ = head_is_lent_ = lends_memory_ = false;
    received_ = sent_ = 0;
    ++core_.counters.requests;
    if (!fiber_.start(serve(*this))) {
        // No slot for a frame: the connection is cut, which its limits make a matter of
        // configuration.
        sink_->abort_response();
        finish();
    }
}

loop::Fiber Exchange::serve(Exchange& self) {
    self.admit();
    while (!self.run_request_hooks()) co_await loop::next_event();
    while (!self.dispatch()) co_await loop::next_event();
    while (!self.step()) {
        self.before_waiting();
        co_await loop::next_event();
    }
}

// Does everything that can be done now; true when the exchange is over.
bool Exchange::step() noexcept {
    for (;;) {
        if (ended_) return true;
        if (response_started_ && hold_ && !core_.in_force(*hold_)) let_go_of_snapshot();
        if (tunnel_ && !sink_->client_gone()) return relay_tunnel();
        // Bytes of a plugin lie in this exchange or in its generation: both stay until they have
        // left.
        if (response_complete_) return sink_->drained() || sink_->client_gone();
        if (sink_->client_gone()) {
            if (outcome_.ok()) outcome_ = {Reason::client_reset, Source::client, Retry::no, 0, 0};
            return true;
        }
        relay_request_body();
        if (ended_) return true;
        if (response_started_) return relay_response_body();
        switch (answer_->advance()) {
            case Answer::Phase::waiting: return ended_;
            case Answer::Phase::interim:
                response_.begin(answer_->head().fields);
                response_.remove_all(kFraming);
                http::drop_hop_by_hop(response_, answer_->head().fields);
                sink_->send_interim(answer_->head().status, response_);
                answer_->take_interim();
                break;
            case Answer::Phase::failed: fail(answer_->error()); break;
            case Answer::Phase::headed:
                if (!response_prepared_) take_refusal();
                if (!start_response()) return false;
                break;
        }
    }
}

void Exchange::relay_request_body() noexcept {
    http::BodySink* sink = answer_->request_body();
    if (request_done_ || !sink) return;
    // Behind a request that offers an upgrade stand the tunnel's first bytes, or another request.
    if (!upgrade_.empty() && !response_started_) return;
    uint64_t moved = 0;
    while (uint32_t room = sink->room()) {
        if (sink->lends_memory() && received_ < body_bytes_max_) {
            http::InPlace way = source_->in_place();
            if (way == http::InPlace::pending) return;
            if (way == http::InPlace::ready) {
                if (!receive_in_place(*sink, room, moved)) return;
                if (moved >= kRelayBytesPerStep) return wake();
                continue;
            }
        }
        if (sink->takes_files() && received_ < body_bytes_max_) {
            if (http::FileRange range = source_->file(); range.size > 0) {
                moved += relay_file(*source_, *sink, range, received_);
                if (moved >= kRelayBytesPerStep) return wake();
                continue;
            }
        }
        Piece piece;
        switch (source_->pull(piece, room)) {
            case Pull::pending: return;
            case Pull::data:
                if (gathering_ != Gathering::done) received_ += piece.size;
                moved += piece.size;
                if (received_ > body_bytes_max_) {
                    piece.release();
                    return fail({Reason::body_too_large, Source::client, Retry::no, 0, 0});
                }
                sink->push(piece);
                if (moved >= kRelayBytesPerStep) return wake();
                break;
            case Pull::end:
                request_done_ = true;
                return sink->finish();
            case Pull::failed:
                // Never completed towards the target: releasing the answer cuts it there.
                request_done_ = true;
                return fail(source_->error());
        }
    }
}

// No copy and no buffer of ours in between. False: the sink has no memory now.
bool Exchange::receive_in_place(http::BodySink& sink, uint32_t room, uint64_t& moved) noexcept {
    auto size = static_cast<uint32_t>(std::min<uint64_t>(room, body_bytes_max_ - received_));
    char* memory = sink.reserve(size);
    if (!memory) return false;
    uint32_t received = source_->receive_into(memory, size);
    sink.commit(received);
    received_ += received;
    moved += received;
    return true;
}

// False while a hook has paused.
bool Exchange::start_response() noexcept {
    if (answer_->head().status == 101 && switched_protocol().empty()) {
        refuse_switch();
        return true;
    }
    if (!response_prepared_) {
        const http::ResponseHead& answer_head = answer_->head();
        response_.begin(answer_head.fields);
        // Framing and persistence are decided anew for this side.
        response_.remove_all(kFraming);
        http::drop_hop_by_hop(response_, answer_head.fields);
        edit_upstream_answer();
        response_facts_ = {};
        response_facts_.draft = &response_;
        response_facts_.status = answer_head.status;
        response_facts_.content_length = answer_->body().length();
        response_facts_.flags = answer_ == &fixed_ ? RINGTIME_RESPONSE_FROM_GATEWAY : 0;
        if (chain_run_.made(answer_)) response_facts_.flags = RINGTIME_RESPONSE_FROM_PLUGIN;
        if (!outcome_.ok()) response_facts_.reason = describe(outcome_.reason).name;
        response_prepared_ = true;
    }
    if (!run_response_hooks()) return false;
    std::string_view protocol;
    if (answer_->head().status == 101) {
        if (response_facts_.status != 101) {
            refuse_tunnel();
        } else {
            protocol = switched_protocol();
        }
    } else if (response_facts_.status == 426) {  // RFC 9110 §15.5.22: must say to what.
        protocol = answer_->head().fields.get(http::FieldId::upgrade);
    }
    response_started_ = true;
    status_ = response_facts_.status;
    (void)response_.set(http::FieldId::x_request_id, request_id_);
    if (hold_->snapshot->debug && !outcome_.ok())
        (void)response_.set("x-ringtime-reason", describe(outcome_.reason).name);
    // Behind a request that could not be understood nothing is read as another one.
    bool last = !refusal_.ok() && refusal_.source == Source::client;
    AfterResponse after = last                      ? AfterResponse::close
                          : answer_->request_body() ? AfterResponse::keep_alive
                                                    : AfterResponse::discard_body;
    body_ = &answer_->body();
    body_length_ = body_->length();
    if (hooks_active_ && chain_run_.watches_response()) hook_response_body();
    sink_->start_response({status_, &response_, body_length_, after, protocol});
    if (status_ == 101) start_tunnel();
    return true;
}

// What the kernel moves by itself, as far as it is taken.
uint64_t Exchange::relay_file(http::BodySource& from, http::BodySink& to, http::FileRange range,
                              uint64_t& total) noexcept {
    range.size = std::min(range.size, kRelayBytesPerStep);
    uint64_t sent = to.send_file(range);
    from.skip(sent);
    total += sent;
    return sent;
}

bool Exchange::relay_response_body() noexcept {
    http::BodySource& body = *body_;
    bool from_plugin = chain_run_.made(answer_);
    uint64_t moved = 0;
    while (uint32_t room = sink_->room()) {
        if (moved >= kRelayBytesPerStep) {
            wake();
            return false;
        }
        if (sink_->takes_files()) {
            if (http::FileRange range = body.file(); range.size > 0) {
                moved += relay_file(body, *sink_, range, sent_);
                continue;
            }
        }
        Piece piece;
        switch (body.pull(piece, room)) {
            case Pull::pending: return false;
            case Pull::data:
                sent_ += piece.size;
                moved += piece.size;
                lends_memory_ = lends_memory_ || (from_plugin && !piece.owner);
                sink_->push(piece);
                break;
            case Pull::end:
                finish_response();
                response_complete_ = true;
                return !lends_memory_ || sink_->drained();
            case Pull::failed:
                outcome_ = body.error();
                ++core_.counters.aborted;
                sink_->abort_response();
                return true;
        }
    }
    return sink_->client_gone();
}

// The current answer, if any, is given up for one of the gateway's own; when its head has gone out
// the only honest thing left is to cut the stream.
void Exchange::fail(Error error) noexcept {
    note_attempts();
    if (answer_) answer_->release();
    answer_ = nullptr;
    if (response_started_ || describe(error.reason).status == 0) {
        outcome_ = error;
        ++core_.counters.aborted;
        sink_->abort_response();
        ended_ = true;
        return;
    }
    request_done_ = true;
    response_prepared_ = false;
    answer_error(error);
}

void Exchange::time_out(Reason reason) noexcept {
    if (!running()) return;
    if (outcome_.ok()) outcome_ = {reason, Source::client, Retry::no, 0, 0};
    if (reason == Reason::stalled || reason == Reason::draining || response_started_) {
        sink_->abort_response();
    } else {
        fail({reason, Source::client, Retry::no, 0, 0});
    }
    wake();
}

// Before it is dispatched it may yet come to any mount.
bool Exchange::needs(const Ending& ending) const noexcept {
    if (!answer_) return true;
    if (!mount_) return ending.unrouted;
    return ending.mounts[static_cast<size_t>(mount_ - hold_->snapshot->mounts.data())];
}

void Exchange::cut() noexcept {
    if (outcome_.ok()) outcome_ = {Reason::stalled, Source::gateway, Retry::no, 0, 0};
    sink_->abort_response();
    wake();
}

// A waiting exchange may hold a receive buffer for as long as a target takes. While they are plenty
// that is cheaper than a copy; when they run low the head moves to memory of its own.
void Exchange::before_waiting() noexcept {
    if (head_pin.owner && !head_is_lent_ && buffers_run_low()) move_head();
}

bool Exchange::buffers_run_low() noexcept {
    ring::BufferPool& pool = core_.reactor.ring().buffers(ring::BufferGroup::small);
    return pool.available() < pool.count() / 4;
}

void Exchange::move_head() noexcept {
    const char* from = head_pin.data;
    size_t size = head_pin.size;
    if (!gather.add({from, size})) return;
    const char* to = gather.view().data();
    auto move = [&](std::string_view& view) {
        if (view.data() >= from && view.data() < from + size)
            view = {to + (view.data() - from), view.size()};
    };
    head.fields.base = to + (head.fields.base - from);
    for (std::string_view* view : {&head.method_text,
                                   &head.target,
                                   &head.path,
                                   &head.query,
                                   &head.host,
                                   &head.authority,
                                   &path_,
                                   &forwarded_,
                                   &host_,
                                   &upgrade_,
                                   &request_id_,
                                   &upstream_request_.method,
                                   &upstream_request_.path,
                                   &upstream_request_.query,
                                   &upstream_request_.authority,
                                   &upstream_request_.upgrade,
                                   &site_request_.path,
                                   &site_request_.query,
                                   &site_request_.base,
                                   &facts_.path,
                                   &facts_.full_path,
                                   &facts_.host,
                                   &facts_.client,
                                   &facts_.request_id})
        move(*view);
    chain_run_.refresh();
    request_.relocate(from, size, to);
    head_pin.release();
    head_pin = {};
}

void Exchange::finish() noexcept {
    duration_ = core_.reactor.clock() - started;
    hooked_request_.reset();
    hooked_response_.reset();
    end_hooks();
    note_attempts();
    if (answer_) answer_->release();
    answer_ = nullptr;
    count();
    if (core_.access_log.wanted()) write_access_log();
    if (hold_) core_.unpin(*hold_, pin_);
    hold_ = nullptr;
    kept_target_.reset();
    gathered_.reset();
    connection_->exchange_ended();
}

// After its head an answer needs only what is behind it, so that no stream or tunnel, however long,
// keeps a whole configuration. Plugins' hooks still run at its end: they keep theirs.
void Exchange::let_go_of_snapshot() noexcept {
    if (hooks_active_) return;
    if (mount_) {
        const Snapshot& snapshot = *hold_->snapshot;
        std::string_view name = arena_.copy(mount_->name);
        if (name.size() != mount_->name.size()) return;
        mount_name_ = name;
        mount_counters_ = mount_->counters;
        if (mount_->kind == TargetKind::upstream)
            kept_target_ = snapshot.upstreams[mount_->target];
        if (mount_->kind == TargetKind::site) kept_target_ = snapshot.sites[mount_->target];
        mount_ = nullptr;
    }
    core_.unpin(*hold_, pin_);
    hold_ = nullptr;
}

void Exchange::count() noexcept {
    core_.counters.finished(
        mount_ ? mount_->counters : mount_counters_,
        {head.method, response_started_ ? status_ : uint16_t{0}, duration_,
         received_, sent_});
    if (!outcome_.ok()) core_.counters.because_of(outcome_.reason);
}

void Exchange::write_access_log() noexcept {
    char peer_text[net::PeerAddress::text_bytes_max];
    AccessEntry entry;
    entry.wall_ms = core_.wall_ms();
    entry.request_id = request_id_;
    entry.peer = connection_->peer().text(peer_text);
    entry.method = head.method_text;
    entry.target = head.target;
    entry.host = head.authority;
    entry.mount = mount_ ? std::string_view(mount_->name) : mount_name_;
    entry.server = server_;
    entry.retries = retries_;
    if (hooks_active_) entry.plugin = chain_run_.decided_by();
    entry.user_agent = head.fields.get(http::FieldId::user_agent);
    entry.reason = outcome_.reason;
    entry.cause = cause_of(outcome_);
    entry.status = response_started_ ? status_ : uint16_t{0};
    entry.bytes_received = received_;
    entry.bytes_sent = sent_;
    entry.duration_us = duration_ / 1000;
    entry.complete = response_complete_;
    core_.access_log.add(entry);
}

}  // namespace ringtime::exchange
