// Who answers: the gateway itself, or the target of the mount. Each way ends in an Answer.

#include <fmt/core.h>

#include <cstring>

#include "exchange/core.h"
#include "exchange/core_paths.h"
#include "exchange/exchange.h"
#include "http/target.h"

namespace ringtime::exchange {

using http::FieldId;

namespace {

Piece text_piece(std::string_view text) noexcept {
    return {text.data(), static_cast<uint32_t>(text.size()), nullptr, 0};
}

}  // namespace

// Ends with answer_ set, unless there is nobody left to answer; false while a plugin's route
// handler has paused.
bool Exchange::dispatch() noexcept {
    if (answer_ || ended_ || sink_->client_gone()) return true;
    if (!refusal_.ok()) {
        answer_error(refusal_);
        return true;
    }
    if (answer_core_api()) return true;
    if (connection_->entrance() == Entrance::admin_socket) match_ = {};
    // As the hooks left it: one that removes the field turns the upgrade down.
    if (framing.upgrade) upgrade_ = request_.get(FieldId::upgrade);
    while (match_.found()) {
        mount_ = &hold_->snapshot->mounts[match_.mount];
        body_bytes_max_ = mount_->body_bytes_max;
        bool passed = true;
        if (mount_->plugin && !ask_plugin_routes(passed)) return false;
        if (!passed) return true;
        // A package without a target of its own passes to the next shorter base.
        if (mount_->kind != TargetKind::none) {
            dispatch_to(*mount_);
            return true;
        }
        match_ = hold_->snapshot->routes->pass(match_);
    }
    mount_ = nullptr;
    answer_error({Reason::no_route, Source::client, Retry::no, 0, 0});
    return true;
}

void Exchange::dispatch_to(const Mount& mount) noexcept {
    if (framing.kind == http::BodyKind::length && framing.length > mount.body_bytes_max)
        return answer_error({Reason::body_too_large, Source::client, Retry::no, 0, 0});
    switch (mount.kind) {
        case TargetKind::upstream: return dispatch_upstream();
        case TargetKind::worker: return dispatch_worker();
        case TargetKind::site: return dispatch_site();
        case TargetKind::none: break;
    }
    answer_error({Reason::no_route, Source::client, Retry::no, 0, 0});
}

// `OPTIONS *` is about the server itself and belongs to no mount (RFC 9110 §9.3.7).
void Exchange::answer_options() noexcept {
    mount_ = nullptr;
    fixed_.begin(204, {}).add(FieldId::allow, kServedMethods);
    answer_ = &fixed_;
}

bool Exchange::answer_core_api() noexcept {
    if (head.form == http::TargetForm::asterisk) {
        answer_options();
        return true;
    }
    if (api_) {
        dispatch_api();
        return true;
    }
    CorePath path = core_path(path_, hold_->snapshot->api_prefix);
    if (path == CorePath::none || path == CorePath::api) return false;
    mount_ = nullptr;
    if (head.method != http::Method::get && head.method != http::Method::head) {
        answer_error({Reason::method_not_allowed, Source::client, Retry::no, 0, 0}, {},
                     {FieldId::allow, "GET, HEAD"});
    } else if (path == CorePath::well_known) {
        lends_memory_ = true;  // Of the snapshot, held until it has left.
        answer_fixed(200, "application/json", text_piece(hold_->snapshot->well_known), {});
    } else if (path == CorePath::health) {
        answer_fixed(200, "text/plain; charset=utf-8", text_piece("ok\n"), {});
    } else {
        answer_ready();
    }
    return true;
}

void Exchange::answer_ready() noexcept {
    bool json = takes_json();
    std::string_view type = json ? "application/json" : "text/plain; charset=utf-8";
    if (core_.draining())
        return answer_fixed(503, type,
                            text_piece(json ? "{\"ready\":false,\"problems\":[{\"problem\":"
                                              "\"draining\"}]}\n"
                                            : "draining\n"),
                            {});
    std::string problems = core_.readiness.not_ready_because(
        *hold_->snapshot, json ? Readiness::Form::json : Readiness::Form::text);
    if (problems.empty())
        return answer_fixed(200, type, text_piece(json ? "{\"ready\":true}\n" : "ready\n"), {});
    net::TextBlock* block = nullptr;
    Piece body = text_piece(json ? "{\"ready\":false}\n" : "not ready\n");
    if (char* text = core_.io.texts.reserve(block, problems.size())) {
        std::memcpy(text, problems.data(), problems.size());
        body = core_.io.texts.commit(*block, problems.size());
        core_.io.texts.let_go(block);
    }
    answer_fixed(503, type, body, {});
}

std::string_view Exchange::stripped_path(std::string_view path) noexcept {
    return http::strip_base(path, match_.base_size);
}

void Exchange::dispatch_worker() noexcept {
    add_forwarding_fields(BaseSeen::stripped);
    if (!upgrade_.empty() && !request_.add(FieldId::upgrade, upgrade_)) upgrade_ = {};
    char text[net::PeerAddress::text_bytes_max];
    // The pool keeps the views until a worker has taken the request: not of a scarce buffer.
    if (head_pin.owner && buffers_run_low()) move_head();
    head_is_lent_ = true;
    worker::WorkerRequest request;
    request.app = mount_->target;
    request.method = head.method;
    request.version = head.version;
    request.method_text = head.method_text;
    request.path = stripped_path(path_);
    request.query = head.query;
    request.host = head.authority;
    request.base = mount_->base;
    request.peer = arena_.copy(connection_->peer().text(text));
    request.request_id = request_id_;
    request.fields = &request_;
    request.body_length = source_->length();
    if (!upgrade_.empty()) {
        // Left open: what follows is the tunnel's, or the end of a body that is empty.
        request.upgrade = worker::WorkerRequest::Upgrade::yes;
        request.body_length = http::BodySource::unknown_length;
    }
    answer_ = core_.workers.dispatch(request, fiber_);
}

void Exchange::dispatch_site() noexcept {
    upgrade_ = {};
    site::SiteRequest& request = site_request_;
    request.method = head.method;
    request.path = stripped_path(path_);
    request.query = head.query;
    request.base = {};
    if (match_.base_size > 0) request.base = path_.substr(0, match_.base_size);
    request.fields = &request_;
    answer_ = core_.sites.serve(*hold_->snapshot->sites[mount_->target], request, fiber_);
    if (!answer_) answer_error({Reason::overload, Source::gateway, Retry::no, 0, 0});
}

// A site that will not serve says why; the words are the gateway's, in the form the client takes.
void Exchange::take_refusal() noexcept {
    if (!mount_ || mount_->kind != TargetKind::site || answer_ == &fixed_) return;
    if (answer_->advance() != http::Answer::Phase::headed || answer_->error().ok()) return;
    Error error = answer_->error();
    answer_->release();
    if (error.reason == Reason::method_not_allowed)
        return answer_error(error, {}, {FieldId::allow, site::allowed_methods});
    answer_error(error);
}

// --- Answers of the gateway's own ---

bool Exchange::takes_json() const noexcept {
    return head.fields.get(FieldId::accept).find("application/json") != std::string_view::npos;
}

void Exchange::answer_fixed(uint16_t status, std::string_view type, const Piece& body,
                            const OwnField& field) noexcept {
    http::HeadBuilder builder = fixed_.begin(status, body);
    builder.add(FieldId::content_type, type);
    builder.add(FieldId::cache_control, "no-store");
    if (status == 503) builder.add(FieldId::retry_after, "1");
    if (field.id != FieldId::other) builder.add(field.id, field.value);
    answer_ = &fixed_;
}

void Exchange::answer_error(Error error, std::string_view message,
                            const OwnField& field) noexcept {
    const ReasonInfo& info = describe(error.reason);
    if (message.empty()) message = info.message;
    if (outcome_.ok()) outcome_ = error;
    bool json = api_ || takes_json();
    auto status = info.status == 0 ? uint16_t{500} : info.status;
    // The body may leave after this exchange has ended: it lies in a block of its own.
    size_t capacity = message.size() + info.name.size() + request_id_.size() + 64;
    net::TextBlock* block = nullptr;
    Piece body = text_piece("The gateway is at its limit.\n");
    if (char* text = core_.io.texts.reserve(block, capacity)) {
        auto end = json ? fmt::format_to_n(
                              text, capacity,
                              "{{\"error\":\"{}\",\"message\":\"{}\",\"requestId\":\"{}\"}}\n",
                              info.name, message, request_id_)
                        : fmt::format_to_n(text, capacity, "{}\n", message);
        body = core_.io.texts.commit(*block, static_cast<size_t>(end.out - text));
        core_.io.texts.let_go(block);
    }
    answer_fixed(status, json ? "application/json" : "text/plain; charset=utf-8", body, field);
}

}  // namespace ringtime::exchange
