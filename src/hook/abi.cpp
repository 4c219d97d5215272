#include "hook/abi.h"

#include <cstddef>
#include <exception>

#include "http/head.h"
#include "http/syntax.h"

namespace ringtime::hook {
namespace {

// The ABI's numbers are a promise; the gateway's enumerations follow them.
#define SAME_FIELD(abi, ours) \
    static_assert(static_cast<int>(abi) == static_cast<int>(http::FieldId::ours))
SAME_FIELD(RINGTIME_FIELD_OTHER, other);
SAME_FIELD(RINGTIME_FIELD_HOST, host);
SAME_FIELD(RINGTIME_FIELD_CONNECTION, connection);
SAME_FIELD(RINGTIME_FIELD_CONTENT_LENGTH, content_length);
SAME_FIELD(RINGTIME_FIELD_TRANSFER_ENCODING, transfer_encoding);
SAME_FIELD(RINGTIME_FIELD_EXPECT, expect);
SAME_FIELD(RINGTIME_FIELD_UPGRADE, upgrade);
SAME_FIELD(RINGTIME_FIELD_TE, te);
SAME_FIELD(RINGTIME_FIELD_TRAILER, trailer);
SAME_FIELD(RINGTIME_FIELD_KEEP_ALIVE, keep_alive);
SAME_FIELD(RINGTIME_FIELD_PROXY_CONNECTION, proxy_connection);
SAME_FIELD(RINGTIME_FIELD_HTTP2_SETTINGS, http2_settings);
SAME_FIELD(RINGTIME_FIELD_ACCEPT, accept);
SAME_FIELD(RINGTIME_FIELD_ACCEPT_ENCODING, accept_encoding);
SAME_FIELD(RINGTIME_FIELD_ACCEPT_LANGUAGE, accept_language);
SAME_FIELD(RINGTIME_FIELD_AGE, age);
SAME_FIELD(RINGTIME_FIELD_ALLOW, allow);
SAME_FIELD(RINGTIME_FIELD_AUTHORIZATION, authorization);
SAME_FIELD(RINGTIME_FIELD_CACHE_CONTROL, cache_control);
SAME_FIELD(RINGTIME_FIELD_CONTENT_ENCODING, content_encoding);
SAME_FIELD(RINGTIME_FIELD_CONTENT_LANGUAGE, content_language);
SAME_FIELD(RINGTIME_FIELD_CONTENT_RANGE, content_range);
SAME_FIELD(RINGTIME_FIELD_CONTENT_TYPE, content_type);
SAME_FIELD(RINGTIME_FIELD_COOKIE, cookie);
SAME_FIELD(RINGTIME_FIELD_DATE, date);
SAME_FIELD(RINGTIME_FIELD_ETAG, etag);
SAME_FIELD(RINGTIME_FIELD_EXPIRES, expires);
SAME_FIELD(RINGTIME_FIELD_FORWARDED, forwarded);
SAME_FIELD(RINGTIME_FIELD_IF_MATCH, if_match);
SAME_FIELD(RINGTIME_FIELD_IF_MODIFIED_SINCE, if_modified_since);
SAME_FIELD(RINGTIME_FIELD_IF_NONE_MATCH, if_none_match);
SAME_FIELD(RINGTIME_FIELD_IF_RANGE, if_range);
SAME_FIELD(RINGTIME_FIELD_IF_UNMODIFIED_SINCE, if_unmodified_since);
SAME_FIELD(RINGTIME_FIELD_LAST_MODIFIED, last_modified);
SAME_FIELD(RINGTIME_FIELD_LOCATION, location);
SAME_FIELD(RINGTIME_FIELD_ORIGIN, origin);
SAME_FIELD(RINGTIME_FIELD_PROXY_AUTHENTICATE, proxy_authenticate);
SAME_FIELD(RINGTIME_FIELD_PROXY_AUTHORIZATION, proxy_authorization);
SAME_FIELD(RINGTIME_FIELD_RANGE, range);
SAME_FIELD(RINGTIME_FIELD_REFERER, referer);
SAME_FIELD(RINGTIME_FIELD_RETRY_AFTER, retry_after);
SAME_FIELD(RINGTIME_FIELD_SEC_WEBSOCKET_ACCEPT, sec_websocket_accept);
SAME_FIELD(RINGTIME_FIELD_SEC_WEBSOCKET_KEY, sec_websocket_key);
SAME_FIELD(RINGTIME_FIELD_SEC_WEBSOCKET_PROTOCOL, sec_websocket_protocol);
SAME_FIELD(RINGTIME_FIELD_SEC_WEBSOCKET_VERSION, sec_websocket_version);
SAME_FIELD(RINGTIME_FIELD_SERVER, server);
SAME_FIELD(RINGTIME_FIELD_SET_COOKIE, set_cookie);
SAME_FIELD(RINGTIME_FIELD_USER_AGENT, user_agent);
SAME_FIELD(RINGTIME_FIELD_VARY, vary);
SAME_FIELD(RINGTIME_FIELD_VIA, via);
SAME_FIELD(RINGTIME_FIELD_WWW_AUTHENTICATE, www_authenticate);
SAME_FIELD(RINGTIME_FIELD_X_BASE, x_base);
SAME_FIELD(RINGTIME_FIELD_X_FORWARDED_FOR, x_forwarded_for);
SAME_FIELD(RINGTIME_FIELD_X_FORWARDED_HOST, x_forwarded_host);
SAME_FIELD(RINGTIME_FIELD_X_FORWARDED_PREFIX, x_forwarded_prefix);
SAME_FIELD(RINGTIME_FIELD_X_FORWARDED_PROTO, x_forwarded_proto);
SAME_FIELD(RINGTIME_FIELD_X_IDENTITY, x_identity);
SAME_FIELD(RINGTIME_FIELD_X_NOT_FOUND, x_not_found);
SAME_FIELD(RINGTIME_FIELD_X_REAL_IP, x_real_ip);
SAME_FIELD(RINGTIME_FIELD_X_REQUEST_ID, x_request_id);
SAME_FIELD(RINGTIME_FIELD_X_VHOST_TENANT, x_vhost_tenant);
#undef SAME_FIELD
static_assert(static_cast<int>(http::FieldId::count_) == RINGTIME_FIELD_X_VHOST_TENANT + 1,
              "a new interned name is appended to plugin.h as well");

#define SAME_METHOD(abi, ours) \
    static_assert(static_cast<int>(abi) == static_cast<int>(http::Method::ours))
SAME_METHOD(RINGTIME_METHOD_OTHER, other);
SAME_METHOD(RINGTIME_METHOD_GET, get);
SAME_METHOD(RINGTIME_METHOD_HEAD, head);
SAME_METHOD(RINGTIME_METHOD_POST, post);
SAME_METHOD(RINGTIME_METHOD_PUT, put);
SAME_METHOD(RINGTIME_METHOD_DELETE, delete_);
SAME_METHOD(RINGTIME_METHOD_OPTIONS, options);
SAME_METHOD(RINGTIME_METHOD_PATCH, patch);
SAME_METHOD(RINGTIME_METHOD_CONNECT, connect);
SAME_METHOD(RINGTIME_METHOD_TRACE, trace);
#undef SAME_METHOD

// Sizes of the first version: structures may only grow.
static_assert(sizeof(ringtime_slice) == 16);
static_assert(sizeof(ringtime_request) >= 240);
static_assert(offsetof(ringtime_plugin_table, on_init) == 24);

}  // namespace

std::string exception_text() {
    try {
        throw;  // tidy: allow(exceptions) a plugin's, to be read
    } catch (const std::exception& error) {
        return error.what();
    } catch (...) {
        return "an exception that is no std::exception";
    }
}

std::string_view hook_name(Hook hook) noexcept {
    switch (hook) {
        case Hook::request:
            return "on_request";
        case Hook::request_body:
            return "on_request_body";
        case Hook::response:
            return "on_response";
        case Hook::response_body:
            return "on_response_body";
        case Hook::done:
            return "on_done";
        case Hook::route:
            return "route";
        case Hook::timer:
            return "timer";
        case Hook::core_start:
            return "on_core_start";
        case Hook::helper:
            return "helper";
        case Hook::fetch:
            return "fetch";
        case Hook::websocket:
            return "websocket";
        case Hook::count_:
            break;
    }
    return "unknown";
}

ringtime_status check_line(std::string_view name, std::string_view value) noexcept {
    // Offsets inside a head have 16 bits; no line may come near that.
    if (name.size() > limits::head_bytes_max || value.size() > limits::head_bytes_max)
        return RINGTIME_LIMIT;
    if (!http::is_token(name) || !http::is_field_value(value)) return RINGTIME_INVALID;
    if (http::field_bit(http::intern(name)) & gateway_fields) return RINGTIME_FORBIDDEN;
    return RINGTIME_OK;
}

}  // namespace ringtime::hook
