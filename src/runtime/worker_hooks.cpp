#include "runtime/worker_hooks.h"

#include "hook/plugin_set.h"

namespace ringtime::runtime {
namespace {

// An app that no mount leads to any more: its last workers are ending.
constexpr ringtime_app kGone{sizeof(ringtime_app), 0, {nullptr, 0}, {nullptr, 0}, {nullptr, 0},
                             {nullptr, 0}};

}  // namespace

const ringtime_app* WorkerHooks::app_of(const worker::WorkerView& worker) const noexcept {
    for (const exchange::Mount& mount : snapshot_->mounts) {
        if (mount.kind == exchange::TargetKind::worker && mount.target == worker.app_index)
            return &mount.app;
    }
    return &kGone;
}

void WorkerHooks::worker_spawned(const worker::WorkerView& worker) {
    if (!snapshot_ || !snapshot_->plugins) return;
    snapshot_->plugins->worker_spawned(
        {sizeof(ringtime_worker), worker.pid, app_of(worker), 0, 0});
}

void WorkerHooks::worker_terminated(const worker::WorkerView& worker, std::string_view) {
    if (!snapshot_ || !snapshot_->plugins) return;
    snapshot_->plugins->worker_terminated(
        {sizeof(ringtime_worker), worker.pid, app_of(worker), worker.wait_status, 0});
}

}  // namespace ringtime::runtime
