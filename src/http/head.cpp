#include "http/head.h"

#include <array>

namespace ringtime::http {
namespace {

/// In the order of Method.
constexpr std::array<std::string_view, 10> kMethods = {
    "", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"};
static_assert(kMethods.size() == static_cast<size_t>(Method::trace) + 1);

}  // namespace

std::string_view method_name(Method method) noexcept {
    auto index = static_cast<size_t>(method);
    return index < kMethods.size() ? kMethods[index] : std::string_view{};
}

// Case-sensitive: `get` is another method, RFC 9110 §9.1.
Method intern_method(std::string_view name) noexcept {
    auto is = [name](Method method) { return name == method_name(method) ? method : Method::other; };
    switch (name.size()) {
        case 3: return name[0] == 'G' ? is(Method::get) : is(Method::put);
        case 4: return name[0] == 'P' ? is(Method::post) : is(Method::head);
        case 5: return name[0] == 'P' ? is(Method::patch) : is(Method::trace);
        case 6: return is(Method::delete_);
        case 7: return name[0] == 'O' ? is(Method::options) : is(Method::connect);
        default: return Method::other;
    }
}

bool is_idempotent(Method method) noexcept {
    constexpr MethodSet kIdempotent = method_bit(Method::get) | method_bit(Method::head) |
                                      method_bit(Method::options) | method_bit(Method::put) |
                                      method_bit(Method::delete_) | method_bit(Method::trace);
    return (kIdempotent & method_bit(method)) != 0;
}

}  // namespace ringtime::http
