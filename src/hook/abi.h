#pragma once
// Between the C ABI of plugins and the types of the gateway. abi.cpp holds the numbers of both
// equal.

#include <cstdint>
#include <string>
#include <string_view>

#include <ringtime/plugin.h>

#include "http/fields.h"

namespace ringtime::hook {

[[nodiscard]] constexpr std::string_view to_view(ringtime_slice slice) noexcept {
    return {slice.data, slice.size};
}
[[nodiscard]] constexpr ringtime_slice to_slice(std::string_view text) noexcept {
    return {text.data(), text.size()};
}

/// What is counted and watched of a plugin. A resumption counts as the hook that paused.
enum class Hook : uint8_t {
    request,
    request_body,
    response,
    response_body,
    done,
    route,
    timer,
    core_start,
    helper,  ///< What a helper's work came to.
    fetch,   ///< The answer of another server.
    websocket,
    count_
};
inline constexpr size_t hook_count = static_cast<size_t>(Hook::count_);

/// `on_request`, `route`, ...
[[nodiscard]] std::string_view hook_name(Hook hook) noexcept;

/// What the exception that is being handled says of itself. Within a catch only.
[[nodiscard]] std::string exception_text();

/// Fields no plugin edits or sends: the framing of a message and the connection it is on are the
/// gateway's to decide (RFC 9112 §6), and a changed Host would part what was routed from what is
/// sent.
inline constexpr http::FieldSet gateway_fields =
    http::field_bit(http::FieldId::host) | http::field_bit(http::FieldId::connection) |
    http::field_bit(http::FieldId::content_length) |
    http::field_bit(http::FieldId::transfer_encoding) | http::field_bit(http::FieldId::expect) |
    http::field_bit(http::FieldId::upgrade) | http::field_bit(http::FieldId::te) |
    http::field_bit(http::FieldId::trailer) | http::field_bit(http::FieldId::keep_alive) |
    http::field_bit(http::FieldId::proxy_connection) |
    http::field_bit(http::FieldId::http2_settings);

/// Whether a plugin may send this line: RINGTIME_OK, INVALID or FORBIDDEN.
[[nodiscard]] ringtime_status check_line(std::string_view name, std::string_view value) noexcept;

}  // namespace ringtime::hook
