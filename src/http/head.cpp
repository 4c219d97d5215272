#include "http/head.h"

#include <array>
#include <bit>
#include <cstring>

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

namespace {

/// Up to seven bytes as one number, from loads that stay inside the text.
constexpr uint64_t packed(const char* text, size_t size) noexcept {
    uint64_t word = 0;
    for (size_t i = 0; i < size; ++i)
        word |= static_cast<uint64_t>(static_cast<uint8_t>(text[i])) << (8 * i);
    return word;
}
consteval uint64_t spelled(Method method) {
    std::string_view name = kMethods[static_cast<size_t>(method)];
    return packed(name.data(), name.size());
}

}  // namespace

namespace {

// Case-sensitive: `get` is another method, RFC 9110 §9.1.
Method method_of(uint64_t word) noexcept {
    switch (word) {
        case spelled(Method::get):
            return Method::get;
        case spelled(Method::head):
            return Method::head;
        case spelled(Method::post):
            return Method::post;
        case spelled(Method::put):
            return Method::put;
        case spelled(Method::delete_):
            return Method::delete_;
        case spelled(Method::options):
            return Method::options;
        case spelled(Method::patch):
            return Method::patch;
        case spelled(Method::connect):
            return Method::connect;
        case spelled(Method::trace):
            return Method::trace;
        default:
            return Method::other;
    }
}

}  // namespace

Method intern_method(std::string_view name) noexcept {
    return name.size() > 7 ? Method::other : method_of(packed(name.data(), name.size()));
}

Method intern_method(const char* name, size_t size) noexcept {
    if (size == 0 || size > 7) return Method::other;
    uint64_t word;
    std::memcpy(&word, name, sizeof word);
    if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
    word &= (uint64_t{1} << (8 * size)) - 1;
    if (word == spelled(Method::get)) [[likely]]
        return Method::get;
    return method_of(word);
}

bool is_idempotent(Method method) noexcept {
    constexpr MethodSet kIdempotent = method_bit(Method::get) | method_bit(Method::head) |
                                      method_bit(Method::options) | method_bit(Method::put) |
                                      method_bit(Method::delete_) | method_bit(Method::trace);
    return (kIdempotent & method_bit(method)) != 0;
}

}  // namespace ringtime::http
