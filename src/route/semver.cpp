#include "route/semver.h"

namespace ringtime::route {
namespace {

[[nodiscard]] bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

[[nodiscard]] bool is_identifier_byte(char c) noexcept {
    return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-';
}

[[nodiscard]] bool is_numeric(std::string_view identifier) noexcept {
    for (char c : identifier) {
        if (!is_digit(c)) return false;
    }
    return !identifier.empty();
}

[[nodiscard]] std::string_view next_identifier(std::string_view& rest) noexcept {
    size_t dot = rest.find('.');
    std::string_view identifier = rest.substr(0, dot);
    rest = dot == std::string_view::npos ? std::string_view{} : rest.substr(dot + 1);
    return identifier;
}

// Numeric identifiers have no leading zeros, so the longer one is the larger.
[[nodiscard]] std::strong_ordering compare_identifiers(std::string_view a,
                                                       std::string_view b) noexcept {
    bool a_numeric = is_numeric(a);
    bool b_numeric = is_numeric(b);
    if (a_numeric != b_numeric) {
        return a_numeric ? std::strong_ordering::less : std::strong_ordering::greater;
    }
    if (a_numeric && a.size() != b.size()) return a.size() <=> b.size();
    return a.compare(b) <=> 0;
}

[[nodiscard]] std::strong_ordering compare_prereleases(std::string_view a,
                                                       std::string_view b) noexcept {
    if (a.empty() || b.empty()) return a.empty() <=> b.empty();  // A release stands above.
    while (!a.empty() && !b.empty()) {
        auto order = compare_identifiers(next_identifier(a), next_identifier(b));
        if (order != 0) return order;
    }
    return b.empty() <=> a.empty();  // All equal so far: the longer list is larger.
}

/// A cursor over the text of a version.
class Reader {
 public:
    explicit Reader(std::string_view text) noexcept : rest_(text) {}

    [[nodiscard]] bool done() const noexcept { return rest_.empty(); }
    [[nodiscard]] bool take(char c) noexcept {
        if (rest_.empty() || rest_[0] != c) return false;
        rest_.remove_prefix(1);
        return true;
    }
    [[nodiscard]] bool take_prefix(std::string_view prefix) noexcept {
        if (!rest_.starts_with(prefix)) return false;
        rest_.remove_prefix(prefix.size());
        return true;
    }
    [[nodiscard]] bool take_wildcard() noexcept { return take('x') || take('X') || take('*'); }

    [[nodiscard]] bool take_number(uint64_t& value) noexcept {
        size_t size = 0;
        value = 0;
        while (size < rest_.size() && is_digit(rest_[size])) {
            value = value * 10 + static_cast<uint64_t>(rest_[size] - '0');
            if (value > version_number_max) return false;
            ++size;
        }
        if (size == 0 || (size > 1 && rest_[0] == '0')) return false;
        rest_.remove_prefix(size);
        return true;
    }

    /// Dot-separated identifiers up to `+` or the end; numeric ones without leading zeros if
    /// `strict`.
    enum class Zeros { refused, allowed };
    [[nodiscard]] bool take_identifiers(std::string_view& list, Zeros zeros) noexcept {
        list = rest_.substr(0, rest_.find('+'));
        std::string_view left = list;
        do {
            std::string_view identifier = next_identifier(left);
            for (char c : identifier) {
                if (!is_identifier_byte(c)) return false;
            }
            if (identifier.empty()) return false;
            if (zeros == Zeros::refused && identifier.size() > 1 && identifier[0] == '0' &&
                is_numeric(identifier)) {
                return false;
            }
        } while (!left.empty());
        if (list.ends_with('.')) return false;
        rest_.remove_prefix(list.size());
        return true;
    }

    /// What may follow the third number: `-prerelease` and `+build`.
    [[nodiscard]] bool take_suffixes(std::string_view& prerelease) noexcept {
        if (take('-') && !take_identifiers(prerelease, Zeros::refused)) return false;
        std::string_view build;
        if (take('+') && !take_identifiers(build, Zeros::allowed)) return false;
        return done();
    }

