#pragma once
// From an environment to a checked configuration: finds every package of the plugin and worker
// folders and every mount of RUNTIME_CONFIG, reads the manifests, checks them one by one and
// against each other, and puts them in load order. The same folders give the same order on every
// machine.
//
//     LoadResult result = load_configuration(environment);
//     if (!result.diagnostics.ok()) { print(result.diagnostics.render()); return 1; }

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostic.h"
#include "config/environment.h"
#include "config/manifest.h"
#include "config/settings.h"

namespace ringtime::config {

enum class PackageKind : uint8_t {
    plugin,  ///< From a folder of RUNTIME_PLUGIN_DIRS.
    app,     ///< From a folder of RUNTIME_WORKER_DIRS.
    mount,   ///< From `mounts:` of RUNTIME_CONFIG.
};
[[nodiscard]] std::string_view kind_name(PackageKind kind) noexcept;

struct Package {
    PackageKind kind = PackageKind::plugin;
    Manifest manifest;
    std::string folder;  ///< Absolute; symbolic links kept, so that a release may be switched.
    std::string entrypoint_file;    ///< Absolute path of the entrypoint; empty without one.
    std::string plugin_entry_file;  ///< Absolute path of the native plugin; empty without one.
    size_t folder_order = 0;        ///< Which search folder, in the order of the lists.
};

/// A public route with the base put before it where it is relative: what the route table compiles.
[[nodiscard]] std::string absolute_glob(const Package& package, const PublicRoute& route);

struct Configuration {
    Settings settings;
    std::vector<Package> packages;  ///< Load order: a dependency stands before what needs it.
    std::vector<Package> disabled;  ///< `enabled: false`; read, but their files are not checked.
};

struct LoadResult {
    Configuration configuration;
    Diagnostics diagnostics;  ///< With errors the configuration must not be used.
};

[[nodiscard]] LoadResult load_configuration(const Environment& environment);

}  // namespace ringtime::config
