#pragma once
// The URL of a request that a plugin makes, taken apart. Pure; strict about everything that would
// end up on a request line or in a Host field.

#include <cstdint>
#include <string_view>

namespace ringtime::exchange {

struct FetchUrl {
    std::string_view authority;  ///< As written, for the Host field.
    std::string_view host;       ///< Without the brackets of an IPv6 address.
    uint16_t port = 80;
    std::string_view path;       ///< `/` when there is none.
    std::string_view query;      ///< data() null without one.

    /// False unless `text` is `http://host[:port][/path][?query]`. Views into `text`.
    [[nodiscard]] bool parse(std::string_view text) noexcept;
};

}  // namespace ringtime::exchange
