#pragma once
// A plugin's resolved configuration: the JSON the manifest's `config` came to, flattened at load
// into paths (`limits.burst`, `origins.0`), so that plugins ask for typed values and need no JSON
// library. Immutable once parsed. Cold.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace ringtime::hook {

struct ConfigValue {
    enum class Kind : uint8_t { null, boolean, number, string, list, object };
    Kind kind = Kind::null;
    std::string text;  ///< Strings decoded; numbers as written; `true` or `false`.
    size_t count = 0;  ///< Elements or members.
};

class ConfigValues {
 public:
    /// Empty text is an empty object. False, with `error` telling where, when it is not a JSON
    /// object (RFC 8259) of at most 32 levels.
    [[nodiscard]] bool parse(std::string_view json, std::string& error);

    [[nodiscard]] std::string_view json() const noexcept { return json_; }
    /// Null when there is nothing at this path. "" is the whole.
    [[nodiscard]] const ConfigValue* find(std::string_view path) const;

 private:
    std::string json_;
    std::map<std::string, ConfigValue, std::less<>> values_;
};

}  // namespace ringtime::hook
