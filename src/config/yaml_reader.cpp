#include "config/yaml_reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "config/values.h"
#include "config/words.h"

namespace ringtime::config {
namespace {

const YamlNode kEmptyMap{YamlNode::Kind::map, false, {}, {}, {}};

constexpr std::string_view kDurationForm =
    "write seconds (30) or a number with a unit (250ms, 30s, 5m, 1h)";
constexpr std::string_view kSizeForm =
    "write bytes (4096) or a number with a unit (10kb, 10mb, 1gb)";

/// Words of YAML 1.1 and of other formats that mean a boolean to people.
std::string_view boolean_meant(std::string_view text) noexcept {
    for (std::string_view word :
         {"yes", "Yes", "YES", "on", "On", "ON", "True", "TRUE", "1", "y"}) {
        if (text == word) return "true";
    }
    for (std::string_view word :
         {"no", "No", "NO", "off", "Off", "OFF", "False", "FALSE", "0", "n"}) {
        if (text == word) return "false";
    }
    return {};
}

template <typename Show>
bool in_range(const FileContext& context, const ValueText& value, uint64_t number, Range range,
              Show show) {
    if (number < range.min) {
        context.diagnostics.error(
            context.file, value.at,
            fmt::format("{}: {} is too small", value.label, quote(value.text)),
            fmt::format("the least is {}", show(range.min)));
        return false;
    }
    if (number > range.max) {
        context.diagnostics.error(
            context.file, value.at,
            fmt::format("{}: {} is too large", value.label, quote(value.text)),
            fmt::format("the most is {}", show(range.max)));
        return false;
    }
    return true;
}

void report_form(const FileContext& context, const ValueText& value, std::string_view noun,
                 std::string_view form) {
    context.diagnostics.error(context.file, value.at,
                              fmt::format("{}: {} is not {}", value.label, quote(value.text), noun),
                              std::string(form));
}

}  // namespace

std::string about(std::string_view label, std::string_view text) {
    bool goes_on = text.substr(0, 3) == "is " || text.substr(0, 7) == "cannot ";
    return fmt::format("{}{}{}", label, goes_on ? " " : ": ", text);
}

std::optional<uint64_t> check_unsigned(const FileContext& context, const ValueText& value,
                                       Range range) {
    auto number = parse_unsigned(value.text);
    auto show = [](uint64_t n) { return std::to_string(n); };
    if (!number) {
        std::string form = range.max == UINT64_MAX
                               ? fmt::format("write digits only, {} or more", range.min)
                               : fmt::format("expected {} to {}", range.min, range.max);
        report_form(context, value, "a whole number", form);
        return std::nullopt;
    }
    if (!in_range(context, value, *number, range, show)) return std::nullopt;
    return number;
}

std::optional<uint64_t> check_duration(const FileContext& context, const ValueText& value,
                                       Range range) {
    auto number = parse_duration_ms(value.text);
    if (!number) {
        report_form(context, value, "a duration", kDurationForm);
        return std::nullopt;
    }
    if (!in_range(context, value, *number, range, duration_text)) return std::nullopt;
    return number;
}

std::optional<uint64_t> check_size(const FileContext& context, const ValueText& value,
                                   Range range) {
    auto number = parse_size_bytes(value.text);
    if (!number) {
        report_form(context, value, "a size", kSizeForm);
        return std::nullopt;
    }
    if (!in_range(context, value, *number, range, size_text)) return std::nullopt;
    return number;
}

std::optional<double> check_number(const FileContext& context, const ValueText& value, double min,
                                   double max) {
    auto number = parse_number(value.text);
    if (!number || *number < min || *number > max) {
        bool bounded = std::isfinite(min) && std::isfinite(max);
        report_form(context, value, number ? "in range" : "a number",
                    bounded ? fmt::format("expected {} to {}", min, max)
                            : std::string("expected digits such as 5 or 0.25"));
        return std::nullopt;
    }
    return number;
}

std::optional<bool> check_boolean(const FileContext& context, const ValueText& value) {
    auto truth = parse_boolean(value.text);
    if (!truth) {
        std::string_view meant = boolean_meant(value.text);
        report_form(
            context, value, "true or false",
            meant.empty() ? std::string() : fmt::format("write {}", meant));
    }
    return truth;
}

std::optional<size_t> check_choice(const FileContext& context, const ValueText& value,
                                   std::span<const std::string_view> words) {
    for (size_t i = 0; i < words.size(); ++i) {
        if (words[i] == value.text) return i;
    }
    std::string remedy = "expected " + join_choices(words);
    if (std::string_view closest = closest_word(value.text, words); !closest.empty()) {
        remedy += fmt::format("; did you mean \"{}\"?", closest);
    }
    context.diagnostics.error(context.file, value.at,
                              fmt::format("{}: {} is unknown", value.label, quote(value.text)),
                              std::move(remedy));
    return std::nullopt;
}

std::vector<Located<std::string>> read_texts(const FileContext& context, std::string_view label,
                                             const YamlNode& node) {
    std::vector<Located<std::string>> texts;
    if (node.kind == YamlNode::Kind::scalar) {
        texts.push_back({node.text, node.at});
        return texts;
    }
    if (node.kind != YamlNode::Kind::sequence) {
        context.diagnostics.error(context.file, node.at,
                                  fmt::format("{} is {}", label, describe(node.kind)),
                                  "expected a list of texts");
        return texts;
    }
    for (const YamlNode& item : node.items) {
        if (item.kind == YamlNode::Kind::scalar) {
            texts.push_back({item.text, item.at});
            continue;
        }
        context.diagnostics.error(context.file, item.at,
                                  fmt::format("{}: an item is {}", label, describe(item.kind)),
                                  "expected a list of texts");
    }
    return texts;
}

MapReader::MapReader(const YamlNode& node, std::string path, const FileContext& context)
    : node_(node.kind == YamlNode::Kind::map ? node : kEmptyMap),
      path_(std::move(path)),
      context_(context) {
    if (node.kind == YamlNode::Kind::map) return;
    std::string name = path_.empty() ? std::string("the file") : path_;
    context_.diagnostics.error(context_.file, node.at,
                               fmt::format("{} is {}", name, describe(node.kind)),
                               "expected a map of keys and values");
}

std::string MapReader::label(std::string_view key) const {
    return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

void MapReader::error(Position at, std::string_view key, std::string_view text,
                      std::string remedy) const {
    context_.diagnostics.error(context_.file, at, about(label(key), text), std::move(remedy));
}

const YamlNode* MapReader::take(std::string_view key, Need need) {
    asked_.push_back(key);
    const YamlNode* value = node_.find(key);
    if (value && value->kind != YamlNode::Kind::null) return value;
    // What is no map at all has been reported once; an empty value is where its key is.
    if (need == Need::required && &node_ != &kEmptyMap) {
        Position at = value ? key_position(key) : node_.at;
        context_.diagnostics.error(context_.file, at, fmt::format("{} is missing", label(key)));
    }
    return nullptr;
}

bool MapReader::knows(std::string_view key) const noexcept {
    return std::find(asked_.begin(), asked_.end(), key) != asked_.end();
}

Position MapReader::key_position(std::string_view key) const noexcept {
    for (size_t i = 0; i + 1 < node_.items.size(); i += 2) {
        if (node_.items[i].text == key) return node_.items[i].at;
    }
    return node_.at;
}

const YamlNode* MapReader::take_scalar(std::string_view key, Need need) {
    const YamlNode* value = take(key, need);
    if (!value || value->kind == YamlNode::Kind::scalar) return value;
    context_.diagnostics.error(context_.file, value->at,
                               fmt::format("{} is {}", label(key), describe(value->kind)),
                               "expected one value");
    return nullptr;
}

bool MapReader::text(std::string_view key, Located<std::string>& out, Need need) {
    const YamlNode* value = take_scalar(key, need);
    if (!value) return false;
    out = {value->text, value->at};
    return true;
}

template <typename T, typename Check>
bool MapReader::checked(std::string_view key, Located<T>& out, Check check) {
    const YamlNode* value = take_scalar(key, Need::optional);
    if (!value) return false;
    std::string name = label(key);
    auto result = check(ValueText{name, value->text, value->at});
    if (result) out = {*result, value->at};
    return result.has_value();
}

bool MapReader::duration(std::string_view key, Located<uint64_t>& out, Range range) {
    return checked(key, out,
                   [&](const ValueText& v) { return check_duration(context_, v, range); });
}

bool MapReader::size(std::string_view key, Located<uint64_t>& out, Range range) {
    return checked(key, out, [&](const ValueText& v) { return check_size(context_, v, range); });
}

bool MapReader::number(std::string_view key, Located<uint64_t>& out, Range range) {
    return checked(key, out,
                   [&](const ValueText& v) { return check_unsigned(context_, v, range); });
}

bool MapReader::real(std::string_view key, Located<double>& out, double min, double max) {
    return checked(key, out,
                   [&](const ValueText& v) { return check_number(context_, v, min, max); });
}

bool MapReader::boolean(std::string_view key, Located<bool>& out) {
    return checked(key, out, [&](const ValueText& v) { return check_boolean(context_, v); });
}

bool MapReader::texts(std::string_view key, std::vector<Located<std::string>>& out, size_t most) {
    const YamlNode* value = take(key);
    if (!value) return false;
    out = read_texts(context_, label(key), *value);
    if (out.size() > most) {
        error(out[most].at, key, fmt::format("more than {} items", most));
        out.resize(most);
    }
    return true;
}

bool MapReader::json(std::string_view key, std::string& out) {
    const YamlNode* value = take(key);
    if (!value) return false;
    out.clear();
    append_json(out, *value);
    return true;
}

std::optional<size_t> MapReader::choice_index(std::string_view key,
                                              std::span<const std::string_view> names,
                                              Position& at) {
    const YamlNode* value = take_scalar(key, Need::optional);
    if (!value) return std::nullopt;
    at = value->at;
    return check_choice(context_, {label(key), value->text, value->at}, names);
}

std::vector<MapReader::Rest> MapReader::rest() const {
    std::vector<Rest> pairs;
    for (size_t i = 0; i + 1 < node_.items.size(); i += 2) {
        const YamlNode& key = node_.items[i];
        if (knows(key.text)) continue;
        pairs.push_back({&key, &node_.items[i + 1]});
    }
    return pairs;
}

void MapReader::finish(std::span<const std::string_view> declared) const {
    constexpr size_t certain_word_min = 5;
    for (const Rest& pair : rest()) {
        std::string_view word = pair.key->text;
        if (std::find(declared.begin(), declared.end(), word) != declared.end()) continue;
        std::string_view closest = closest_word(word, asked_);
        bool certain = closest.size() >= certain_word_min && edit_distance(word, closest) == 1;
        // A plugin may read keys that it does not declare: near one that it does is a hint only.
        if (closest.empty()) closest = closest_word(word, declared);
        std::string text = fmt::format("unknown key {}", quote(label(word)));
        std::string remedy =
            closest.empty() ? std::string{} : fmt::format("did you mean \"{}\"?", closest);
        if (certain) {
            context_.diagnostics.error(context_.file, pair.key->at, std::move(text),
                                       std::move(remedy));
        } else {
            context_.diagnostics.warning(context_.file, pair.key->at, std::move(text),
                                         std::move(remedy));
        }
    }
}

}  // namespace ringtime::config
