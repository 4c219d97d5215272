#pragma once
// From a checked configuration to what the cores use: compiles routes, upstreams, sites and the
// list of worker apps. What is wrong between packages (one base twice, a glob that cannot be
// compiled) is added to the diagnostics, naming the lines of both. Starts nothing: `ringtime check`
// is this and no more.

#include <memory>
#include <vector>

#include "config/packages.h"
#include "exchange/counters.h"
#include "exchange/snapshot.h"
#include "worker/spec.h"

namespace ringtime::runtime {

struct Compiled {
    std::shared_ptr<exchange::Snapshot> snapshot;  ///< Null when there was an error.
    std::vector<worker::AppSpec> apps;             ///< By the target of worker mounts.
};

/// `epoch` tells snapshots apart. The snapshot's plugins and chains are still empty.
[[nodiscard]] Compiled compile_configuration(const config::Configuration& configuration,
                                             uint64_t epoch, config::Diagnostics& diagnostics);

/// The supervisor's number of each of Compiled::apps: what worker mounts lead to from now on.
void connect_apps(const std::vector<uint32_t>& numbers, exchange::Snapshot& snapshot);

/// Connects mounts with the plugins that stand now, chains and routes, and with their counters.
/// Before the snapshot is used.
void connect_plugins(const config::Configuration& configuration, exchange::Snapshot& snapshot,
                     exchange::RequestCounters& counters);

}  // namespace ringtime::runtime
