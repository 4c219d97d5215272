// What a manifest says about a static site.

#include <fmt/core.h>

#include <algorithm>

#include "config/manifest_parts.h"
#include "config/words.h"

namespace ringtime::config {
namespace {

constexpr size_t kCacheRulesMax = 32;
constexpr size_t kCacheControlBytesMax = 512;

bool is_header_value(std::string_view text) noexcept {
    return !text.empty() && text.size() <= kCacheControlBytesMax &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

void read_cache_rule(MapReader& map, const Located<std::string>& glob, const YamlNode& value,
                     SiteOptions& site) {
    if (!check_glob(map.context(), map.label("cacheControl"), glob)) return;
    if (value.kind == YamlNode::Kind::scalar && is_header_value(value.text)) {
        site.cache_control.push_back({*glob, value.text});
        return;
    }
    std::string what = value.kind == YamlNode::Kind::scalar ? quote(value.text)
                                                            : std::string(describe(value.kind));
    map.error(value.at, "cacheControl", fmt::format("{} is not a header's value", what),
              "expected directives such as \"public, max-age=3600\"");
}

}  // namespace

void read_site(MapReader& map, SiteOptions& site) {
    Located<bool> inject_base{site.inject_base, {}};
    if (map.boolean("injectBase", inject_base)) site.inject_base = *inject_base;
    Located<bool> compress{site.compress, {}};
    if (map.boolean("compress", compress)) site.compress = *compress;

    const YamlNode* node = map.take("cacheControl");
    if (!node) return;
    if (node->kind != YamlNode::Kind::map)
        return read_cache_rule(map, {"/**", node->at}, *node, site);
    if (node->items.size() / 2 > kCacheRulesMax)
        return map.error(node->at, "cacheControl", "there are too many globs", "at most 32");
    for (size_t i = 0; i + 1 < node->items.size(); i += 2) {
        const YamlNode& glob = node->items[i];
        read_cache_rule(map, {glob.text, glob.at}, node->items[i + 1], site);
    }
}

}  // namespace ringtime::config
