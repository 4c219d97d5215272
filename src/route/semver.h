#pragma once
// Semantic versions and the ranges that may stand behind `@` in a path: `1`, `1.4`, `1.x`, `^1.2`,
// `~1.4`, `>=2`, an exact version. The meaning is node-semver's, reduced to ranges that are one
// interval (no `||`, no lists), because a path segment is no place for more. All views borrow the
// text that was parsed. Pure, no allocation, linear in the text.

#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ringtime::route {

/// Longest version or range that is looked at, in bytes.
inline constexpr size_t version_bytes_max = 256;
/// The largest number a component may have: 2^53 - 1, so that JavaScript tools agree with us.
inline constexpr uint64_t version_number_max = 9007199254740991;

struct Version {
    uint64_t major = 0;
    uint64_t minor = 0;
    uint64_t patch = 0;
    std::string_view prerelease;  ///< `beta.2` of `1.0.0-beta.2`; empty for a release.

    [[nodiscard]] bool is_release() const noexcept { return prerelease.empty(); }
    [[nodiscard]] bool same_numbers(const Version& other) const noexcept {
        return major == other.major && minor == other.minor && patch == other.patch;
    }
};

/// Precedence (semver.org §11); build metadata takes no part.
[[nodiscard]] std::strong_ordering compare(const Version& a, const Version& b) noexcept;

/// `1.2.3`, `1.2.3-rc.1`, `1.2.3+build`, each also behind `v`. Nothing for any other text.
[[nodiscard]] std::optional<Version> parse_version(std::string_view text) noexcept;

/// An interval of versions. A pre-release lies in it only if the bound that was written names a
/// pre-release of the same three numbers: who asks for `^1.2` never gets `1.3.0-beta`.
struct Range {
    Version low;
    Version high;
    bool low_included = true;
    bool high_included = false;
    bool bounded = false;  ///< Whether `high` counts.

    [[nodiscard]] bool contains(const Version& version) const noexcept;
};

/// Parses a range as it stands in a canonical path: `^`, `<` and `>` arrive as `%5E %3C %3E` (both
/// spellings are taken). Nothing for an empty or malformed text.
[[nodiscard]] std::optional<Range> parse_range(std::string_view text) noexcept;

}  // namespace ringtime::route
