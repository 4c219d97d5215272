#pragma once
// The variables a worker process starts with: nothing is inherited. Pure.

#include <string>
#include <vector>

#include "worker/spec.h"

namespace ringtime::worker {

/// `NAME=value` for one worker: what all get, and above that what its app gets.
[[nodiscard]] std::vector<std::string> make_environment(const AppSpec& app,
                                                        const SupervisorOptions& options,
                                                        uint32_t worker);

}  // namespace ringtime::worker
