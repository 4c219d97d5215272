#include "config/overrides.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/json.h"
#include "config/yaml_reader.h"
#include "config/yaml_tree.h"

namespace ringtime::config {
namespace {

/// As many packages as anybody has, and no more than a file by our own hand would hold.
constexpr YamlLimits kOverrideLimits{4U << 20, 400'000, 4, 100'000};

}  // namespace

std::string overrides_file(std::string_view data_folder) {
    return std::string(data_folder) + "/overrides.yaml";
}

Overrides load_overrides(std::string_view data_folder, Diagnostics& diagnostics) {
    Overrides overrides;
    std::string file = overrides_file(data_folder);
    struct stat status {};
    if (::lstat(file.c_str(), &status) != 0) return overrides;
    YamlNode root;
    if (!load_yaml(file, file, kOverrideLimits, root, diagnostics)) return overrides;
    if (root.kind == YamlNode::Kind::null) return overrides;
    MapReader top(root, "", {file, diagnostics});
    const YamlNode* enabled = top.take("enabled");
    top.finish();
    if (!enabled) return overrides;
    MapReader map(*enabled, "enabled", {file, diagnostics});
    for (const MapReader::Rest& pair : map.rest()) {
        std::string label = map.label(pair.key->text);
        auto value = check_boolean({file, diagnostics}, {label, pair.value->text, pair.value->at});
        if (value) overrides.enabled[pair.key->text] = {*value, pair.key->at};
    }
    return overrides;
}

void apply_overrides(const Overrides& overrides, std::string_view data_folder,
                     std::vector<Package>& packages, Diagnostics& diagnostics) {
    std::map<std::string_view, bool> met;
    for (const auto& [name, value] : overrides.enabled) met[name] = false;
    for (Package& package : packages) {
        auto found = overrides.enabled.find(*package.manifest.name);
        if (found == overrides.enabled.end()) continue;
        package.manifest.enabled = *found->second;
        met[found->first] = true;
    }
    for (const auto& [name, seen] : met) {
        if (seen) continue;
        diagnostics.warning(overrides_file(data_folder), overrides.enabled.find(name)->second.at,
                            fmt::format("enabled: there is no package {}", quote(name)),
                            "it is left out");
    }
}

std::string overrides_text(const Overrides& overrides) {
    std::string text =
        "# Written by ringtime: what was enabled or disabled while it ran. It wins over `enabled`\n"
        "# in the manifests.\n";
    if (!overrides.enabled.empty()) text += "enabled:\n";
    for (const auto& [name, value] : overrides.enabled) {
        text += "  ";
        append_json_string(text, name);
        text += *value ? ": true\n" : ": false\n";
    }
    return text;
}

}  // namespace ringtime::config
