#pragma once
// Texts of numbers, durations and sizes, as people write them. Pure functions without messages; the
// readers add where the text stood and what was expected.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringtime::config {

/// Decimal digits only; nothing on a sign, a space or overflow.
[[nodiscard]] std::optional<uint64_t> parse_unsigned(std::string_view text) noexcept;

/// A finite decimal number (`-1`, `0.25`, `1e3`); nothing on anything else.
[[nodiscard]] std::optional<double> parse_number(std::string_view text) noexcept;

/// Milliseconds of `30` (seconds), `250ms`, `1.5s`, `5m`, `1h`. A fraction finer than a millisecond
/// is refused unless it is zero.
[[nodiscard]] std::optional<uint64_t> parse_duration_ms(std::string_view text) noexcept;

/// Bytes of `512`, `512b`, `10kb`, `1.5mb`, `1gb` in any case; units are powers of 1024.
[[nodiscard]] std::optional<uint64_t> parse_size_bytes(std::string_view text) noexcept;

/// `true` or `false`, nothing else: YAML 1.1's `yes` and `on` are words.
[[nodiscard]] std::optional<bool> parse_boolean(std::string_view text) noexcept;

/// Shortest exact text: `30s`, `1m`, `250ms`; `10mb`, `512b`.
[[nodiscard]] std::string duration_text(uint64_t milliseconds);
[[nodiscard]] std::string size_text(uint64_t bytes);

}  // namespace ringtime::config
