#pragma once
// Versions of packages: semantic versions (semver.org 2.0.0), or the word `latest`.

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringtime::config {

struct Version {
    bool latest = true;  ///< No numbers: what `/app` takes when it exists.
    uint64_t major = 0;
    uint64_t minor = 0;
    uint64_t patch = 0;
    std::string prerelease;  ///< `rc.1` of `1.0.0-rc.1`.
    std::string build;       ///< `5` of `1.0.0+5`: shown, without meaning for order.

    [[nodiscard]] bool is_prerelease() const noexcept { return !prerelease.empty(); }
};

/// `latest`, or a full semantic version (`1.4.0`, `2.0.0-rc.1+build`); nothing on anything else.
[[nodiscard]] std::optional<Version> parse_version(std::string_view text);
[[nodiscard]] std::string version_text(const Version& version);

/// Precedence of semver.org §11; `latest` is above every number, build metadata is ignored.
[[nodiscard]] std::weak_ordering compare(const Version& a, const Version& b) noexcept;

}  // namespace ringtime::config
