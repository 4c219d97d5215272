// The part of ChainRun that host calls reach: what a hook reads and changes.

#include <fmt/core.h>

#include "base/limits.h"
#include "hook/chain_run.h"
#include "hook/socket_link.h"
#include "http/target.h"

namespace ringtime::hook {

http::FieldDraft* ChainRun::draft_of(ringtime_part part) const noexcept {
    if (part == RINGTIME_REQUEST_FIELDS) return facts_->draft;
    if (part == RINGTIME_RESPONSE_FIELDS && response_) return response_->draft;
    return nullptr;
}

const http::FieldTable* ChainRun::trailers_of(ringtime_part part) const noexcept {
    if (part == RINGTIME_REQUEST_TRAILERS) return facts_->trailers;
    if (part == RINGTIME_RESPONSE_TRAILERS && response_) return response_->trailers;
    return nullptr;
}

ringtime_slice ChainRun::field(ringtime_part part, http::FieldId id) const noexcept {
    if (id == http::FieldId::other || id >= http::FieldId::count_) return {};
    if (const http::FieldDraft* draft = draft_of(part)) return to_slice(draft->get(id));
    const http::FieldTable* trailers = trailers_of(part);
    return trailers ? to_slice(trailers->get(id)) : ringtime_slice{};
}

ringtime_slice ChainRun::field(ringtime_part part, std::string_view name) const noexcept {
    if (const http::FieldDraft* draft = draft_of(part)) return to_slice(draft->get(name));
    const http::FieldTable* trailers = trailers_of(part);
    const http::Field* field = trailers ? trailers->find(name) : nullptr;
    return field ? to_slice(trailers->value(*field)) : ringtime_slice{};
}

void ChainRun::each_field(ringtime_part part, ringtime_visit visit, void* user) const noexcept {
    auto show = [&](std::string_view name, std::string_view value, http::FieldId id) {
        visit(user, to_slice(name), to_slice(value), static_cast<ringtime_field>(id));
    };
    if (const http::FieldDraft* draft = draft_of(part)) return draft->for_each(show);
    const http::FieldTable* trailers = trailers_of(part);
    for (unsigned i = 0; trailers && i < trailers->size(); ++i) {
        const http::Field& field = (*trailers)[i];
        show(trailers->name(field), trailers->value(field), field.id);
    }
}

ringtime_status ChainRun::edit(ringtime_part part, Edit edit, std::string_view name,
                               std::string_view value) noexcept {
    // A head that has left cannot be edited any more; trailers are passed on as they come.
    bool open = part == RINGTIME_REQUEST_FIELDS
                    ? hook_ == Hook::request || hook_ == Hook::route
                    : part == RINGTIME_RESPONSE_FIELDS && hook_ == Hook::response;
    if (!open) return RINGTIME_WRONG_PHASE;
    if (ringtime_status refused = check_line(name, value); refused != RINGTIME_OK) return refused;
    http::FieldDraft& draft = *draft_of(part);
    http::FieldId id = http::intern(name);
    if (edit == Edit::remove) {
        if (id == http::FieldId::other) {
            draft.remove(name);
        } else {
            draft.remove(id);
        }
        return RINGTIME_OK;
    }
    Arena& arena = *facts_->arena;
    std::string_view kept_value = arena.copy(value);
    std::string_view kept_name =
        id == http::FieldId::other ? arena.copy(name) : http::field_name(id);
    if (!kept_value.data() || !kept_name.data()) return RINGTIME_LIMIT;
    bool fits =
        edit == Edit::set ? draft.set(kept_name, kept_value) : draft.add(kept_name, kept_value);
    return fits ? RINGTIME_OK : RINGTIME_LIMIT;
}

ringtime_status ChainRun::set_path(std::string_view path) noexcept {
    if (hook_ != Hook::request) return RINGTIME_WRONG_PHASE;
    if (!path.starts_with('/') || path.find_first_of("?#") != path.npos) return RINGTIME_INVALID;
    if (path.size() > limits::target_bytes_max) return RINGTIME_LIMIT;
    Arena& arena = *facts_->arena;
    std::string_view kept = arena.copy(path);
    size_t size = http::canonical_storage(path);
    auto* storage = static_cast<char*>(arena.allocate(size ? size : 1, 1));
    if (!kept.data() || !storage) return RINGTIME_LIMIT;
    Result<http::CanonicalPath> result = http::canonicalise(kept, storage, size);
    if (!result.ok()) return RINGTIME_INVALID;
    edited_path_ = result->canonical;
    edited_forwarded_ = result->forwarded;
    // What later hooks decide by is what will be routed.
    request_.path = request_.full_path = to_slice(edited_path_);
    return RINGTIME_OK;
}

ringtime_status ChainRun::set_status(uint16_t status) noexcept {
    if (hook_ != Hook::response) return RINGTIME_WRONG_PHASE;
    if (status < 200 || status > 599) return RINGTIME_INVALID;
    response_->status = status;
    shown_response_.status = status;
    return RINGTIME_OK;
}

ringtime_status ChainRun::respond(uint16_t status, const ringtime_field_line* lines, size_t count,
                                  const ringtime_bytes* body) noexcept {
    if (!may_answer()) {
        if (body && body->release) body->release(body->owner);
        return refuse_call("respond()", RINGTIME_WRONG_PHASE);
    }
    ringtime_status result =
        answer_.prepare(status, lines, count, body, *facts_->arena, lent_by_current());
    if (result == RINGTIME_OK) {
        choose(answer_);
    } else {
        complain(Fault::refused, [&] { return refused_answer(status, lines, count, body); });
    }
    return result;
}

// A plugin's own answer may be the response that is replaced: it is made anew where it lies, so
// there is no way back. One that lives elsewhere is the exchange's, and stays.
ringtime_status ChainRun::respond_instead(uint16_t status, const ringtime_field_line* lines,
                                          size_t count, const ringtime_bytes* body) noexcept {
    bool possible = hook_ == Hook::response && !instead_ && response_->status != 101 &&
                    (!chosen_ || chosen_ == &answer_);
    if (!possible) {
        if (body && body->release) body->release(body->owner);
        return refuse_call("replace()", RINGTIME_WRONG_PHASE);
    }
    ringtime_status result =
        answer_.prepare(status, lines, count, body, *facts_->arena, lent_by_current());
    if (result != RINGTIME_OK) {
        complain(Fault::refused, [&] { return refused_answer(status, lines, count, body); });
        return result;
    }
    chosen_ = &answer_;
    loose_ = instead_ = true;
    return RINGTIME_OK;
}

// Outside of a hook there is nobody to name.
ringtime_status ChainRun::refuse_call(std::string_view call, ringtime_status status) noexcept {
    if (!current_) return status;
    std::string_view why = "a field, an event or a protocol is not valid";
    if (status == RINGTIME_WRONG_PHASE) why = "it cannot be used in this hook, or not any more";
    if (status == RINGTIME_FORBIDDEN) why = "a field is the gateway's own";
    if (status == RINGTIME_LIMIT) why = "a limit is reached";
    complain(Fault::refused, [&] { return fmt::format("is refused {}: {}", call, why); });
    return status;
}

bool ChainRun::may_answer() const noexcept {
    return hook_ == Hook::request || hook_ == Hook::route;
}

void ChainRun::choose(http::Answer& answer) noexcept {
    if (chosen_ && chosen_ != &answer) chosen_->release();
    chosen_ = &answer;
    loose_ = true;
}

void ChainRun::drop_answer() noexcept {
    if (chosen_) chosen_->release();
    chosen_ = nullptr;
}

ringtime_status ChainRun::respond_events(EventChannel& channel,
                                         std::span<const ringtime_field_line> lines,
                                         std::span<const ringtime_event> first) noexcept {
    if (!may_answer()) return refuse_call("events()", RINGTIME_WRONG_PHASE);
    if (plugin_core()->closing) return RINGTIME_GONE;
    ringtime_status why = RINGTIME_OK;
    EventStream* stream =
        channel.subscribe(core_->index(), wake_, lines, first.size(), why);
    if (!stream) return refuse_call("events()", why);
    for (const ringtime_event& event : first) {
        SharedBytes* text = encode_event(event);
        if (!text) {
            stream->release();
            return refuse_call("events()", RINGTIME_INVALID);
        }
        (void)stream->offer(*text);
        text->drop();
    }
    choose(*stream);
    return RINGTIME_OK;
}

ringtime_status ChainRun::respond(const StaticAnswer& answer) noexcept {
    if (!may_answer()) return refuse_call("respond()", RINGTIME_WRONG_PHASE);
    answer_.prepare(answer);
    choose(answer_);
    return RINGTIME_OK;
}

// What the plugin whose hook runs lends is counted as its own: its code is needed to give it back.
LentBytes& ChainRun::lent_by_current() noexcept {
    LentBytes& lent = core_->lent();
    lent.take_from(current_ ? &current_->cores[core_->index()].lent : nullptr);
    return lent;
}

bool ChainRun::refuse(const PluginAnswer::Refusal& refusal) noexcept {
    std::string_view accepted = facts_->head->fields.get(http::FieldId::accept);
    bool json = facts_->api || accepted.find("application/json") != accepted.npos;
    return answer_.prepare_refusal(
        refusal, json ? PluginAnswer::Form::json : PluginAnswer::Form::text, facts_->request_id,
        *facts_->arena);
}

// What is wrong with a request for a WebSocket, as RFC 6455 §4.2.2 and RFC 9110 §15.5.22 have it.
ringtime_status ChainRun::refuse_websocket(http::SocketOffer offer) noexcept {
    PluginAnswer::Refusal refusal{400, "bad_request", "The WebSocket's key is not valid."};
    switch (offer) {
        // Upgrade is the gateway's own to send; here it is the gateway that says it.
        case http::SocketOffer::no_upgrade:
            refusal = {426, "upgrade_required", "This is for WebSockets only.",
                       {to_slice("upgrade"), to_slice("websocket")}};
            break;
        case http::SocketOffer::bad_version:
            refusal = {426, "upgrade_required", "Only version 13 of WebSockets is understood.",
                       {to_slice("sec-websocket-version"), to_slice(http::socket_version)}};
            break;
        case http::SocketOffer::bad_method:
            refusal = {405, "method_not_allowed", "A WebSocket begins with GET.",
                       {to_slice("allow"), to_slice("GET")}};
            break;
        case http::SocketOffer::bad_key:
        case http::SocketOffer::good: break;
    }
    if (!refuse(refusal)) return RINGTIME_LIMIT;
    choose(answer_);
    return RINGTIME_MISSING;
}

ringtime_status ChainRun::respond_websocket(SocketEndpoint& endpoint,
                                            std::span<const ringtime_field_line> lines,
                                            std::string_view protocol, void* state) noexcept {
    if (!may_answer()) return refuse_call("websocket()", RINGTIME_WRONG_PHASE);
    if (plugin_core()->closing) return RINGTIME_GONE;
    const http::RequestHead& head = *facts_->head;
    http::SocketOffer offer = http::check_socket_offer(head);
    if (offer != http::SocketOffer::good) return refuse_websocket(offer);
    if (!protocol.empty() && !http::offers_socket_protocol(head.fields, protocol))
        return refuse_call("websocket()", RINGTIME_INVALID);
    for (const ringtime_field_line& line : lines) {
        ringtime_status refused = check_line(to_view(line.name), to_view(line.value));
        if (refused != RINGTIME_OK) return refuse_call("websocket()", refused);
    }
    SocketLink* link = endpoint.open(core_->index(), wake_, state);
    if (!link) return refuse_call("websocket()", RINGTIME_LIMIT);
    std::string_view key = head.fields.get(http::FieldId::sec_websocket_key);
    if (!link->prepare(key, protocol, lines.data(), lines.size())) {
        link->disown();
        link->release();
        return refuse_call("websocket()", RINGTIME_LIMIT);
    }
    choose(*link);
    return RINGTIME_OK;
}

ringtime_status ChainRun::replace(const ringtime_bytes& bytes) noexcept {
    const ringtime_plugin_table* table = current_ ? &current_->cores->plugin->table() : nullptr;
    bool allowed =
        (hook_ == Hook::request_body && table->request_body == RINGTIME_BODY_TRANSFORM) ||
        (hook_ == Hook::response_body && table->response_body == RINGTIME_BODY_TRANSFORM);
    if (!allowed) {
        if (bytes.release) bytes.release(bytes.owner);
        return RINGTIME_WRONG_PHASE;
    }
    Piece made;
    if (!lent_by_current().borrow(bytes, made)) return RINGTIME_LIMIT;
    lane_->piece->release();
    *lane_->piece = made;
    return RINGTIME_OK;
}

std::string_view ChainRun::parameter(std::string_view name) const noexcept {
    return match_ ? match_->param(name) : std::string_view{};
}

void* ChainRun::state() const noexcept {
    return states_ && current_ && current_->slot != UINT8_MAX ? states_[current_->slot] : nullptr;
}

ringtime_status ChainRun::set_state(void* state) noexcept {
    if (!current_ || current_->slot == UINT8_MAX) return RINGTIME_WRONG_PHASE;
    if (!states_) {
        size_t count = chain_->plugins().size();
        states_ = facts_->arena->allocate_array<void*>(count);
        if (!states_) return RINGTIME_LIMIT;
        for (size_t i = 0; i < count; ++i) states_[i] = nullptr;
    }
    states_[current_->slot] = state;
    return RINGTIME_OK;
}

void* ChainRun::core_state() const noexcept {
    return current_ ? current_->cores[core_->index()].state : nullptr;
}

}  // namespace ringtime::hook
