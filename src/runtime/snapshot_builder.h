#pragma once
// From a checked configuration to a snapshot: compiles routes, upstreams and sites. What is wrong between
// packages (one base twice, a glob that cannot be compiled) is added to the diagnostics, naming the lines
// of both.

#include <memory>

#include "config/packages.h"
#include "exchange/snapshot.h"

namespace ringtime::runtime {

/// Null when there was an error. `epoch` tells snapshots apart.
[[nodiscard]] std::shared_ptr<exchange::Snapshot> build_snapshot(
    const config::Configuration& configuration, uint64_t epoch, config::Diagnostics& diagnostics);

}  // namespace ringtime::runtime
