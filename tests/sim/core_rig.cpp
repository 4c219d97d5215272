#include "core_rig.h"

#include <utility>

#include "route/table_builder.h"

namespace ringtime::sim {
namespace {

// Longer than any timeout of a connection that is being drained.
constexpr Nanoseconds kDrainTime = 200 * kNanosecondsPerSecond;

std::shared_ptr<exchange::Snapshot> snapshot_of(const CoreSpec& spec) {
    auto snapshot = std::make_shared<exchange::Snapshot>();
    snapshot->timeouts = spec.timeouts;
    upstream::UpstreamSpec upstream = spec.upstream;
    upstream.name = "up";
    for (const uint16_t port : spec.ports) {
        upstream::ServerSpec server;
        server.host = "127.0.0.1";
        server.port = port;
        server.authority = "up.test";
        upstream.servers.push_back(server);
    }
    snapshot->upstreams.push_back(std::make_shared<upstream::Upstream>(upstream));
    exchange::Mount mount;
    mount.name = "up";
    mount.base = "/up";
    mount.kind = exchange::TargetKind::upstream;
    mount.body_bytes_max = UINT64_MAX;
    snapshot->mounts.push_back(mount);
    route::TableBuilder builder;
    builder.add_mount({{}, "/up", 0, 0});
    if (spec.app) {
        mount.name = "app";
        mount.base = "/app";
        mount.kind = exchange::TargetKind::worker;
        snapshot->mounts.push_back(mount);
        snapshot->apps = {0};
        builder.add_mount({{}, "/app", 1, 0});
    }
    snapshot->routes = std::move(builder.build().table);
    ASSERT(snapshot->routes);
    return snapshot;
}

}  // namespace

CoreRig::CoreRig(ring::SimWorld& world, const CoreSpec& spec)
    : world_(world), spec_(spec), access_log_(1 << 20), listener_(world.listen()) {
    std::string problem;
    ring_ = ring::Ring::open(spec.ring, problem);
    ASSERT(ring_);
    reactor_ = std::make_unique<loop::Reactor>(*ring_, 0);
    io_ = std::make_unique<net::Io>(*reactor_);
    upstreams_ = std::make_unique<upstream::CorePool>(*io_);
    exchange::CoreSettings settings;
    settings.connections_max = spec.connections_max;
    settings.spliced_upload_bytes_min = spec.spliced_upload_bytes_min;
    supervisor_ = std::make_unique<worker::Supervisor>(
        worker::SupervisorOptions{.arena_kept_bytes = 4096});
    if (spec.app) ASSERT(supervisor_->add(*spec.app) == 0);
    workers_ = std::make_unique<worker::CorePool>(*reactor_, *supervisor_);
    sites_ = std::make_unique<site::SiteCache>(*reactor_);
    hook_port_ = std::make_unique<hook::ReactorPort>(*reactor_);
    hook_cores_[0].attach(*hook_port_);
    core_ = std::make_unique<exchange::Core>(*io_, *upstreams_, *workers_, *sites_, hook_cores_[0],
                                             access_log_, readiness_, settings);
    snapshot_ = snapshot_of(spec_);
    core_->use(snapshot_);
    core_->add_listener(listener_);
}

CoreRig::~CoreRig() { ASSERT(!core_); }

void CoreRig::expect(bool fact, const std::string& what) {
    if (!fact) world_.violate(what);
}

void CoreRig::publish(Upstreams upstreams) {
    std::shared_ptr<exchange::Snapshot> next = snapshot_of(spec_);
    next->epoch = snapshot_->epoch + 1;
    if (upstreams == Upstreams::carried_over) next->upstreams = snapshot_->upstreams;
    replaced_.push_back(std::exchange(snapshot_, std::move(next)));
    core_->use(snapshot_);
}

void CoreRig::tend() {
    for (auto old = replaced_.begin(); old != replaced_.end();) {
        if (old->use_count() > 1) {
            ++old;
            continue;
        }
        std::shared_ptr<upstream::Upstream> upstream = (*old)->upstreams[0];
        old = replaced_.erase(old);
        bool lives = snapshot_->upstreams[0] == upstream;
        for (const auto& other : replaced_) lives = lives || other->upstreams[0] == upstream;
        // Exchanges may still hold it, and the pool knows it, until its connections are gone.
        if (!lives) leaving_.push_back(std::move(upstream));
    }
    std::erase_if(leaving_, [&](const auto& each) { return upstreams_->forget(*each); });
}

void CoreRig::finish() {
    core_->drain();
    const auto over = [&] {
        upstreams_->drain();
        return core_->drained() && upstreams_->drained();
    };
    if (!run_until(over, kDrainTime)) {
        world_.violate("the core did not drain");
        core_->abort_all();
        if (!run_until(over, kDrainTime)) {
            // Destroying it now would only trip over the first object that is still in use.
            world_.violate("the core did not even end after everything was cut");
            (void)core_.release();
            (void)workers_.release();
            (void)sites_.release();
            (void)upstreams_.release();
            (void)io_.release();
            (void)reactor_.release();
            (void)ring_.release();
            return;
        }
    }
    const auto replaced_gone = [&] {
        tend();
        return replaced_.empty() && leaving_.empty();
    };
    expect(run_until(replaced_gone, kDrainTime), "a replaced snapshot was not let go of");
    const auto pool_full = [&](ring::BufferGroup group) {
        return ring_->buffers(group).available() == ring_->buffers(group).count();
    };
    expect(pool_full(ring::BufferGroup::small), "small buffers did not all come back");
    expect(pool_full(ring::BufferGroup::bulk), "bulk buffers did not all come back");
    expect(io_->send_blocks.used() == 0, "blocks of sends did not all come back");
    expect(io_->texts.used() == 0, "blocks of text did not all come back");
    expect(reactor_->fiber_frames().used() == 0, "frames of fibers did not all come back");
    expect(workers_->in_use() == 0, "what answers of workers take did not all come back");
    expect(world_.open_sockets() == 1, "sockets were left open");
    expect(world_.in_flight() <= 1, "operations were left in flight");
    core_.reset();
    workers_->close();
    const auto left = [&] {
        supervisor_->poll_once(0);
        return workers_->closed();
    };
    expect(run_until(left, kDrainTime), "the worker pool did not close");
    workers_.reset();
    sites_.reset();
    upstreams_.reset();
    io_.reset();
    reactor_.reset();
    ring_.reset();
}

}  // namespace ringtime::sim
