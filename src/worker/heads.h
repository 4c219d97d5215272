#pragma once
// Heads on the wire: a request's head written into region A, an answer's head read out of a private
// copy. Pure: bytes in, bytes out. The decoder's input is a hostile process's: everything is
// checked here.

#include <cstdint>

#include "base/result.h"
#include "http/head.h"
#include "ringtime/worker_abi.h"
#include "worker/spec.h"

namespace ringtime::worker {

/// Bytes that encode_request_head() will write; more than RTW_BLOCK_BYTES cannot be sent.
[[nodiscard]] uint32_t request_head_bytes(const WorkerRequest& request) noexcept;
/// `out` has `bytes` = request_head_bytes(request) bytes.
void encode_request_head(const WorkerRequest& request, Milliseconds timeout, char* out,
                         uint32_t bytes) noexcept;

struct DecodedHead {
    uint64_t body_length = RTW_UNKNOWN_LENGTH;
    uint32_t head_bytes = 0;  ///< Of the descriptor's bytes; the rest are body.
};

/// Reads the fixed part of a head of at most `available` bytes (in shared memory, read once): how
/// much has to be copied. 0: not valid.
[[nodiscard]] uint32_t peek_head_bytes(const char* shared, uint32_t available) noexcept;

/// Fills `head` from a private copy of `size` bytes, which `head` refers to from then on. Refused
/// (worker_protocol): lengths that do not fit, status out of 100 to 599, names that are no tokens,
/// values with control characters, framing and hop-by-hop fields.
[[nodiscard]] Result<DecodedHead> decode_response_head(const char* copy, uint32_t size,
                                                       http::ResponseHead& head) noexcept;

}  // namespace ringtime::worker
