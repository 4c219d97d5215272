#pragma once
// Where a message's body ends and whether its connection goes on afterwards: decided once per
// message, here and nowhere else (RFC 9112 §6.3, §9.3). What is sent on is framed anew from this
// decision; the received Content-Length, Transfer-Encoding and Connection are never copied.

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "http/head.h"
#include "http/refusal.h"

namespace ringtime::http {

enum class BodyKind : uint8_t {
    none,
    length,  ///< Exactly Framing::length bytes, 0 included: the sender said so.
    chunked,
    until_close,  ///< Responses only.
};

struct Framing {
    static constexpr uint64_t unannounced = UINT64_MAX;

    BodyKind kind = BodyKind::none;
    /// The connection may carry another message after this one. For requests with 1.0 the answer
    /// must then say `Connection: keep-alive`.
    bool keep_alive = false;
    /// The client waits for 100 before it sends the body.
    bool expect_continue = false;
    /// Requests: Upgrade may be offered onwards. Responses: this is the 101 that switches
    /// protocols.
    bool upgrade = false;
    uint64_t length = 0;
    /// Content-Length of an answer to HEAD or of a 304, which describes a body that is not there.
    uint64_t announced = unannounced;
};

/// Options of all Connection lines together; beyond it a message is refused, so that what they
/// nominate is found in bounded time.
inline constexpr unsigned connection_options_max = 128;

/// Errors: the framing rules of Refusal, 400 (close); unknown codings 501; unknown Expect 417.
/// Cost: one pass over the fields concerned, no allocation.
[[nodiscard]] Result<Framing> decide_framing(const RequestHead& head) noexcept;

/// `request_method`: of the request this answers. `source`: whom an error blames.
/// 101 yields `upgrade` and no body; the caller checks it against what was offered.
[[nodiscard]] Result<Framing> decide_response_framing(const ResponseHead& head,
                                                      Method request_method,
                                                      Source source = Source::upstream) noexcept;

/// Whether a 101's Upgrade names protocols that `offered` (the request's Upgrade) holds, RFC 9110
/// §7.8.
[[nodiscard]] bool upgrade_was_offered(const ResponseHead& head, std::string_view offered) noexcept;

}  // namespace ringtime::http
