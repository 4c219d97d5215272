#pragma once
// Reason codes: why the gateway itself answered, refused or cut something. Each has one HTTP status
// and one name that operators see in the access log and in `x-ringtime-reason`.

#include <cstdint>
#include <string_view>

namespace ringtime {

enum class Reason : uint8_t {
    none,
    // Refusals of a request.
    bad_request,
    head_too_large,
    uri_too_long,
    body_too_large,
    timeout_head,
    timeout_body,
    method_not_allowed,
    expectation,
    not_implemented,
    version,
    csrf,
    no_route,
    not_found,
    unauthorized,
    forbidden,
    // Failures behind the gateway.
    hook_failed,
    plugin_down,
    queue_full,
    queue_timeout,
    worker_start,
    worker_crashed,
    worker_protocol,
    worker_timeout,
    worker_failed,
    upstream_connect,
    upstream_reset,
    upstream_timeout,
    upstream_protocol,
    // The gateway's own state.
    draining,
    overload,
    internal,
    // Ends of a connection that carry no answer.
    client_closed,
    client_reset,
    stalled,
    idle,
    count_
};

struct ReasonInfo {
    std::string_view name;
    uint16_t status;           ///< 0: the connection is closed without an answer.
    std::string_view message;  ///< One sentence for the client, without a trailing newline.
};

/// Never fails: an out-of-range value yields the entry of `internal`.
[[nodiscard]] const ReasonInfo& describe(Reason reason) noexcept;

}  // namespace ringtime
