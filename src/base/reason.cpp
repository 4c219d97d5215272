#include "base/reason.h"

#include <array>

namespace ringtime {
namespace {

constexpr std::array<ReasonInfo, static_cast<size_t>(Reason::count_)> kReasons = {{
    {"none", 0, ""},
    {"bad_request", 400, "The request is malformed."},
    {"head_too_large", 431, "The request head is too large."},
    {"uri_too_long", 414, "The request target is too long."},
    {"body_too_large", 413, "The request body is larger than this route accepts."},
    {"timeout_head", 408, "The request head took too long to arrive."},
    {"timeout_body", 408, "The request body arrived too slowly."},
    {"method_not_allowed", 405, "The method is not allowed here."},
    {"expectation", 417, "The expectation is not supported."},
    {"not_implemented", 501, "The method or transfer coding is not implemented."},
    {"version", 505, "The HTTP version is not supported."},
    {"csrf", 403, "The request's origin does not match its host."},
    {"no_route", 404, "There is nothing at this path."},
    {"not_found", 404, "There is nothing at this path."},
    {"unauthorized", 401, "Credentials are missing or not valid."},
    {"forbidden", 403, "The credentials do not permit this."},
    {"hook_failed", 500, "A plugin failed while handling the request."},
    {"plugin_down", 503, "A plugin this request depends on is not available."},
    {"queue_full", 503, "Too many requests are waiting for this application."},
    {"queue_timeout", 503, "The request waited too long for the application."},
    {"worker_start", 503, "The application is not ready."},
    {"worker_crashed", 502, "The application ended while handling the request."},
    {"worker_protocol", 502, "The application gave an invalid response."},
    {"worker_timeout", 504, "The application did not answer in time."},
    {"worker_failed", 502, "The application gave the request up."},
    {"upstream_connect", 502, "The upstream server could not be reached."},
    {"upstream_reset", 502, "The upstream server closed the connection before it answered."},
    {"upstream_timeout", 504, "The upstream server did not answer in time."},
    {"upstream_protocol", 502, "The upstream server gave an invalid response."},
    {"draining", 503, "The gateway is shutting down."},
    {"overload", 503, "The gateway is at its limit."},
    {"internal", 500, "The gateway could not handle the request."},
    {"client_closed", 0, ""},
    {"client_reset", 0, ""},
    {"stalled", 0, ""},
    {"idle", 0, ""},
}};

}  // namespace

const ReasonInfo& describe(Reason reason) noexcept {
    auto index = static_cast<size_t>(reason);
    return kReasons[index < kReasons.size() ? index : static_cast<size_t>(Reason::internal)];
}

}  // namespace ringtime
