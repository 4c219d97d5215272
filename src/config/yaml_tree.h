#pragma once
// A YAML document as a plain tree that remembers where each value stood. yaml-cpp scans the text
// and reports events; the tree is ours because its own one loses the order of keys, accepts
// duplicate ones, follows aliases without a bound and costs about a kilobyte a node.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostic.h"

namespace ringtime::config {

struct YamlNode {
    enum class Kind : uint8_t { null, scalar, sequence, map };

    Kind kind = Kind::null;
    bool quoted = false;  ///< A string whatever it looks like: "30", '30', |, !!str.
    Position at;
    std::string text;             ///< Of a scalar.
    std::vector<YamlNode> items;  ///< Of a sequence; of a map: key, value, key, value, ...

    /// The value of `key` in a map, or null. Linear: maps of configuration are small.
    [[nodiscard]] const YamlNode* find(std::string_view key) const noexcept;
};

/// "text", "a list", "a map", "empty": fits behind "is".
[[nodiscard]] std::string_view describe(YamlNode::Kind kind) noexcept;

struct YamlLimits {
    size_t bytes;     ///< Of the file; the tree's texts, copies included, may have four times that.
    size_t nodes;     ///< Of the tree, copies made by aliases included (about 90 B each).
    size_t depth;     ///< Of nested lists and maps.
    size_t map_keys;  ///< Of one map.
};

/// One package's manifest: far more than anybody writes by hand.
inline constexpr YamlLimits manifest_limits{1u << 20, 200'000, 32, 4096};
/// RUNTIME_CONFIG: may hold 100,000 mounts.
inline constexpr YamlLimits runtime_config_limits{64u << 20, 4'000'000, 32, 16'384};

/// Reads one document into `root`; an empty text is a null root. Refuses more documents, duplicate
/// and non-scalar keys, unknown tags, zero bytes and whatever exceeds `limits`. Returns: whether
/// `root` is usable; otherwise one error has been added to `diagnostics`.
[[nodiscard]] bool parse_yaml(std::string_view text, std::string_view file,
                              const YamlLimits& limits, YamlNode& root, Diagnostics& diagnostics);

/// Reads the file at `path` (shown as `shown` in messages) and parses it. Only regular files are
/// read.
[[nodiscard]] bool load_yaml(const std::string& path, std::string_view shown,
                             const YamlLimits& limits, YamlNode& root, Diagnostics& diagnostics);

/// The tree as JSON. Plain scalars that JSON's grammar knows (null, true, 12, 1.5) keep their type.
void append_json(std::string& out, const YamlNode& node);

}  // namespace ringtime::config
