#pragma once
// Incremental parsers of request and response heads (RFC 9112 §2 to §5, strict).
//
// The text is one contiguous run of bytes that grows between calls; it may move, because only
// offsets are kept. A call goes on where the last one stopped, so a head that arrives byte by byte
// costs time linear in its size. The outcome, refusals included, depends on the bytes alone and
// never on how they were cut: the first breach in byte order decides, and bytes behind
// limits::head_bytes are not looked at. Nothing outside [data, data + size) is read, nothing is
// allocated.

#include <cstddef>
#include <cstdint>

#include "base/limits.h"
#include "base/result.h"
#include "http/field_section.h"
#include "http/head.h"
#include "http/refusal.h"
#include "http/scan.h"
#include "http/short_head.h"

namespace ringtime::http {

/// The configurable maxima of one head. At most limits::fields_max fields and 65,535 bytes, as wide
/// as the offsets are.
struct HeadLimits {
    uint32_t head_bytes = limits::head_bytes_max;
    uint32_t target_bytes = limits::target_bytes_max;
    uint32_t fields = limits::fields_max;
};

struct ParseOutcome {
    enum class State : uint8_t { need_more, complete, failed };

    State state = State::need_more;
    uint32_t head_size = 0;  ///< When complete: bytes up to and with the empty line, from `data`.
    Error error;             ///< When failed: refusal_of() names the rule.

    [[nodiscard]] bool complete() const noexcept { return state == State::complete; }
    [[nodiscard]] bool failed() const noexcept { return state == State::failed; }
};

class RequestParser {
  public:
    explicit RequestParser(const HeadLimits& limits = {},
                           const ScanPath& scan = best_scan()) noexcept;

    /// Forgets an unfinished or refused head.
    void reset() noexcept;

    /// `data` is the head from its first byte on, everything received so far; `out` is the same
    /// object in all calls for one head and is valid, as views into `data`, when the outcome is
    /// complete. Then the parser is ready for the next head, which begins at data + head_size.
    /// After a refusal the same error is returned until reset().
    [[nodiscard]] ParseOutcome parse(const char* data, size_t size, RequestHead& out) noexcept;

  private:
    enum class Phase : uint8_t { start, method, target, version, fields, failed };

    bool read_usual_line(const char* data, size_t size, RequestHead& out) noexcept;
    detail::Step read_request_line(const char* data, size_t size, RequestHead& out) noexcept;
    detail::Step skip_empty_lines(const char* data, size_t size, RequestHead& out) noexcept;
    detail::Step read_method(const char* data, size_t size, RequestHead& out) noexcept;
    detail::Step read_target(const char* data, size_t size, RequestHead& out) noexcept;
    detail::Step split_target(const char* data, RequestHead& out) noexcept;
    detail::Step split_absolute(const char* data, size_t scheme_size, RequestHead& out) noexcept;
    detail::Step read_version(const char* data, size_t size, RequestHead& out) noexcept;
    void end_request_line(Version version, size_t rest, RequestHead& out) noexcept;
    detail::Step finish(const char* data, RequestHead& out) noexcept;
    detail::Step refused(Refusal why) noexcept;

    const ScanPath* scan_;
    detail::ReadShortHead read_short_;
    HeadLimits limits_;
    detail::FieldSection section_;
    Phase phase_ = Phase::start;
    Refusal refusal_ = Refusal::none;
    uint32_t empty_lines_ = 0;
    uint32_t at_ = 0;  ///< Bytes before this offset need no second look.
    // Offsets of what has been found.
    uint32_t method_ = 0;
    uint32_t target_ = 0;
    uint32_t target_end_ = 0;
    uint32_t query_ = 0;  ///< Of `?`; 0 when there is none.
    uint32_t authority_ = 0;
    uint32_t path_ = 0;
};

class ResponseParser {
  public:
    /// `source` says whom an error blames: an upstream or a worker.
    explicit ResponseParser(Source source = Source::upstream, const HeadLimits& limits = {},
                            const ScanPath& scan = best_scan()) noexcept;
    void reset() noexcept;
    /// As RequestParser::parse. One head per call: interim ones are the caller's to count.
    [[nodiscard]] ParseOutcome parse(const char* data, size_t size, ResponseHead& out) noexcept;

  private:
    enum class Phase : uint8_t { status, reason, fields, failed };

    detail::Step read_status_line(const char* data, size_t size, ResponseHead& out) noexcept;
    detail::Step read_status(const char* data, size_t size, ResponseHead& out) noexcept;
    detail::Step read_reason(const char* data, size_t size) noexcept;
    detail::Step refused(Refusal why) noexcept;

    const ScanPath* scan_;
    HeadLimits limits_;
    detail::FieldSection section_;
    Source source_;
    Phase phase_ = Phase::status;
    Refusal refusal_ = Refusal::none;
    uint32_t at_ = 0;
    uint32_t reason_ = 0;
    uint32_t reason_end_ = 0;
};

}  // namespace ringtime::http
