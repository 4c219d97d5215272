#pragma once
// What serves at one time: the configuration as it was read, and what was compiled of it. Made by
// the control thread, never changed once cores use it, and shared: whoever asks the reloader for it
// (the admin API, explanations) may look at it for as long as needed, on any thread but a core's.

#include <cstdint>
#include <memory>
#include <vector>

#include "config/packages.h"
#include "exchange/snapshot.h"
#include "worker/spec.h"

namespace ringtime::runtime {

struct Published {
    uint64_t epoch = 0;  ///< 1 is what the gateway started with; each reload that changes counts.
    config::Configuration configuration;
    std::shared_ptr<exchange::Snapshot> snapshot;
    std::vector<worker::AppSpec> apps;
    /// The supervisor's of each of `apps`; the control thread's: one that was removed is none.
    std::vector<uint32_t> app_numbers;
    static constexpr uint32_t no_app = UINT32_MAX;
};

}  // namespace ringtime::runtime
