#pragma once
// The opening of a WebSocket from a server's side (RFC 6455 §4.2): what is wrong with a request for
// one, the answer to its key, and the choice of a subprotocol. Pure, no allocation.

#include <cstddef>
#include <string_view>

#include "http/head.h"

namespace ringtime::http {

enum class SocketOffer : uint8_t {
    good,
    no_upgrade,   ///< Not a request for a WebSocket: 426.
    bad_version,  ///< 426, with the version that is understood.
    bad_key,      ///< 400.
    bad_method,   ///< 405: it has to be GET.
};
[[nodiscard]] SocketOffer check_socket_offer(const RequestHead& head) noexcept;

inline constexpr std::string_view socket_version = "13";
inline constexpr size_t socket_accept_bytes = 28;
/// Sec-WebSocket-Accept for the key the client sent: `out` has room for socket_accept_bytes.
void write_socket_accept(std::string_view key, char* out) noexcept;

/// Whether the client offers this subprotocol (case-sensitive, §11.3.4).
[[nodiscard]] bool offers_socket_protocol(const FieldTable& fields,
                                          std::string_view protocol) noexcept;

}  // namespace ringtime::http
