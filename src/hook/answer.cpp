#include "hook/answer.h"

#include <fmt/core.h>

#include <cstring>

#include "hook/core.h"
#include "http/head_builder.h"

namespace ringtime::hook {
namespace {

constexpr std::string_view content_type = "content-type";
constexpr std::string_view plain_text = "text/plain; charset=utf-8";

/// RFC 9110 §6.4.1: these have no content.
constexpr bool has_no_content(uint16_t status) noexcept { return status == 204 || status == 304; }

struct Checked {
    ringtime_status status = RINGTIME_OK;
    size_t bytes = 0;  ///< Of the block for the head.
    bool add_content_type = false;
};

Checked check(uint16_t status, const ringtime_field_line* lines, size_t count,
              size_t body_size) noexcept {
    if (status < 200 || status > 599) return {RINGTIME_INVALID};
    if (body_size > 0 && has_no_content(status)) return {RINGTIME_INVALID};
    if (count >= limits::fields_max) return {RINGTIME_LIMIT};
    Checked checked;
    checked.add_content_type = body_size > 0;
    for (size_t i = 0; i < count; ++i) {
        std::string_view name = to_view(lines[i].name);
        std::string_view value = to_view(lines[i].value);
        if (ringtime_status refused = check_line(name, value); refused != RINGTIME_OK)
            return {refused};
        if (http::intern(name) == http::FieldId::content_type) checked.add_content_type = false;
        checked.bytes += name.size() + value.size();
    }
    if (checked.add_content_type) checked.bytes += content_type.size() + plain_text.size();
    if (checked.bytes > limits::head_bytes_max) return {RINGTIME_LIMIT};
    return checked;
}

void build(http::ResponseHead& head, uint16_t status, char* block, const Checked& checked,
           const ringtime_field_line* lines, size_t count) noexcept {
    http::HeadBuilder builder(head, status, block, checked.bytes);
    for (size_t i = 0; i < count; ++i) builder.add(to_view(lines[i].name), to_view(lines[i].value));
    if (checked.add_content_type) builder.add(http::FieldId::content_type, plain_text);
    ASSERT(builder.ok());  // check() has summed up the lines.
}

}  // namespace

std::string refused_answer(uint16_t status, const ringtime_field_line* lines, size_t count,
                           const ringtime_bytes* body) {
    size_t size = body ? body->bytes.size : 0;
    if (status < 200 || status > 599)
        return fmt::format("answers with status {}, which is not 200 to 599", status);
    if (size > 0 && has_no_content(status))
        return fmt::format("answers with status {} and content, which it cannot have", status);
    for (size_t i = 0; i < count; ++i) {
        std::string_view name = to_view(lines[i].name);
        ringtime_status refused = check_line(name, to_view(lines[i].value));
        if (refused == RINGTIME_OK) continue;
        return fmt::format("answers with the field `{:.64}`, {}", name,
                           refused == RINGTIME_FORBIDDEN ? "which is the gateway's own"
                                                         : "whose name or value is not valid");
    }
    if (body && !body->release && size > copied_body_bytes_max)
        return fmt::format("answers with {} bytes to copy, but more than {} are lent: let "
                           "respond_owned() have them",
                           size, copied_body_bytes_max);
    return fmt::format("answers with {} fields and {} bytes, which is too much", count, size);
}

std::unique_ptr<StaticAnswer> StaticAnswer::make(uint16_t status, const ringtime_field_line* lines,
                                                 size_t count, ringtime_slice body) {
    Checked checked = check(status, lines, count, body.size);
    if (checked.status != RINGTIME_OK) return nullptr;
    std::unique_ptr<StaticAnswer> made(new StaticAnswer);
    made->text_.resize(checked.bytes);
    if (body.size) made->body_.assign(body.data, body.size);
    build(made->head_, status, made->text_.data(), checked, lines, count);
    return made;
}

ringtime_status PluginAnswer::prepare(uint16_t status, const ringtime_field_line* lines,
                                      size_t count, const ringtime_bytes* body, Arena& arena,
                                      LentBytes& lent) noexcept {
    auto refuse = [&](ringtime_status why) {
        if (body && body->release) body->release(body->owner);
        return why;
    };
    size_t body_size = body ? body->bytes.size : 0;
    Checked checked = check(status, lines, count, body_size);
    if (checked.status != RINGTIME_OK) return refuse(checked.status);
    Piece piece;
    bool copied = body && !body->release;
    if (copied && body_size > copied_body_bytes_max) return RINGTIME_LIMIT;
    auto* block = static_cast<char*>(arena.allocate(checked.bytes + (copied ? body_size : 0), 1));
    if (!block) return refuse(RINGTIME_LIMIT);
    if (copied && body_size > 0) {
        char* at = block + checked.bytes;
        std::memcpy(at, body->bytes.data, body_size);
        piece = {at, static_cast<uint32_t>(body_size), nullptr, 0};
    } else if (body && body->release && !lent.borrow(*body, piece)) {
        return RINGTIME_LIMIT;
    }
    release();
    build(head_, status, block, checked, lines, count);
    shown_ = &head_;
    rest_ = piece;
    size_ = piece.size;
    return RINGTIME_OK;
}

void PluginAnswer::prepare(const StaticAnswer& answer) noexcept {
    release();
    shown_ = &answer.head();
    rest_ = {answer.body().data(), static_cast<uint32_t>(answer.body().size()), nullptr, 0};
    size_ = rest_.size;
}

bool PluginAnswer::prepare_refusal(const Refusal& refusal, Form form, std::string_view request_id,
                                   Arena& arena) noexcept {
    constexpr size_t head_size = 256;
    const size_t text_size =
        refusal.code.size() + refusal.message.size() + request_id.size() + 64;
    auto* block = static_cast<char*>(arena.allocate(head_size + text_size, 1));
    if (!block) return false;
    release();
    bool json = form == Form::json;
    http::HeadBuilder builder(head_, refusal.status, block, head_size);
    builder.add(content_type, json ? "application/json" : plain_text);
    builder.add(http::FieldId::cache_control, "no-store");
    if (refusal.line.name.size > 0)
        builder.add(to_view(refusal.line.name), to_view(refusal.line.value));
    ASSERT(builder.ok());
    char* text = block + head_size;
    auto end = json ? fmt::format_to_n(
                          text, text_size,
                          "{{\"error\":\"{}\",\"message\":\"{}\",\"requestId\":\"{}\"}}\n",
                          refusal.code, refusal.message, request_id)
                    : fmt::format_to_n(text, text_size, "{}\n", refusal.message);
    shown_ = &head_;
    rest_ = {text, static_cast<uint32_t>(end.out - text), nullptr, 0};
    size_ = rest_.size;
    return true;
}

void PluginAnswer::release() noexcept {
    if (!ended_) rest_.release();
    rest_ = {};
    size_ = 0;
    ended_ = false;
    shown_ = nullptr;
}

http::Pull PluginAnswer::pull(Piece& out, uint32_t max) noexcept {
    if (ended_ || rest_.size == 0) {
        if (!ended_) rest_.release();
        ended_ = true;
        return http::Pull::end;
    }
    if (rest_.size <= max) {
        out = rest_;
        ended_ = true;
        return http::Pull::data;
    }
    // Only the last part carries the duty to give the bytes back: it is the last to be sent.
    out = {rest_.data, max, nullptr, 0};
    rest_.data += max;
    rest_.size -= max;
    return http::Pull::data;
}

}  // namespace ringtime::hook
