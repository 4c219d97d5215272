#pragma once
// Runs a scenario in one fresh world per seed. Whatever goes wrong, crashes included, the seed is
// printed with the line that replays it. Environment: RINGTIME_SIM_SEED=n runs that seed alone,
// RINGTIME_SIM_SEEDS=n runs the seeds 1 to n instead of the suite's own number,
// RINGTIME_SIM_TRACE=1 prints every event.

#include <functional>

#include "ring/sim/sim_world.h"

namespace ringtime::ring {

using SimScenario = std::function<void(SimWorld&)>;

/// Runs seeds 1 to `count` until one fails: by a breach of the world's rules, or because `failed`
/// (the test framework's own opinion) says so after it. True when none did.
[[nodiscard]] bool run_seeds(unsigned count, const SimScenario& scenario,
                             const std::function<bool()>& failed = {});

}  // namespace ringtime::ring
