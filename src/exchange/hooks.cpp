// Where plugins meet a request: before anybody is asked to answer it, as routes below their base,
// and on every response. The chain itself is hook/chain_run.h; this is when it runs and what
// becomes of it.

#include <algorithm>

#include "exchange/core.h"
#include "exchange/exchange.h"
#include "exchange/http1_connection.h"
#include "http/target.h"

namespace ringtime::exchange {

using hook::Outcome;

void Exchange::begin_hooks() noexcept {
    const Snapshot& snapshot = *hold_->snapshot;
    hooks_begun_ = true;
    // What a plugin forbids, an operator on the machine may still look at and repair.
    if (connection_->entrance() == Entrance::admin_socket) return;
    const hook::Chain* chain = mount_ ? mount_->chain : snapshot.unrouted_chain;
    bool routes = mount_ && mount_->plugin;
    hooks_active_ = chain || routes;
    if (!hooks_active_) return;
    char text[net::PeerAddress::text_bytes_max];
    facts_ = {};
    facts_.head = &head;
    facts_.draft = &request_;
    facts_.arena = &arena_;
    facts_.path = mount_ ? stripped_path(path_) : path_;
    facts_.full_path = path_;
    facts_.host = host_;
    facts_.request_id = request_id_;
    facts_.peer = arena_.copy(connection_->peer().text(text));
    facts_.client = forwarded_client();
    if (!facts_.client.data()) facts_.client = facts_.peer;
    facts_.secure = trusted_ && http::equal_ignoring_case(
                                    head.fields.get(http::FieldId::x_forwarded_proto),
                                    "https");
    facts_.peer_port = connection_->peer().port;
    facts_.is_public = match_.found() && match_.is_public;
    facts_.has_body = framing.kind != http::BodyKind::none;
    facts_.api = api_ != nullptr;
    facts_.content_length = source_->length();
    facts_.app = mount_ ? &mount_->app : nullptr;
    chain_run_.begin(chain, core_.hooks, facts_,
                     {[](void* self) noexcept { static_cast<Exchange*>(self)->wake(); }, this});
    if (framing.kind != http::BodyKind::none) begin_request_body();
}

// --- Bodies (the way through the hooks is hooked_body.h) ---

void Exchange::begin_request_body() noexcept {
    if (chain_run_.watches_request() && framing.kind == http::BodyKind::chunked) {
        if (http::TrailerStore* trailers = make_trailer_store()) {
            connection_->keep_trailers(*trailers);
            facts_.trailers = &trailers->fields;
        }
    }
    if (uint64_t most = chain_run_.gather_bytes_max(); most > 0) begin_gathering(most);
}

// The bytes of a body that is longer are not waited for.
void Exchange::begin_gathering(uint64_t most) noexcept {
    if (mount_) most = std::min(most, mount_->body_bytes_max);
    if (source_->length() != http::BodySource::unknown_length && source_->length() > most) {
        refusal_ = {Reason::body_too_large, Source::client, Retry::no, 0, 0};
        return;
    }
    gathered_.begin(core_.gathered, *source_, most);
    gathering_ = Gathering::running;
}

// False while bytes are missing. What is wrong with them becomes a refusal.
bool Exchange::gather_body() noexcept {
    switch (gathered_.gather()) {
        case GatheredBody::Progress::pending: return false;
        case GatheredBody::Progress::failed:
            gathering_ = Gathering::none;
            refusal_ = gathered_.error();
            break;
        case GatheredBody::Progress::complete:
            gathering_ = Gathering::done;
            received_ = gathered_.length();
            source_ = &gathered_;
            facts_.gathered = gathered_.view();
            facts_.content_length = gathered_.length();
            chain_run_.refresh();
            break;
    }
    return true;
}

// For the route that takes the request. False while bytes are missing.
bool Exchange::gather_for_route() noexcept {
    if (framing.kind == http::BodyKind::none) return true;
    if (gathering_ == Gathering::running) return gather_body();
    uint64_t most = chain_run_.route_body_bytes_max(*mount_->plugin);
    if (most == 0) return true;
    if (gathering_ == Gathering::done) {
        // For a plugin that takes more than this one.
        if (gathered_.length() > most)
            refusal_ = {Reason::body_too_large, Source::client, Retry::no, 0, 0};
        return true;
    }
    begin_gathering(most);
    return !refusal_.ok() || gather_body();
}

// Settled before the request is forwarded: how its body is framed, and that an answer which will be
// changed comes whole.
void Exchange::hook_request_body() noexcept {
    if (chain_run_.transforms_response()) {
        request_.remove(http::FieldId::range);
        request_.remove(http::FieldId::if_range);
    }
    if (!chain_run_.watches_request() || framing.kind == http::BodyKind::none) return;
    bool transforms = chain_run_.transforms_request();
    hooked_request_.begin(chain_run_, *source_,
                          transforms ? http::BodySource::unknown_length : source_->length());
    source_ = &hooked_request_;
}

// What a body that plugins may change cannot promise any more: its length, its bytes, its ranges.
void Exchange::hook_response_body() noexcept {
    if (status_ == 101) return;
    if (chain_run_.transforms_response()) {
        body_length_ = http::BodySource::unknown_length;
        response_.remove("accept-ranges");
        if (!response_.get(http::FieldId::etag).starts_with("W/"))
            response_.remove(http::FieldId::etag);
    }
    bool described = head.method == http::Method::head || status_ == 204 || status_ == 304;
    if (described) return;
    hooked_response_.begin(chain_run_, *body_, body_length_);
    body_ = &hooked_response_;
}

// False while a hook has paused.
bool Exchange::run_request_hooks() noexcept {
    if (answer_ || !refusal_.ok() || sink_->client_gone()) return true;
    if (!hooks_begun_) begin_hooks();
    if (!hooks_active_) return true;
    if (gathering_ == Gathering::running && !gather_body()) return false;
    if (!refusal_.ok()) return true;
    switch (chain_run_.run_request()) {
        case Outcome::paused: return false;
        case Outcome::answered: answer_ = &chain_run_.answer(); return true;
        case Outcome::failed:
            refusal_ = {chain_run_.reason(), Source::plugin, Retry::no, 0, 0};
            return true;
        case Outcome::go_on:
        case Outcome::passed: break;
    }
    if (chain_run_.path_edited()) take_edited_path();
    hook_request_body();
    return true;
}

// Matched once more; hooks do not run again, and an edit never makes a request public.
void Exchange::take_edited_path() noexcept {
    path_ = chain_run_.edited_path();
    forwarded_ = chain_run_.edited_forwarded();
    mount_ = nullptr;
    // Admission asked about the path that was sent: an edit never leads into the API.
    api_.reset();
    facts_.api = false;
    bool was_public = match_.is_public;
    find_route();
    match_.is_public = match_.is_public && was_public;
    facts_.path = mount_ ? stripped_path(path_) : path_;
    facts_.full_path = path_;
    facts_.app = mount_ ? &mount_->app : nullptr;
    chain_run_.refresh();
}

// False while a handler has paused. `passed`: no route of the plugin takes the request.
bool Exchange::ask_plugin_routes(bool& passed) noexcept {
    facts_.path = stripped_path(path_);
    facts_.app = &mount_->app;
    chain_run_.refresh();
    if (!gather_for_route()) return false;
    if (!refusal_.ok()) {
        passed = false;
        answer_error(refusal_);
        return true;
    }
    switch (chain_run_.run_route(*mount_->plugin)) {
        case Outcome::paused: return false;
        case Outcome::answered:
            passed = false;
            answer_ = &chain_run_.answer();
            return true;
        case Outcome::failed:
            passed = false;
            answer_error({chain_run_.reason(), Source::plugin, Retry::no, 0, 0});
            return true;
        case Outcome::go_on:
        case Outcome::passed: break;
    }
    passed = true;
    return true;
}

// False while a hook has paused. A hook may answer in the place of the response, and one that fails
// turns it into a 500; the rest sees that.
bool Exchange::run_response_hooks() noexcept {
    if (!hooks_active_) return true;
    for (;;) {
        switch (chain_run_.run_response(response_facts_)) {
            case Outcome::paused: return false;
            case Outcome::failed:
                answer_->release();
                answer_ = nullptr;
                outcome_ = {};
                answer_error({chain_run_.reason(), Source::plugin, Retry::no, 0, 0});
                show_other_response(RINGTIME_RESPONSE_FROM_GATEWAY);
                break;
            case Outcome::answered:
                // What a plugin answered with has been made anew where it lies.
                if (!chain_run_.made(answer_)) give_up_answer();
                answer_ = &chain_run_.answer();
                // Why there was an error stays the outcome, whatever the client is told of it.
                show_other_response(RINGTIME_RESPONSE_FROM_PLUGIN);
                break;
            case Outcome::go_on:
            case Outcome::passed: return true;
        }
    }
}

void Exchange::give_up_answer() noexcept {
    // One that has no content is whole with its head: read to its end, its connection stays of use.
    uint16_t status = answer_->head().status;
    Piece piece;
    if ((status == 204 || status == 304) && answer_->body().pull(piece, 1) == http::Pull::data)
        piece.release();
    answer_->release();
}

// To the hooks that are left.
void Exchange::show_other_response(uint8_t flags) noexcept {
    response_.begin(answer_->head().fields);
    response_facts_.status = answer_->head().status;
    response_facts_.flags = flags;
    response_facts_.content_length = answer_->body().length();
    response_facts_.reason = {};
    if (answer_ == &fixed_) response_facts_.reason = describe(outcome_.reason).name;
}

void Exchange::end_hooks() noexcept {
    if (!hooks_active_) return;
    ringtime_summary summary{};
    summary.struct_size = sizeof summary;
    summary.status = response_started_ ? status_ : uint16_t{0};
    summary.complete = response_complete_ ? 1 : 0;
    summary.bytes_received = received_;
    summary.bytes_sent = sent_;
    summary.duration_ns = duration_;
    if (!outcome_.ok()) {
        std::string_view name = describe(outcome_.reason).name;
        summary.reason = {name.data(), name.size()};
    }
    chain_run_.run_done(summary);
    chain_run_.end();
}

}  // namespace ringtime::exchange
