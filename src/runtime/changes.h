#pragma once
// What differs between what is in force and what would be, by name: routes and public routes,
// plugins and where their hooks run, apps, sites, upstreams. Compares what was compiled, so a
// manifest that only reads differently is no change.

#include "runtime/published.h"
#include "runtime/reload_report.h"

namespace ringtime::runtime {

/// Adds to `report.changes`. `after` need not be connected with plugins and workers yet.
void describe_changes(const Published& before, const Published& after, ReloadReport& report);

/// Adds a warning for each setting that differs and takes effect only at the next start.
void warn_of_fixed_settings(const config::Settings& before, const config::Settings& after,
                            ReloadReport& report);

}  // namespace ringtime::runtime
