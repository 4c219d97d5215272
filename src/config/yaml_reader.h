#pragma once
// Typed reading of YAML maps, so that the code of a manifest reads like the table that documents
// it:
//
//     MapReader map(node, "upstream.health", context);
//     map.text("path", health.path);
//     map.duration("interval", health.interval_ms, {.min = 100, .max = kHour});
//     map.finish();   // what was not asked for is unknown: report it with the closest known key
//
// A wrong value adds an error with its place and leaves the default in the target, so that one pass
// finds everything. Keys may be asked for in any order.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/diagnostic.h"
#include "config/yaml_tree.h"

namespace ringtime::config {

/// Where messages go and which file they are about; both borrowed.
struct FileContext {
    std::string_view file;
    Diagnostics& diagnostics;
};

/// One text with its origin: a scalar of a file, or a variable of the environment (line 0).
struct ValueText {
    std::string_view label;  ///< `upstream.health.interval`, `RUNTIME_DRAIN`.
    std::string_view text;
    Position at;
};

/// `label: text`, or `label is ...` where the text goes on from the label as a sentence.
[[nodiscard]] std::string about(std::string_view label, std::string_view text);

/// Both ends are allowed.
struct Range {
    uint64_t min = 0;
    uint64_t max = UINT64_MAX;
};

// Each checks one text, reports what is wrong with it, and returns nothing in that case.
std::optional<uint64_t> check_unsigned(const FileContext&, const ValueText&, Range);
std::optional<uint64_t> check_duration(const FileContext&, const ValueText&, Range);
std::optional<uint64_t> check_size(const FileContext&, const ValueText&, Range);
std::optional<double> check_number(const FileContext&, const ValueText&, double min, double max);
std::optional<bool> check_boolean(const FileContext&, const ValueText&);
/// Index of the text in `words`.
std::optional<size_t> check_choice(const FileContext&, const ValueText&,
                                   std::span<const std::string_view> words);

enum class Need : uint8_t { optional, required };

class MapReader {
  public:
    /// `node` must outlive the reader; what is no map is reported and read as an empty one.
    /// `path` stands before the keys in messages and is empty at the top.
    MapReader(const YamlNode& node, std::string path, const FileContext& context);

    [[nodiscard]] const FileContext& context() const noexcept { return context_; }
    [[nodiscard]] Position at() const noexcept { return node_.at; }
    /// `path.key`, as messages name a field.
    [[nodiscard]] std::string label(std::string_view key) const;
    void error(Position at, std::string_view key, std::string_view text,
               std::string remedy = {}) const;

    /// The value of a key that is present and not null; marks the key as known.
    const YamlNode* take(std::string_view key, Need need = Need::optional);
    /// Whether the key has been asked for.
    [[nodiscard]] bool knows(std::string_view key) const noexcept;
    /// Position of the key itself, for values whose absence is the fault.
    [[nodiscard]] Position key_position(std::string_view key) const noexcept;

    // Each returns whether the key was there with a good value.
    bool text(std::string_view key, Located<std::string>& out, Need need = Need::optional);
    bool duration(std::string_view key, Located<uint64_t>& out, Range range = {});
    bool size(std::string_view key, Located<uint64_t>& out, Range range = {});
    bool number(std::string_view key, Located<uint64_t>& out, Range range = {});
    bool real(std::string_view key, Located<double>& out, double min, double max);
    bool boolean(std::string_view key, Located<bool>& out);
    /// A list of texts, at most `most` of them; one text alone counts as a list of one.
    bool texts(std::string_view key, std::vector<Located<std::string>>& out,
               size_t most = texts_max);
    /// Lists are compared item by item with each other in places, so they stay small.
    static constexpr size_t texts_max = 1024;
    /// Any value, as JSON.
    bool json(std::string_view key, std::string& out);

    template <typename Enum, size_t N>
    bool choice(std::string_view key, Located<Enum>& out,
                const std::array<std::pair<std::string_view, Enum>, N>& words) {
        std::array<std::string_view, N> names;
        for (size_t i = 0; i < N; ++i) names[i] = words[i].first;
        Position at;
        auto index = choice_index(key, names, at);
        if (index) out = {words[*index].second, at};
        return index.has_value();
    }

    /// Pairs whose key nobody asked for, in the order of the file.
    struct Rest {
        const YamlNode* key;
        const YamlNode* value;
    };
    [[nodiscard]] std::vector<Rest> rest() const;
    /// Reports each key of rest() unless `is_declared` has it: an error when it is one letter away
    /// from a known key of five letters or more, else a warning.
    void finish(std::span<const std::string_view> declared = {}) const;

  private:
    const YamlNode* take_scalar(std::string_view key, Need need);
    std::optional<size_t> choice_index(std::string_view key,
                                       std::span<const std::string_view> names, Position& at);

    template <typename T, typename Check>
    bool checked(std::string_view key, Located<T>& out, Check check);

    const YamlNode& node_;
    std::string path_;
    FileContext context_;
    std::vector<std::string_view> asked_;
};

/// The texts of a list node; wrong items are reported and left out.
[[nodiscard]] std::vector<Located<std::string>> read_texts(const FileContext& context,
                                                           std::string_view label,
                                                           const YamlNode& node);

}  // namespace ringtime::config
