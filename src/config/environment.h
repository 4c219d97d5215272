#pragma once
// The process environment as a value: read once in main, passed down, never asked for again.
// Workers inherit nothing of it, so what they do get is decided in worker_environment.h.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringtime::config {

class Environment {
  public:
    using Variables = std::map<std::string, std::string, std::less<>>;

    Environment() = default;
    explicit Environment(Variables variables) : variables_(std::move(variables)) {}
    /// From main's third parameter or `environ`. Entries without `=` are skipped, and the first of
    /// two entries with one name counts, as getenv has it.
    [[nodiscard]] static Environment from_process(const char* const* entries);

    /// An empty value counts as absent: that is how shells and unit files unset one.
    [[nodiscard]] std::optional<std::string_view> get(std::string_view name) const;
    void set(std::string name, std::string value) {
        variables_.insert_or_assign(std::move(name), std::move(value));
    }
    /// In order of their names.
    [[nodiscard]] const Variables& variables() const noexcept { return variables_; }

  private:
    Variables variables_;
};

/// Parts of a `:`-separated list; empty ones are dropped, spaces around a part too.
[[nodiscard]] std::vector<std::string> split_path_list(std::string_view text);

}  // namespace ringtime::config
