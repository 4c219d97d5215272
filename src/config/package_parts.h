#pragma once
// The steps of loading packages; used by packages.cpp only. Each adds what is wrong to
// `diagnostics` and leaves the rest usable, so that every step can run.

#include <string>
#include <string_view>
#include <vector>

#include "config/packages.h"

namespace ringtime::config {

/// Packages of all search folders and of `mounts:`, in the order they were found.
[[nodiscard]] std::vector<Package> find_packages(const Environment& environment,
                                                 const Settings& settings,
                                                 const YamlNode& runtime_config,
                                                 Diagnostics& diagnostics);

/// Fills in default entrypoints and bases, and checks that every named file is there, is a file,
/// and lies inside its package.
void resolve_files(std::vector<Package>& packages, const Settings& settings,
                   Diagnostics& diagnostics);

/// Rules between packages and against the settings: names, bases, hosts, public routes, grants.
void check_rules(std::vector<Package>& packages, const std::vector<Package>& disabled,
                 const Settings& settings, Diagnostics& diagnostics);

/// Load order. `disabled` only makes the message about a missing dependency clearer.
void order_packages(std::vector<Package>& packages, const std::vector<Package>& disabled,
                    Diagnostics& diagnostics);

/// Where a message about the whole package points to.
[[nodiscard]] Position package_position(const Package& package) noexcept;

}  // namespace ringtime::config
