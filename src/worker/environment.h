#pragma once
// The variables a worker process starts with: nothing is inherited. Pure.

#include <string>
#include <string_view>
#include <vector>

#include "worker/spec.h"

namespace ringtime::worker {

/// Whether a manifest may not set this name: it looks like a secret of the operator's.
[[nodiscard]] bool is_blocked_variable(std::string_view name) noexcept;

/// `NAME=value` for one worker. `blocked` receives the names that were left out.
[[nodiscard]] std::vector<std::string> make_environment(const AppSpec& app,
                                                        const SupervisorOptions& options,
                                                        uint32_t worker,
                                                        std::vector<std::string>& blocked);

}  // namespace ringtime::worker
