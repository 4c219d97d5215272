#include "config/values.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

namespace ringtime::config {
namespace {

/// A decimal split at its point, as integers: durations and sizes must not round.
struct Decimal {
    uint64_t whole = 0;
    uint64_t fraction = 0;  ///< In units of 10^-digits.
    uint64_t scale = 1;     ///< 10^digits.
};

/// Takes `12` or `12.5` from the front of `text`; at most 9 digits behind the point.
bool take_decimal(std::string_view& text, Decimal& out) noexcept {
    auto digits_of = [](std::string_view from) {
        size_t count = 0;
        while (count < from.size() && from[count] >= '0' && from[count] <= '9') ++count;
        return from.substr(0, count);
    };
    std::string_view whole = digits_of(text);
    auto value = parse_unsigned(whole);
    if (!value) return false;
    out.whole = *value;
    text.remove_prefix(whole.size());
    if (text.empty() || text.front() != '.') return true;
    text.remove_prefix(1);
    std::string_view fraction = digits_of(text);
    if (fraction.empty() || fraction.size() > 9) return false;
    out.fraction = *parse_unsigned(fraction);
    for (size_t i = 0; i < fraction.size(); ++i) out.scale *= 10;
    text.remove_prefix(fraction.size());
    return true;
}

std::optional<uint64_t> scaled(const Decimal& number, uint64_t unit) noexcept {
    uint64_t whole = 0;
    if (__builtin_mul_overflow(number.whole, unit, &whole)) return std::nullopt;
    uint64_t part = 0;
    if (__builtin_mul_overflow(number.fraction, unit, &part)) return std::nullopt;
    if (part % number.scale != 0) return std::nullopt;
    if (__builtin_add_overflow(whole, part / number.scale, &whole)) return std::nullopt;
    return whole;
}

}  // namespace

std::optional<uint64_t> parse_unsigned(std::string_view text) noexcept {
    uint64_t value = 0;
    auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || fault != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

std::optional<double> parse_number(std::string_view text) noexcept {
    double value = 0;
    auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || fault != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    // "inf" and "nan" are numbers for from_chars only.
    if (!std::isfinite(value)) return std::nullopt;
    return value;
}

std::optional<uint64_t> parse_duration_ms(std::string_view text) noexcept {
    Decimal number;
    if (!take_decimal(text, number)) return std::nullopt;
    if (text.empty() || text == "s") return scaled(number, 1000);
    if (text == "ms") return scaled(number, 1);
    if (text == "m") return scaled(number, 60'000);
    if (text == "h") return scaled(number, 3'600'000);
    return std::nullopt;
}

std::optional<uint64_t> parse_size_bytes(std::string_view text) noexcept {
    Decimal number;
    if (!take_decimal(text, number)) return std::nullopt;
    std::string unit(text);
    std::transform(unit.begin(), unit.end(), unit.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (unit.empty() || unit == "b") return scaled(number, 1);
    if (unit == "kb") return scaled(number, uint64_t{1} << 10);
    if (unit == "mb") return scaled(number, uint64_t{1} << 20);
    if (unit == "gb") return scaled(number, uint64_t{1} << 30);
    return std::nullopt;
}

std::optional<bool> parse_boolean(std::string_view text) noexcept {
    if (text == "true") return true;
    if (text == "false") return false;
    return std::nullopt;
}

std::string duration_text(uint64_t milliseconds) {
    if (milliseconds % 1000 != 0) return fmt::format("{}ms", milliseconds);
    uint64_t seconds = milliseconds / 1000;
    if (seconds != 0 && seconds % 3600 == 0) return fmt::format("{}h", seconds / 3600);
    if (seconds != 0 && seconds % 60 == 0) return fmt::format("{}m", seconds / 60);
    return fmt::format("{}s", seconds);
}

std::string size_text(uint64_t bytes) {
    if (bytes != 0 && bytes % (uint64_t{1} << 30) == 0) return fmt::format("{}gb", bytes >> 30);
    if (bytes != 0 && bytes % (uint64_t{1} << 20) == 0) return fmt::format("{}mb", bytes >> 20);
    if (bytes != 0 && bytes % (uint64_t{1} << 10) == 0) return fmt::format("{}kb", bytes >> 10);
    return fmt::format("{}b", bytes);
}

}  // namespace ringtime::config
