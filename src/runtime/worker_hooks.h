#pragma once
// Tells plugins about worker processes: connects the supervisor to the plugins of the snapshot that
// is in use. Main thread only, as the supervisor is.

#include <memory>

#include "exchange/snapshot.h"
#include "worker/supervisor.h"

namespace ringtime::runtime {

class WorkerHooks final : public worker::Supervisor::Listener {
 public:
    /// From here on its plugins are told. Null: nobody is.
    void use(std::shared_ptr<exchange::Snapshot> snapshot) noexcept {
        snapshot_ = std::move(snapshot);
    }

    void worker_spawned(const worker::WorkerView& worker) override;
    void worker_terminated(const worker::WorkerView& worker, std::string_view reason) override;

 private:
    [[nodiscard]] const ringtime_app* app_of(const worker::WorkerView& worker) const noexcept;

    std::shared_ptr<exchange::Snapshot> snapshot_;
};

}  // namespace ringtime::runtime
