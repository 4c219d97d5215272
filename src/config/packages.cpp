#include "config/packages.h"

#include <utility>

#include "config/overrides.h"
#include "config/package_parts.h"

namespace ringtime::config {
namespace {

/// Packages with `enabled: false` out of `packages`, in their order.
std::vector<Package> take_disabled(std::vector<Package>& packages) {
    std::vector<Package> enabled;
    std::vector<Package> disabled;
    enabled.reserve(packages.size());
    for (Package& package : packages) {
        (package.manifest.enabled ? enabled : disabled).push_back(std::move(package));
    }
    packages = std::move(enabled);
    return disabled;
}

}  // namespace

std::string_view kind_name(PackageKind kind) noexcept {
    switch (kind) {
        case PackageKind::plugin:
            return "plugin";
        case PackageKind::app:
            return "app";
        case PackageKind::mount:
            return "mount";
    }
    return "package";
}

std::string absolute_glob(const Package& package, const PublicRoute& route) {
    bool absolute = package.kind == PackageKind::plugin || package.manifest.plugin_entry.given();
    const std::string& base = *package.manifest.base;
    if (absolute || base == "/") return *route.glob;
    return base + *route.glob;
}

LoadResult load_configuration(const Environment& environment) {
    LoadResult result;
    Diagnostics& diagnostics = result.diagnostics;
    Settings& settings = result.configuration.settings;
    std::vector<Package>& packages = result.configuration.packages;
    YamlNode runtime_config = load_runtime_config(environment, diagnostics);
    settings = resolve_settings(environment, runtime_config, diagnostics);
    packages = find_packages(environment, settings, runtime_config, diagnostics);
    apply_overrides(load_overrides(settings.data_dir, diagnostics), settings.data_dir, packages,
                    diagnostics);
    result.configuration.disabled = take_disabled(packages);
    resolve_files(packages, settings, diagnostics);
    check_rules(packages, result.configuration.disabled, settings, diagnostics);
    order_packages(packages, result.configuration.disabled, diagnostics);
    bool nothing = packages.empty() && settings.worker_dirs.empty() && diagnostics.ok();
    if (nothing) {
        diagnostics.error(
            "environment", {}, "there is nothing to serve",
            "set RUNTIME_WORKER_DIRS to the folders of your apps, RUNTIME_PLUGIN_DIRS to those "
            "of plugins, or RUNTIME_CONFIG to a file with mounts");
    }
    return result;
}

}  // namespace ringtime::config
