#include "config/version.h"

#include <fmt/core.h>

#include "config/values.h"

namespace ringtime::config {
namespace {

bool is_identifier_byte(char c) noexcept {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

bool all_digits(std::string_view text) noexcept {
    for (char c : text) {
        if (c < '0' || c > '9') return false;
    }
    return !text.empty();
}

/// Takes the part before the next `.`; the dot goes too.
std::string_view take_identifier(std::string_view& text) noexcept {
    size_t dot = text.find('.');
    std::string_view part = text.substr(0, dot);
    text.remove_prefix(dot == std::string_view::npos ? text.size() : dot + 1);
    return part;
}

enum class LeadingZeros : uint8_t { allowed, refused };

bool are_identifiers(std::string_view text, LeadingZeros zeros) noexcept {
    if (text.empty() || text.back() == '.') return false;
    while (!text.empty()) {
        std::string_view part = take_identifier(text);
        if (part.empty()) return false;
        for (char c : part) {
            if (!is_identifier_byte(c)) return false;
        }
        bool padded = part.size() > 1 && part.front() == '0' && all_digits(part);
        if (padded && zeros == LeadingZeros::refused) return false;
    }
    return true;
}

std::weak_ordering compare_prerelease(std::string_view a, std::string_view b) noexcept {
    if (a.empty() || b.empty()) return b.size() <=> a.size();  // A release is above its candidates.
    while (!a.empty() && !b.empty()) {
        std::string_view left = take_identifier(a);
        std::string_view right = take_identifier(b);
        bool left_digits = all_digits(left);
        bool right_digits = all_digits(right);
        if (left_digits != right_digits) {
            return left_digits ? std::weak_ordering::less : std::weak_ordering::greater;
        }
        // Numbers without leading zeros: the longer is the greater, whatever their size.
        if (left_digits && left.size() != right.size()) return left.size() <=> right.size();
        if (int order = left.compare(right); order != 0) return order <=> 0;
    }
    return a.size() <=> b.size();
}

}  // namespace

std::optional<Version> parse_version(std::string_view text) {
    if (text == "latest") return Version{};
    Version version;
    version.latest = false;
    if (size_t plus = text.find('+'); plus != std::string_view::npos) {
        version.build = text.substr(plus + 1);
        if (!are_identifiers(version.build, LeadingZeros::allowed)) return std::nullopt;
        text = text.substr(0, plus);
    }
    if (size_t dash = text.find('-'); dash != std::string_view::npos) {
        version.prerelease = text.substr(dash + 1);
        if (!are_identifiers(version.prerelease, LeadingZeros::refused)) return std::nullopt;
        text = text.substr(0, dash);
    }
    if (text.empty() || text.back() == '.') return std::nullopt;
    for (uint64_t* number : {&version.major, &version.minor, &version.patch}) {
        std::string_view part = take_identifier(text);
        auto value = parse_unsigned(part);
        if (!value || (part.size() > 1 && part.front() == '0')) return std::nullopt;
        *number = *value;
    }
    if (!text.empty()) return std::nullopt;
    return version;
}

std::string version_text(const Version& version) {
    if (version.latest) return "latest";
    std::string text = fmt::format("{}.{}.{}", version.major, version.minor, version.patch);
    if (!version.prerelease.empty()) text += "-" + version.prerelease;
    if (!version.build.empty()) text += "+" + version.build;
    return text;
}

std::weak_ordering compare(const Version& a, const Version& b) noexcept {
    if (a.latest != b.latest)
        return a.latest ? std::weak_ordering::greater : std::weak_ordering::less;
    if (auto order = a.major <=> b.major; order != 0) return order;
    if (auto order = a.minor <=> b.minor; order != 0) return order;
    if (auto order = a.patch <=> b.patch; order != 0) return order;
    return compare_prerelease(a.prerelease, b.prerelease);
}

}  // namespace ringtime::config
