#include "http/refusal.h"

#include <array>

namespace ringtime::http {
namespace {

constexpr Reason kBad = Reason::bad_request;

/// In the order of Refusal.
constexpr std::array<RefusalInfo, static_cast<size_t>(Refusal::count_)> kRefusals = {{
    {"none", "", Reason::internal},
    {"bare_lf", "lines end in CRLF; a lone LF is no line end (RFC 9112 2.2, CVE-2025-22871)", kBad},
    {"bare_cr", "CR is followed by LF (RFC 9112 2.2, CVE-2023-30589)", kBad},
    {"empty_lines", "few empty lines before a request line (RFC 9112 2.2)", kBad},
    {"leading_whitespace", "no whitespace before the first field line (RFC 9112 2.2)", kBad},
    {"obs_fold", "no line folding (RFC 9112 5.2)", kBad},
    {"method_first_byte", "a request begins with a method (RFC 9112 3)", kBad},
    {"method_byte", "the method is a token followed by one SP (RFC 9112 3.1, 9110 5.6.2)", kBad},
    {"method_too_long", "the method is no longer than any known one (RFC 9112 3)",
     Reason::not_implemented},
    {"method_connect", "CONNECT is not implemented (RFC 9110 9.3.6)", Reason::not_implemented},
    {"method_trace", "TRACE is not allowed (RFC 9110 9.3.8)", Reason::method_not_allowed},
    {"http2_preface", "HTTP/2 is not spoken here (RFC 9113 3.4)", Reason::version},
    {"target_empty", "the target is not empty, one SP on each side (RFC 9112 3.2)", kBad},
    {"target_byte", "the target holds no CTL, DEL or 8-bit byte (RFC 9112 3.2, 3986 2)", kBad},
    {"target_fragment", "the target holds no fragment (RFC 9112 3.2, 9110 7.1)", kBad},
    {"target_too_long", "the target is bounded (RFC 9112 3)", Reason::uri_too_long},
    {"target_form", "the target has a form that fits the method (RFC 9112 3.2)", kBad},
    {"target_userinfo", "the target names no user (RFC 9110 4.2.4)", kBad},
    {"target_authority", "the target's authority is host and port (RFC 9112 3.2.2, 3986 3.2)",
     kBad},
    {"target_host_mismatch", "Host repeats the target's authority (RFC 9112 3.2.2)", kBad},
    {"version_missing", "the request line ends in a version; no HTTP/0.9 (RFC 9112 3)", kBad},
    {"version_malformed", "the version is HTTP/DIGIT.DIGIT and ends the line (RFC 9112 2.3)", kBad},
    {"version_unsupported", "the major version is 1 (RFC 9110 15.6.6)", Reason::version},
    {"status_line_malformed", "status-line is version SP 3DIGIT [SP reason] (RFC 9112 4)", kBad},
    {"status_version", "the answer speaks HTTP/1.x (RFC 9112 2.3)", kBad},
    {"status_out_of_range", "the status is 100 to 599 (RFC 9110 15)", kBad},
    {"reason_phrase_byte", "the reason phrase holds no CTL (RFC 9112 4)", kBad},
    {"head_too_large", "the head is bounded in bytes (RFC 6585 5)", Reason::head_too_large},
    {"fields_too_many", "the head is bounded in lines (RFC 6585 5)", Reason::head_too_large},
    {"field_name_empty", "a field has a name (RFC 9110 5.1, CVE-2023-25725)", kBad},
    {"field_name_byte", "a field name is a token (RFC 9110 5.1)", kBad},
    {"field_space_before_colon", "no whitespace before the colon (RFC 9112 5.1)", kBad},
    {"field_colon_missing", "a field line has a colon (RFC 9112 5)", kBad},
    {"field_name_alias", "no `_` alias of a framing or gateway field (RFC 3875 4.1.18)", kBad},
    {"field_value_byte", "a field value holds no CTL but HTAB (RFC 9110 5.5)", kBad},
    {"host_missing", "HTTP/1.1 requests have a Host (RFC 9112 3.2)", kBad},
    {"host_repeated", "there is one Host line (RFC 9112 3.2)", kBad},
    {"host_invalid", "Host is uri-host [\":\" port] (RFC 9112 3.2, 9110 7.2)", kBad},
    {"content_length_invalid", "Content-Length is 1*DIGIT (RFC 9110 8.6)", kBad},
    {"content_length_overflow", "Content-Length is below 2^63 (RFC 9110 8.6)", kBad},
    {"content_length_repeated", "there is one Content-Length line (RFC 9112 6.3)", kBad},
    {"transfer_encoding_malformed", "Transfer-Encoding is `chunked`, once (RFC 9112 6.1)", kBad},
    {"transfer_encoding_repeated", "there is one Transfer-Encoding line (RFC 9112 6.1)", kBad},
    {"transfer_encoding_unsupported", "no transfer coding but chunked (RFC 9112 6.1)",
     Reason::not_implemented},
    {"transfer_encoding_in_http_1_0", "no transfer coding in 1.0 (RFC 9112 6.1, CVE-2026-2835)",
     kBad},
    {"length_with_transfer_encoding",
     "not both Content-Length and Transfer-Encoding (RFC 9112 6.3, CVE-2021-40346)", kBad},
    {"connection_options_too_many", "Connection options are bounded (RFC 9110 7.6.1)",
     Reason::head_too_large},
    {"expectation_unknown", "only 100-continue is expected (RFC 9110 10.1.1)", Reason::expectation},
    {"switching_malformed", "101 names the protocol it switches to (RFC 9110 15.2.2)", kBad},
    {"chunk_size_missing", "a chunk begins with its size (RFC 9112 7.1)", kBad},
    {"chunk_size_byte", "a chunk size is 1*HEXDIG (RFC 9112 7.1)", kBad},
    {"chunk_size_overflow", "a chunk size is below 2^63, 16 digits (RFC 9112 7.1)", kBad},
    {"chunk_line_too_long", "a chunk line is bounded (RFC 9112 7.1.1)", kBad},
    {"chunk_extension_byte", "chunk extensions are well-formed (RFC 9112 7.1.1, CVE-2025-55315)",
     kBad},
    {"chunk_extensions_too_large", "chunk extensions are bounded (CVE-2023-39326)", kBad},
    {"chunk_end_missing", "chunk data is followed by CRLF (RFC 9112 7.1)", kBad},
    {"trailers_too_large", "the trailer section is bounded in bytes (RFC 9112 7.1.2)",
     Reason::head_too_large},
    {"trailers_too_many", "the trailer section is bounded in lines (RFC 9112 7.1.2)",
     Reason::head_too_large},
    {"path_form", "a path begins with a slash (RFC 9112 3.2.1)", kBad},
    {"path_byte", "a path holds no CTL, SP, `#`, `?`, DEL or 8-bit byte (RFC 3986 3.3)", kBad},
    {"path_escape_malformed", "`%` is followed by two hexadecimal digits (RFC 3986 2.1)", kBad},
    {"path_nul", "no escaped NUL in a path (RFC 3986 7.3)", kBad},
    {"path_backslash", "no backslash in a path (RFC 3986 3.3)", kBad},
    {"path_above_root", "dot segments stay below the root (RFC 3986 5.2.4)", kBad},
    {"path_hidden_dots", "no reading of the path reveals a dot segment (RFC 3986 7.3)", kBad},
    {"path_too_long", "the canonical path is bounded (RFC 9110 4.1)", Reason::uri_too_long},
}};

constexpr bool complete() {
    for (const RefusalInfo& info : kRefusals) {
        if (info.name.empty()) return false;
    }
    return true;
}
static_assert(complete(), "a refusal without an entry");

}  // namespace

const RefusalInfo& describe(Refusal refusal) noexcept {
    auto index = static_cast<size_t>(refusal);
    return kRefusals[index < kRefusals.size() ? index : 0];
}

Error refuse(Refusal refusal, Source source) noexcept {
    Error error{Reason::internal, source, Retry::no, 0, static_cast<uint32_t>(refusal)};
    switch (source) {
        case Source::client: error.reason = describe(refusal).reason; break;
        case Source::upstream: error.reason = Reason::upstream_protocol; break;
        case Source::worker: error.reason = Reason::worker_protocol; break;
        case Source::plugin: error.reason = Reason::hook_failed; break;
        case Source::none:
        case Source::gateway: break;
    }
    return error;
}

}  // namespace ringtime::http
