#include "json.h"

#include <algorithm>

namespace authn {
namespace {

using simdjson::dom::element;

constexpr size_t kDepthMost = 16;

/// The depth is bounded by the parser's.
bool says_nothing_twice(element value) {
    simdjson::dom::array list;
    if (value.get(list) == simdjson::SUCCESS) {
        for (element each : list) {
            if (!says_nothing_twice(each)) return false;
        }
        return true;
    }
    JsonObject object;
    if (value.get(object) != simdjson::SUCCESS) return true;
    std::vector<std::string_view> names;
    for (simdjson::dom::key_value_pair member : object) {
        names.push_back(member.key);
        if (!says_nothing_twice(member.value)) return false;
    }
    std::sort(names.begin(), names.end());
    return std::adjacent_find(names.begin(), names.end()) == names.end();
}

/// A name with dots of its own (`https://x.example/roles`) is a member before it is a path.
bool find(const JsonObject& object, std::string_view path, element& out) {
    if (object.at_key(path).get(out) == simdjson::SUCCESS) return true;
    for (size_t dot = path.find('.'); dot != path.npos; dot = path.find('.', dot + 1)) {
        JsonObject inner;
        if (object.at_key(path.substr(0, dot)).get(inner) == simdjson::SUCCESS)
            return find(inner, path.substr(dot + 1), out);
    }
    return false;
}

void add_words(std::string_view text, std::vector<std::string_view>& out) {
    while (!text.empty()) {
        std::string_view word = text.substr(0, text.find(' '));
        text.remove_prefix(std::min(text.size(), word.size() + 1));
        if (!word.empty()) out.push_back(word);
    }
}

}  // namespace

JsonReader::JsonReader(size_t bytes_max) : bytes_max_(bytes_max), parser_(bytes_max) {}

std::optional<JsonObject> JsonReader::object(std::string_view text) {
    // An empty text may have no address, and the parser copies from it.
    if (text.empty() || text.size() > bytes_max_) return std::nullopt;
    if (parser_.capacity() == 0 &&
        parser_.allocate(bytes_max_, kDepthMost) != simdjson::SUCCESS)
        return std::nullopt;
    element root;
    JsonObject object;
    if (parser_.parse(text.data(), text.size()).get(root) != simdjson::SUCCESS ||
        root.get(object) != simdjson::SUCCESS || !says_nothing_twice(root))
        return std::nullopt;
    return object;
}

Member string_member(const JsonObject& object, std::string_view name, std::string_view& out) {
    element value;
    if (object.at_key(name).get(value) != simdjson::SUCCESS) return Member::absent;
    return value.get(out) == simdjson::SUCCESS ? Member::of_type : Member::of_other_type;
}

Member number_member(const JsonObject& object, std::string_view name, double& out) {
    element value;
    if (object.at_key(name).get(value) != simdjson::SUCCESS) return Member::absent;
    return value.get(out) == simdjson::SUCCESS ? Member::of_type : Member::of_other_type;
}

Member strings_member(const JsonObject& object, std::string_view path,
                      OneString one_string, std::vector<std::string_view>& out) {
    element value;
    if (!find(object, path, value)) return Member::absent;
    std::string_view one;
    if (value.get(one) == simdjson::SUCCESS) {
        if (one_string == OneString::words) {
            add_words(one, out);
        } else {
            out.push_back(one);
        }
        return Member::of_type;
    }
    simdjson::dom::array list;
    if (value.get(list) != simdjson::SUCCESS) return Member::of_other_type;
    for (element each : list) {
        if (each.get(one) != simdjson::SUCCESS) return Member::of_other_type;
        out.push_back(one);
    }
    return Member::of_type;
}

}  // namespace authn
