#pragma once
// What each folder below needs to know of a package, in its own plain terms: the translation of
// manifests into specs of upstreams, sites, worker apps and plugins.

#include <string>
#include <utility>
#include <vector>

#include "config/packages.h"
#include "hook/plugin.h"
#include "site/site.h"
#include "upstream/upstream.h"
#include "worker/spec.h"

namespace ringtime::runtime {

[[nodiscard]] upstream::UpstreamSpec upstream_spec(const config::Package& package);
[[nodiscard]] site::SiteOptions site_options(const config::Package& package,
                                             const config::Settings& settings);
[[nodiscard]] worker::AppSpec app_spec(const config::Package& package,
                                       const config::Settings& settings);
/// Of every package with native code, in load order.
[[nodiscard]] std::vector<hook::PluginSpec> plugin_specs(
    const config::Configuration& configuration);

/// Variables every worker gets.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> worker_environment(
    const config::Settings& settings);
/// The program workers begin as: beside this one, or where it is installed.
[[nodiscard]] std::string find_worker_host();

}  // namespace ringtime::runtime
