#include "config/manifest.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "config/manifest_parts.h"
#include "config/words.h"
#include "config/yaml_reader.h"

namespace ringtime::config {
namespace {

constexpr size_t kBaseSegmentsMax = 16;
constexpr size_t kGlobBytesMax = 1024;
constexpr size_t kNameBytesMax = 128;

bool is_lower_or_digit(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool is_slug(std::string_view text) noexcept {
    return !text.empty() && std::all_of(text.begin(), text.end(),
                                        [](char c) { return is_lower_or_digit(c) || c == '-'; });
}

bool is_base_byte(char c) noexcept {
    return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') ||
           std::string_view("._~@-").find(c) != std::string_view::npos;
}

/// What the base was probably meant to be; empty when that is no base either.
std::string repaired_base(std::string_view text) {
    std::string base(text);
    while (base.size() > 1 && base.back() == '/') base.pop_back();
    if (base.empty() || base.front() != '/') base.insert(base.begin(), '/');
    return is_base(base) && base != text ? base : std::string{};
}

void read_identity(MapReader& map, ManifestPlace place, Manifest& manifest) {
    bool may_lack_name = place == ManifestPlace::runtime_config;
    if (map.text("name", manifest.name, may_lack_name ? Need::optional : Need::required)) {
        auto short_name = short_name_of(*manifest.name);
        if (short_name) {
            manifest.short_name = *short_name;
        } else {
            map.error(manifest.name.at, "name",
                      fmt::format("{} is not allowed", quote(*manifest.name)),
                      "expected x or @scope/x of lower-case letters, digits and -");
        }
    }
    Located<std::string> version;
    if (map.text("version", version)) {
        auto parsed = parse_version(*version);
        if (parsed) {
            manifest.version = {*parsed, version.at};
        } else {
            map.error(version.at, "version", fmt::format("{} is not a version", quote(*version)),
                      "expected three numbers such as 1.4.0 (or 2.0.0-rc.1), or latest");
        }
    }
    Located<bool> enabled{true, {}};
    map.boolean("enabled", enabled);
    manifest.enabled = *enabled;
}

void read_base(MapReader& map, Manifest& manifest) {
    if (!map.text("base", manifest.base)) return;
    if (is_base(*manifest.base)) return;
    std::string repaired = repaired_base(*manifest.base);
    map.error(manifest.base.at, "base", fmt::format("{} is not a base path", quote(*manifest.base)),
              repaired.empty()
                  ? fmt::format("expected / or up to {} segments of letters, digits and ._~@-",
                                kBaseSegmentsMax)
                  : fmt::format("did you mean \"{}\"?", repaired));
    manifest.base = {};
}

/// `example.com`, `*.example.com`, `[::1]`; lower case.
bool is_host_pattern(std::string_view host) noexcept {
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        return host.find_first_not_of("0123456789abcdef:.", 1) == host.size() - 1;
    }
    if (host.substr(0, 2) == "*.") host.remove_prefix(2);
    if (host.empty() || host.size() > 253) return false;
    size_t label = 0;
    for (char c : host) {
        if (c == '.') {
            if (label == 0) return false;
            label = 0;
        } else {
            bool good = is_lower_or_digit(c) || c == '-' || c == '_';
            if (!good || ++label > 63) return false;
        }
    }
    return label != 0;
}

void read_hosts(MapReader& map, Manifest& manifest) {
    map.texts("hosts", manifest.hosts);
    for (size_t i = 0; i < manifest.hosts.size(); ++i) {
        Located<std::string>& host = manifest.hosts[i];
        std::transform(host.value.begin(), host.value.end(), host.value.begin(),
                       [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
        if (!is_host_pattern(*host)) {
            bool with_port = host->front() != '[' && host->find(':') != std::string::npos;
            map.error(host.at, "hosts", fmt::format("{} is not a host", quote(*host)),
                      with_port ? "write it without a port"
                                : "expected example.com, or *.example.com for all below it");
        }
        for (size_t j = 0; j < i; ++j) {
            if (*manifest.hosts[j] != *host) continue;
            map.error(host.at, "hosts", fmt::format("{} stands here a second time", quote(*host)));
            break;
        }
    }
}

/// A path inside the package: relative and without `..`. The operator's own file may name any
/// place.
void read_path(MapReader& map, std::string_view key, ManifestPlace place,
               Located<std::string>& out) {
    if (!map.text(key, out)) return;
    bool absolute = !out->empty() && out->front() == '/';
    std::string padded = "/" + *out + "/";
    bool climbs = padded.find("/../") != std::string::npos;
    bool is_folder = out->empty() || out->back() == '/';
    bool outside = place != ManifestPlace::runtime_config && (absolute || climbs);
    if (!outside && !is_folder) return;
    map.error(out.at, key, fmt::format("{} is not a file of the package", quote(*out)),
              "expected a path below the manifest's folder, such as dist/index.html");
    out.value.clear();  // Still given: nothing is searched in its stead.
}

void read_route_list(MapReader& map, const std::string& method, const std::string& label,
                     const YamlNode& node, Manifest& manifest) {
    for (auto& glob : read_texts(map.context(), label, node)) {
        if (!check_glob(map.context(), label, glob)) continue;
        manifest.public_routes.push_back({method, std::move(glob)});
    }
}

void read_public_routes(MapReader& map, Manifest& manifest) {
    static constexpr std::array<std::string_view, 8> methods{"ALL", "GET",   "HEAD",   "POST",
                                                             "PUT", "PATCH", "DELETE", "OPTIONS"};
    const YamlNode* node = map.take("publicRoutes");
    if (!node) return;
    if (node->kind != YamlNode::Kind::map) {
        read_route_list(map, "", "publicRoutes", *node, manifest);
        return;
    }
    for (size_t i = 0; i + 1 < node->items.size(); i += 2) {
        const YamlNode& method = node->items[i];
        if (!check_choice(map.context(), {"publicRoutes", method.text, method.at}, methods))
            continue;
        read_route_list(map, method.text == "ALL" ? "" : method.text, "publicRoutes." + method.text,
                        node->items[i + 1], manifest);
    }
}

void read_names(MapReader& map, std::string_view key, std::vector<Located<std::string>>& out) {
    map.texts(key, out);
    for (size_t i = 0; i < out.size(); ++i) {
        if (!short_name_of(*out[i])) {
            map.error(out[i].at, key, fmt::format("{} is not a package's name", quote(*out[i])),
                      "expected x or @scope/x of lower-case letters, digits and -");
        }
        bool twice = std::any_of(out.begin(), out.begin() + static_cast<ptrdiff_t>(i),
                                 [&](const auto& other) { return *other == *out[i]; });
        if (twice) {
            map.error(out[i].at, key, fmt::format("{} stands here a second time", quote(*out[i])));
        }
    }
}

void read_env(MapReader& map, Manifest& manifest) {
    const YamlNode* node = map.take("env");
    if (!node) return;
    manifest.env_at = map.key_position("env");
    MapReader env(*node, "env", map.context());
    Variables wanted;
    for (const MapReader::Rest& pair : env.rest()) {
        const std::string& name = pair.key->text;
        bool is_value =
            pair.value->kind == YamlNode::Kind::scalar || pair.value->kind == YamlNode::Kind::null;
        if (!is_variable_name(name)) {
            map.error(pair.key->at, "env", fmt::format("{} is not a variable's name", quote(name)),
                      "expected letters, digits and _, no digit first");
        } else if (is_gateway_variable(name)) {
            map.error(pair.key->at, "env", fmt::format("{} cannot be set", quote(name)),
                      "the gateway sets it itself");
        } else if (!is_value) {
            map.error(pair.value->at, "env",
                      fmt::format("{} is {}", quote(name), describe(pair.value->kind)),
                      "expected one value");
        } else {
            wanted.emplace_back(name,
                                pair.value->kind == YamlNode::Kind::null ? "" : pair.value->text);
        }
    }
    FilteredEnvironment filtered = filter_worker_environment(wanted);
    manifest.env = std::move(filtered.kept);
    manifest.env_blocked = std::move(filtered.blocked);
}

void read_choices(MapReader& map, Manifest& manifest) {
    static constexpr std::array<std::pair<std::string_view, Visibility>, 3> visibilities{
        {{"public", Visibility::public_},
         {"protected", Visibility::protected_},
         {"internal", Visibility::internal}}};
    static constexpr std::array<std::pair<std::string_view, OnFailure>, 2> failures{
        {{"abort", OnFailure::abort}, {"isolate", OnFailure::isolate}}};
    Located<Visibility> visibility;
    map.choice("visibility", visibility, visibilities);
    manifest.visibility = *visibility;
    Located<OnFailure> on_failure;
    map.choice("onFailure", on_failure, failures);
    manifest.on_failure = *on_failure;
}

void read_menus(MapReader& map, Manifest& manifest) {
    const YamlNode* node = map.take("menus");
    if (!node) return;
    if (node->kind != YamlNode::Kind::sequence) {
        map.error(node->at, "menus", fmt::format("is {}", describe(node->kind)), "expected a list");
        return;
    }
    manifest.menus_json.clear();
    append_json(manifest.menus_json, *node);
}

void read_body_limit(MapReader& map, Manifest& manifest) {
    const YamlNode* node = map.take("maxBodySize");
    if (node && node->kind == YamlNode::Kind::scalar && node->text == "unlimited") {
        manifest.max_body_bytes = {UINT64_MAX, node->at};
        return;
    }
    map.size("maxBodySize", manifest.max_body_bytes, {0, uint64_t{1} << 50});
}

/// What can be said without looking at files.
void check_targets(MapReader& map, ManifestPlace place, const Manifest& manifest) {
    if (manifest.upstream && manifest.entrypoint.given()) {
        map.error(manifest.entrypoint.at, "entrypoint", "cannot stand beside upstream",
                  fmt::format("a base has one target: remove this or upstream on line {}",
                              manifest.upstream->at.line));
    }
    if (place == ManifestPlace::app_folder && manifest.plugin_entry.given()) {
        map.error(manifest.plugin_entry.at, "pluginEntry", "is not allowed in a folder of apps",
                  "native plugins are loaded from RUNTIME_PLUGIN_DIRS only");
    }
    bool needs_base = place != ManifestPlace::app_folder;
    bool has_target = manifest.upstream || manifest.entrypoint.given();
    bool base_missing = !map.take("base");  // A wrong one has been reported.
    if (needs_base && has_target && base_missing) {
        Position at = manifest.upstream ? manifest.upstream->at : manifest.entrypoint.at;
        map.context().diagnostics.error(map.context().file, at,
                                        manifest.upstream
                                            ? "upstream has no base to be mounted at"
                                            : "entrypoint has no base to be mounted at",
                                        "add a line such as base: /shop");
    }
}

}  // namespace

EntrypointKind entrypoint_kind(std::string_view path) noexcept {
    size_t slash = path.rfind('/');
    std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
    size_t dot = name.rfind('.');
    std::string_view extension =
        dot == std::string_view::npos ? std::string_view{} : name.substr(dot);
    if (path.empty()) return EntrypointKind::none;
    if (extension == ".html" || extension == ".htm") return EntrypointKind::site;
    if (extension == ".so") return EntrypointKind::module;
    for (std::string_view script : {".js", ".mjs", ".cjs", ".ts", ".mts", ".jsx", ".tsx"}) {
        if (extension == script) return EntrypointKind::javascript;
    }
    return EntrypointKind::program;
}

std::optional<std::string> short_name_of(std::string_view name) {
    if (name.size() > kNameBytesMax) return std::nullopt;
    if (!name.empty() && name.front() == '@') {
        size_t slash = name.find('/');
        if (slash == std::string_view::npos || !is_slug(name.substr(1, slash - 1)))
            return std::nullopt;
        name.remove_prefix(slash + 1);
    }
    if (!is_slug(name)) return std::nullopt;
    static constexpr std::string_view prefix = "plugin-";
    if (name.size() > prefix.size() && name.substr(0, prefix.size()) == prefix) {
        name.remove_prefix(prefix.size());
    }
    return std::string(name);
}

bool is_base(std::string_view base) noexcept {
    if (base == "/") return true;
    if (base.empty() || base.front() != '/') return false;
    size_t segments = 0;
    while (!base.empty()) {
        base.remove_prefix(1);
        std::string_view segment = base.substr(0, base.find('/'));
        bool good = !segment.empty() && segment != "." && segment != ".." &&
                    std::all_of(segment.begin(), segment.end(), is_base_byte);
        if (!good || ++segments > kBaseSegmentsMax) return false;
        base.remove_prefix(segment.size());
    }
    return true;
}

bool is_under(std::string_view path, std::string_view base) noexcept {
    if (base == "/") return true;
    if (path.substr(0, base.size()) != base) return false;
    return path.size() == base.size() || path[base.size()] == '/';
}

bool check_glob(const FileContext& context, std::string_view label,
                const Located<std::string>& glob) {
    std::string padded = *glob + "/";
    std::string_view fault;
    if (glob->empty() || glob->front() != '/') {
        fault = "expected a path that begins with /";
    } else if (glob->size() > kGlobBytesMax) {
        fault = "it is longer than 1024 bytes";
    } else if (glob->find_first_of(" \t\r\n#\\") != std::string::npos) {
        fault = "a path holds no space, # or backslash";
    } else if (padded.find("/./") != std::string::npos ||
               padded.find("/../") != std::string::npos) {
        fault = "dot segments are resolved before matching, so it would never match";
    }
    if (fault.empty()) return true;
    context.diagnostics.error(context.file, glob.at,
                              fmt::format("{}: {} is not a glob of paths", label, quote(*glob)),
                              std::string(fault));
    return false;
}

Manifest read_manifest(const YamlNode& node, std::string_view file, ManifestPlace place,
                       const Environment& environment, Diagnostics& diagnostics) {
    Manifest manifest;
    manifest.file = file;
    manifest.at = node.at;
    MapReader map(node, "", FileContext{file, diagnostics});
    read_identity(map, place, manifest);
    read_base(map, manifest);
    read_hosts(map, manifest);
    read_path(map, "entrypoint", place, manifest.entrypoint);
    manifest.entrypoint_kind = entrypoint_kind(*manifest.entrypoint);
    read_path(map, "pluginEntry", place, manifest.plugin_entry);
    read_upstream(map, manifest);
    read_names(map, "dependencies", manifest.dependencies);
    read_names(map, "optionalDependencies", manifest.optional_dependencies);
    read_public_routes(map, manifest);
    read_env(map, manifest);
    read_menus(map, manifest);
    read_body_limit(map, manifest);
    read_worker_options(map, manifest.worker);
    read_sandbox(map, manifest);
    read_hooks(map, manifest);
    read_site(map, manifest.site);
    read_choices(map, manifest);
    check_targets(map, place, manifest);
    read_config(map, environment, manifest);
    return manifest;
}

}  // namespace ringtime::config
