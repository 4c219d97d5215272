#pragma once
// Heads as parsed: slices of the text they came in and the field table. Valid while that text is.

#include <cstdint>
#include <string_view>

#include "http/fields.h"

namespace ringtime::http {

enum class Method : uint8_t {
    other,
    get,
    head,
    post,
    put,
    delete_,
    options,
    patch,
    connect,
    trace
};

/// A set of methods, for route masks.
using MethodSet = uint16_t;
[[nodiscard]] constexpr MethodSet method_bit(Method method) noexcept {
    return static_cast<MethodSet>(1U << static_cast<unsigned>(method));
}
/// `GET` and so on; empty for `other`.
[[nodiscard]] std::string_view method_name(Method method) noexcept;
[[nodiscard]] Method intern_method(std::string_view name) noexcept;
/// The same without a byte by byte look: eight bytes are readable at `name`.
[[nodiscard]] Method intern_method(const char* name, size_t size) noexcept;
/// GET, HEAD, OPTIONS, PUT, DELETE, TRACE (RFC 9110 §9.2.2).
[[nodiscard]] bool is_idempotent(Method method) noexcept;

/// As the ABI shows it to plugins: 10, 11, later 20 and 30.
enum class Version : uint8_t { http_1_0 = 10, http_1_1 = 11, http_2 = 20, http_3 = 30 };

enum class TargetForm : uint8_t { origin, absolute, asterisk, authority };

struct RequestHead {
    Method method = Method::other;
    Version version = Version::http_1_1;
    TargetForm form = TargetForm::origin;
    std::string_view method_text;
    /// The target as received: `/a/b?x=1`, `http://h/a`, `*`.
    std::string_view target;
    /// Path and query in origin-form; for absolute-form the part behind the authority ("/" when
    /// empty).
    std::string_view path;
    std::string_view query;  ///< Without `?`; data() is null when there is none.
    /// Host without port, as received; from the absolute-form's authority when there is one.
    std::string_view host;
    /// Authority as forwarded in Host: host with port when one was given.
    std::string_view authority;
    FieldTable fields;
};

struct ResponseHead {
    uint16_t status = 0;
    Version version = Version::http_1_1;
    std::string_view reason_phrase;
    FieldTable fields;
};

}  // namespace ringtime::http
