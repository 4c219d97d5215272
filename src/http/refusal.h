#pragma once
// Every rule for whose breach this folder refuses a message, with its name and source. The code
// travels in Error::detail, so that logs, metrics and tests name the rule and not merely "400".

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace ringtime::http {

enum class Refusal : uint8_t {
    none,
    // Octets and lines.
    bare_lf,
    bare_cr,
    empty_lines,
    leading_whitespace,
    obs_fold,
    // Request line.
    method_first_byte,
    method_byte,
    method_too_long,
    method_connect,
    method_trace,
    http2_preface,
    target_empty,
    target_byte,
    target_fragment,
    target_too_long,
    target_form,
    target_userinfo,
    target_authority,
    target_host_mismatch,
    version_missing,
    version_malformed,
    version_unsupported,
    // Status line.
    status_line_malformed,
    status_version,
    status_out_of_range,
    reason_phrase_byte,
    // Fields.
    head_too_large,
    fields_too_many,
    field_name_empty,
    field_name_byte,
    field_space_before_colon,
    field_colon_missing,
    field_name_alias,
    field_value_byte,
    // Host.
    host_missing,
    host_repeated,
    host_invalid,
    // Framing.
    content_length_invalid,
    content_length_overflow,
    content_length_repeated,
    transfer_encoding_malformed,
    transfer_encoding_repeated,
    transfer_encoding_unsupported,
    transfer_encoding_in_http_1_0,
    length_with_transfer_encoding,
    connection_options_too_many,
    expectation_unknown,
    switching_malformed,
    // Chunked coding and trailers.
    chunk_size_missing,
    chunk_size_byte,
    chunk_size_overflow,
    chunk_line_too_long,
    chunk_extension_byte,
    chunk_extensions_too_large,
    chunk_end_missing,
    trailers_too_large,
    trailers_too_many,
    // Path.
    path_form,
    path_byte,
    path_escape_malformed,
    path_nul,
    path_backslash,
    path_above_root,
    path_hidden_dots,
    path_too_long,
    count_
};

struct RefusalInfo {
    std::string_view name;  ///< The enumerator.
    std::string_view rule;  ///< What it enforces and where that is written.
    Reason reason;          ///< When a client caused it.
};

/// Never fails: an out-of-range value yields the entry of `none`.
[[nodiscard]] const RefusalInfo& describe(Refusal refusal) noexcept;

/// The error for a broken rule. The status follows from who broke it: a client gets the rule's own
/// reason, an upstream or worker makes it `upstream_protocol` or `worker_protocol`.
[[nodiscard]] Error refuse(Refusal refusal, Source source = Source::client) noexcept;

/// The rule behind an error made by refuse().
[[nodiscard]] constexpr Refusal refusal_of(const Error& error) noexcept {
    return error.detail < static_cast<uint32_t>(Refusal::count_)
               ? static_cast<Refusal>(error.detail)
               : Refusal::none;
}

}  // namespace ringtime::http
