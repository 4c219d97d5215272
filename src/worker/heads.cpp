#include "worker/heads.h"

#include <cstring>

#include "base/assert.h"
#include "http/syntax.h"

namespace ringtime::worker {
namespace {

static_assert(static_cast<int>(http::Method::get) == RTW_METHOD_GET);
static_assert(static_cast<int>(http::Method::patch) == RTW_METHOD_PATCH);

uint32_t texts_size(const WorkerRequest& request) {
    return static_cast<uint32_t>(request.method_text.size() + request.path.size() +
                                 request.query.size() + request.host.size() + request.base.size() +
                                 request.peer.size() + request.request_id.size());
}

class Writer {
  public:
    Writer(char* base, uint32_t begin) : base_(base), cursor_(begin) {}
    [[nodiscard]] uint32_t cursor() const { return cursor_; }
    uint32_t put(std::string_view text) {
        uint32_t begin = cursor_;
        std::memcpy(base_ + begin, text.data(), text.size());
        cursor_ += static_cast<uint32_t>(text.size());
        return begin;
    }
    rtw_span span(std::string_view text) {
        if (!text.data()) return {0, 0};
        uint32_t begin = put(text);
        return {begin, static_cast<uint32_t>(text.size())};
    }

  private:
    char* base_;
    uint32_t cursor_;
};

uint8_t wire_method(http::Method method) {
    auto value = static_cast<uint8_t>(method);
    return value <= RTW_METHOD_PATCH ? value : uint8_t{RTW_METHOD_OTHER};
}

constexpr http::FieldSet kForbidden =
    http::field_bit(http::FieldId::connection) | http::field_bit(http::FieldId::content_length) |
    http::field_bit(http::FieldId::transfer_encoding) | http::field_bit(http::FieldId::keep_alive) |
    http::field_bit(http::FieldId::proxy_connection) | http::field_bit(http::FieldId::te) |
    http::field_bit(http::FieldId::trailer);

constexpr Error kInvalid{.reason = Reason::worker_protocol, .source = Source::worker};

bool inside(uint32_t offset, uint32_t size, uint32_t begin, uint32_t end) {
    return offset >= begin && offset <= end && size <= end - offset;
}

}  // namespace

uint32_t request_head_bytes(const WorkerRequest& request) noexcept {
    size_t bytes = sizeof(rtw_request_head) + texts_size(request);
    if (request.fields) {
        request.fields->for_each([&](std::string_view name, std::string_view value, http::FieldId) {
            bytes += sizeof(rtw_field) + name.size() + value.size();
        });
    }
    return bytes > UINT32_MAX ? UINT32_MAX : static_cast<uint32_t>(bytes);
}

void encode_request_head(const WorkerRequest& request, Milliseconds timeout, char* out,
                         uint32_t bytes) noexcept {
    auto* head = reinterpret_cast<rtw_request_head*>(out);
    auto* field = reinterpret_cast<rtw_field*>(head + 1);
    unsigned count = 0;
    if (request.fields)
        request.fields->for_each(
            [&](std::string_view, std::string_view, http::FieldId) { ++count; });
    Writer text(out, static_cast<uint32_t>(sizeof *head + count * sizeof *field));
    *head = rtw_request_head{};
    head->head_bytes = bytes;
    head->field_count = static_cast<uint16_t>(count);
    head->method = wire_method(request.method);
    head->version = static_cast<uint8_t>(request.version);
    bool upgrade = request.upgrade == WorkerRequest::Upgrade::yes;
    head->body_length = upgrade ? 0 : request.body_length;
    head->flags = upgrade ? uint8_t{RTW_REQUEST_UPGRADE} : uint8_t{0};
    head->scheme = static_cast<uint8_t>(request.scheme);
    head->timeout_ms = timeout > UINT32_MAX ? UINT32_MAX : static_cast<uint32_t>(timeout);
    head->method_text = text.span(request.method_text);
    head->path = text.span(request.path);
    head->query = text.span(request.query);
    head->host = text.span(request.host);
    head->base = text.span(request.base);
    head->peer = text.span(request.peer);
    head->request_id = text.span(request.request_id);
    if (request.fields) {
        request.fields->for_each([&](std::string_view name, std::string_view value, http::FieldId) {
            field->name_offset = text.put(name);
            field->name_size = static_cast<uint16_t>(name.size());
            field->value_offset = text.put(value);
            field->value_size = static_cast<uint32_t>(value.size());
            field->reserved = 0;
            ++field;
        });
    }
    ASSERT(text.cursor() == bytes);
}

uint32_t peek_head_bytes(const char* shared, uint32_t available) noexcept {
    if (available < sizeof(rtw_response_head)) return 0;
    uint32_t bytes = rtw_peek(reinterpret_cast<const uint32_t*>(shared));
    bool fits = bytes >= sizeof(rtw_response_head) && bytes <= available &&
                bytes <= RTW_RESPONSE_HEAD_BYTES_MAX;
    return fits ? bytes : 0;
}

Result<DecodedHead> decode_response_head(const char* copy, uint32_t size,
                                         http::ResponseHead& head) noexcept {
    rtw_response_head fixed;
    std::memcpy(&fixed, copy, sizeof fixed);
    uint32_t table_end =
        static_cast<uint32_t>(sizeof fixed + fixed.field_count * sizeof(rtw_field));
    // The first word may have changed since it was peeked at; `size` is what counts.
    if (fixed.head_bytes != size || table_end > size || fixed.field_count > limits::fields_max ||
        fixed.status < 100 || fixed.status > 599)
        return kInvalid;
    head.status = fixed.status;
    head.version = http::Version::http_1_1;
    head.reason_phrase = {};
    head.fields.clear();
    head.fields.base = copy;
    for (unsigned i = 0; i < fixed.field_count; ++i) {
        rtw_field field;
        std::memcpy(&field, copy + sizeof fixed + i * sizeof field, sizeof field);
        if (!inside(field.name_offset, field.name_size, table_end, size) ||
            !inside(field.value_offset, field.value_size, table_end, size))
            return kInvalid;
        std::string_view name{copy + field.name_offset, field.name_size};
        std::string_view value{copy + field.value_offset, field.value_size};
        if (!http::is_token(name) || !http::is_field_value(value)) return kInvalid;
        http::FieldId id = http::intern(name);
        if (http::field_bit(id) & kForbidden) return kInvalid;
        value = http::trim(value);
        head.fields.add({.name_offset = static_cast<uint16_t>(field.name_offset),
                         .name_size = field.name_size,
                         .value_offset = static_cast<uint16_t>(value.data() - copy),
                         .value_size = static_cast<uint16_t>(value.size()),
                         .id = id});
    }
    return DecodedHead{.body_length = fixed.body_length, .head_bytes = size};
}

}  // namespace ringtime::worker
