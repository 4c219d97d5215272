// Requests under the API: asked about at their head, before a plugin or a byte of a body, and
// handed to the control thread when it is their turn.

#include "exchange/core.h"
#include "exchange/core_paths.h"
#include "exchange/exchange.h"
#include "exchange/http1_connection.h"

namespace ringtime::exchange {

using http::FieldId;

namespace {

// `/api` and what lies below; data() null when `path` is something else.
std::string_view below(std::string_view path, std::string_view base) noexcept {
    if (!at_or_below(path, base)) return {};
    path.remove_prefix(base.size());
    return path.empty() ? "/" : path;
}

// Below the API's base, or data() null.
std::string_view api_path(std::string_view path, std::string_view base,
                          Entrance entrance) noexcept {
    std::string_view rest = below(path, base);
    // Who is on the machine need not know which prefix the public uses.
    if (!rest.data() && entrance == Entrance::admin_socket) return below(path, "/api");
    return rest;
}

// `GET, HEAD, POST`, for Allow.
std::string_view allow_text(http::MethodSet methods, Arena& arena) noexcept {
    constexpr size_t capacity = 96;
    auto* out = static_cast<char*>(arena.allocate(capacity, 1));
    if (!out) return {};
    size_t size = 0;
    for (auto method : {http::Method::get, http::Method::head, http::Method::post,
                        http::Method::put, http::Method::patch, http::Method::delete_}) {
        if ((methods & http::method_bit(method)) == 0) continue;
        if (size > 0) size += std::string_view(", ").copy(out + size, capacity - size);
        size += http::method_name(method).copy(out + size, capacity - size);
    }
    return {out, size};
}

}  // namespace

// Credentials and origin are judged at the very beginning: CSRF comes before the hooks.
void Exchange::admit_api() noexcept {
    if (!core_.api) return;
    ApiQuestion question;
    question.entrance = connection_->entrance();
    question.path = api_path(path_, hold_->snapshot->api_prefix, question.entrance);
    if (!question.path.data()) return;
    question.method = head.method;
    question.host = head.authority;
    question.origin = head.fields.get(FieldId::origin);
    question.authorization = head.fields.get(FieldId::authorization);
    if (const http::Field* key = head.fields.find("x-api-key"))
        question.api_key = head.fields.value(*key);
    api_ = std::make_unique<ApiAdmission>(core_.api->admit(question));
    // The request was understood, so its connection goes on: blamed on nobody.
    if (api_->refusal == Reason::csrf) refusal_ = {Reason::csrf, Source::gateway, Retry::no, 0, 0};
}

void Exchange::dispatch_api() noexcept {
    mount_ = nullptr;
    Error refusal{api_->refusal, Source::client, Retry::no, 0, 0};
    if (refusal.reason == Reason::method_not_allowed)
        return answer_error(refusal, {}, {FieldId::allow, allow_text(api_->allowed, arena_)});
    if (refusal.reason == Reason::unauthorized)
        return answer_error(refusal, api_->message,
                            {FieldId::www_authenticate, "Bearer realm=\"ringtime\""});
    if (!refusal.ok()) return answer_error(refusal, api_->message, {});
    if (framing.kind == http::BodyKind::length && framing.length > api_->body_bytes_max)
        return answer_error({Reason::body_too_large, Source::client, Retry::no, 0, 0});
    ApiRequest request;
    request.endpoint = api_->endpoint;
    request.role = api_->role;
    request.caller = api_->caller;
    request.path = api_path(path_, hold_->snapshot->api_prefix, connection_->entrance());
    request.query = head.query;
    request.request_id = request_id_;
    answer_ = core_.api_calls.start(*core_.api, std::move(request), api_->body_bytes_max, fiber_);
    if (!answer_) answer_error({Reason::overload, Source::gateway, Retry::no, 0, 0});
}

}  // namespace ringtime::exchange
