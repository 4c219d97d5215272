#pragma once
// What is wrong with the configuration, where, and how to make it right. Everything found in all
// files is collected before the start is refused, so that an operator repairs a folder in one
// round.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringtime::config {

/// A place in a file; both count from 1, and line 0 means that there is none (the environment).
struct Position {
    uint32_t line = 0;
    uint32_t column = 0;
    friend constexpr bool operator==(const Position&, const Position&) = default;
};

/// A value and where it was written, for errors found later (two files with one base).
template <typename T>
struct Located {
    T value{};
    Position at{};

    /// Whether a file set it; otherwise it is the default.
    [[nodiscard]] bool given() const noexcept { return at.line != 0; }
    [[nodiscard]] const T& operator*() const noexcept { return value; }
    [[nodiscard]] const T* operator->() const noexcept { return &value; }
};

enum class Severity : uint8_t { error, warning };

struct Diagnostic {
    Severity severity = Severity::error;
    std::string file;
    uint32_t line = 0;
    uint32_t column = 0;
    std::string text;    ///< What is wrong, with the offending words quoted.
    std::string remedy;  ///< What was expected or what to do; may be empty.
};

/// `file:line:column: error: text; remedy`, without the numbers when there is no line.
[[nodiscard]] std::string render(const Diagnostic& diagnostic);

class Diagnostics {
  public:
    /// Kept for printing; more are only counted, because a generated file may be wrong 100,000
    /// times.
    static constexpr size_t kept_max = 500;

    void error(std::string_view file, Position at, std::string text, std::string remedy = {});
    void warning(std::string_view file, Position at, std::string text, std::string remedy = {});

    [[nodiscard]] bool ok() const noexcept { return errors_ == 0; }
    [[nodiscard]] size_t errors() const noexcept { return errors_; }
    [[nodiscard]] size_t warnings() const noexcept { return warnings_; }
    /// In the order they were found: the order of the files, then of the lines.
    [[nodiscard]] const std::vector<Diagnostic>& list() const noexcept { return list_; }

    /// All of them, one per line, and a last line when some were only counted.
    [[nodiscard]] std::string render() const;

  private:
    void add(Diagnostic diagnostic);

    std::vector<Diagnostic> list_;
    size_t errors_ = 0;
    size_t warnings_ = 0;
};

/// Text of a file as a message may show it: quoted, control bytes escaped, cut at 80 bytes.
[[nodiscard]] std::string quote(std::string_view text);

}  // namespace ringtime::config