 private:
    std::string_view rest_;
};

/// A version whose tail may be missing or `x`.
struct Partial {
    Version version;
    unsigned numbers = 0;  ///< How many of the three were given.
};

[[nodiscard]] std::optional<Partial> parse_partial(Reader reader) noexcept {
    while (reader.take('v') || reader.take('=')) {
    }
    Partial partial;
    uint64_t* parts[3] = {&partial.version.major, &partial.version.minor, &partial.version.patch};
    bool wild = false;
    unsigned index = 0;
    do {
        if (reader.take_wildcard()) {
            wild = true;
        } else {
            uint64_t number = 0;
            if (wild || !reader.take_number(number)) return std::nullopt;
            *parts[index] = number;
            ++partial.numbers;
        }
        ++index;
    } while (index < 3 && reader.take('.'));
    if (index == 3) {
        if (!reader.take_suffixes(partial.version.prerelease)) return std::nullopt;
        if (partial.numbers < 3) partial.version.prerelease = {};
    }
    if (!reader.done()) return std::nullopt;
    return partial;
}

enum class Operator { none, caret, tilde, less, less_equal, greater, greater_equal };

[[nodiscard]] Operator take_operator(Reader& reader) noexcept {
    if (reader.take('^') || reader.take_prefix("%5E") || reader.take_prefix("%5e")) {
        return Operator::caret;
    }
    if (reader.take('~')) {
        // `~>1.2` is an old spelling of `~1.2`.
        (void)(reader.take('>') || reader.take_prefix("%3E") || reader.take_prefix("%3e"));
        return Operator::tilde;
    }
    if (reader.take('<') || reader.take_prefix("%3C") || reader.take_prefix("%3c")) {
        return reader.take('=') ? Operator::less_equal : Operator::less;
    }
    if (reader.take('>') || reader.take_prefix("%3E") || reader.take_prefix("%3e")) {
        return reader.take('=') ? Operator::greater_equal : Operator::greater;
    }
    return Operator::none;
}

/// The first version (its lowest pre-release, `-0`) behind all that share the first `numbers`
/// numbers.
[[nodiscard]] Version behind(const Version& version, unsigned numbers) noexcept {
    Version next{version.major, version.minor, version.patch, "0"};
    if (numbers == 1) next = {version.major + 1, 0, 0, "0"};
    if (numbers == 2) next = {version.major, version.minor + 1, 0, "0"};
    if (numbers == 3) next.patch = version.patch + 1;
    return next;
}

/// How many leading numbers `^` keeps fixed: up to the first that is not zero.
[[nodiscard]] unsigned caret_numbers(const Partial& partial) noexcept {
    if (partial.version.major != 0 || partial.numbers == 1) return 1;
    if (partial.version.minor != 0 || partial.numbers == 2) return 2;
    return 3;
}

[[nodiscard]] Range nothing() noexcept {
    return {.low = {}, .high = {0, 0, 0, "0"}, .bounded = true};
}

[[nodiscard]] Range comparator(Operator op, const Partial& partial) noexcept {
    bool whole = partial.numbers == 3;
    Version lowest{};
    Version release = partial.version;
    switch (op) {
        case Operator::greater_equal:
            return {.low = partial.version, .high = {}};
        case Operator::greater:
            if (whole) return {.low = partial.version, .high = {}, .low_included = false};
            if (partial.numbers == 0) return nothing();
            release = behind(partial.version, partial.numbers);
            release.prerelease = {};
            return {.low = release, .high = {}};
        case Operator::less:
            if (partial.numbers == 0) return nothing();
            if (!whole) release.prerelease = "0";
            return {.low = lowest, .high = release, .bounded = true};
        case Operator::less_equal:
            if (whole)
                return {.low = lowest, .high = release, .high_included = true, .bounded = true};
            if (partial.numbers == 0) return {.low = lowest, .high = {}};
            return {.low = lowest, .high = behind(release, partial.numbers), .bounded = true};
        case Operator::caret:
            return {
                .low = release, .high = behind(release, caret_numbers(partial)), .bounded = true};
        case Operator::tilde:
            return {.low = release,
                    .high = behind(release, partial.numbers == 1 ? 1 : 2),
                    .bounded = true};
        case Operator::none:
            if (whole)
                return {.low = release, .high = release, .high_included = true, .bounded = true};
            return {.low = release, .high = behind(release, partial.numbers), .bounded = true};
    }
    return nothing();
}

}  // namespace

std::strong_ordering compare(const Version& a, const Version& b) noexcept {
    if (auto order = a.major <=> b.major; order != 0) return order;
    if (auto order = a.minor <=> b.minor; order != 0) return order;
    if (auto order = a.patch <=> b.patch; order != 0) return order;
    return compare_prereleases(a.prerelease, b.prerelease);
}

std::optional<Version> parse_version(std::string_view text) noexcept {
    if (text.size() > version_bytes_max) return std::nullopt;
    Reader reader(text);
    (void)reader.take('v');
    Version version;
    if (!reader.take_number(version.major) || !reader.take('.')) return std::nullopt;
    if (!reader.take_number(version.minor) || !reader.take('.')) return std::nullopt;
    if (!reader.take_number(version.patch)) return std::nullopt;
    if (!reader.take_suffixes(version.prerelease)) return std::nullopt;
    return version;
}

bool Range::contains(const Version& version) const noexcept {
    auto from_low = compare(version, low);
    if (from_low < 0 || (from_low == 0 && !low_included)) return false;
    if (bounded) {
        auto to_high = compare(version, high);
        if (to_high > 0 || (to_high == 0 && !high_included)) return false;
    }
    if (version.is_release()) return true;
    if (!low.is_release() && version.same_numbers(low)) return true;
    return bounded && !high.is_release() && version.same_numbers(high);
}

std::optional<Range> parse_range(std::string_view text) noexcept {
    if (text.empty() || text.size() > version_bytes_max) return std::nullopt;
    Reader reader(text);
    Operator op = take_operator(reader);
    auto partial = parse_partial(reader);
    if (!partial) return std::nullopt;
    bool every = partial->numbers == 0 && (op == Operator::none || op == Operator::caret ||
                                           op == Operator::tilde);
    if (every) return Range{};
    return comparator(op, *partial);
}

}  // namespace ringtime::route
