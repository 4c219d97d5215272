#pragma once
// One core's share of an upstream, in a world whose clock the test moves.

#include <memory>
#include <string>

#include "loop/reactor.h"
#include "net/io.h"
#include "ring/ring.h"
#include "ring/sim/sim_world.h"
#include "upstream/group.h"

namespace ringtime::upstream {

inline UpstreamSpec spec_of(unsigned servers) {
    UpstreamSpec spec;
    spec.name = "test";
    for (unsigned i = 0; i < servers; ++i) {
        ServerSpec server;
        server.host = "10.0.0." + std::to_string(i + 1);
        spec.servers.push_back(server);
    }
    return spec;
}

struct Rig {
    explicit Rig(const UpstreamSpec& spec) {
        std::string problem;
        ring::RingOptions options;
        options.small_buffers = options.bulk_buffers = 16;
        options.small_buffers_ready = options.bulk_buffers_ready = 16;
        ring = ring::Ring::open(options, problem);
        reactor = std::make_unique<loop::Reactor>(*ring, 0);
        io = std::make_unique<net::Io>(*reactor);
        upstream = std::make_shared<Upstream>(spec);
        group = std::make_unique<Group>(*io, upstream);
    }
    ~Rig() {
        group.reset();
        io.reset();
        reactor.reset();
        ring.reset();
    }

    /// The index of the server picked; -1 when none.
    int pick(const Affinity& affinity = {}, const Tried& tried = {}) {
        Group::Pick picked = group->pick(affinity, tried);
        return picked.pool ? static_cast<int>(picked.pool->index()) : -1;
    }
    ServerPool& pool(unsigned index) {
        Tried others;
        others.set();
        others.reset(index);
        return *group->pick({}, others).pool;
    }
    void pass(Milliseconds time) {
        world.advance_to(world.now() + from_milliseconds(time));
        reactor->turn(0);
    }

    ring::SimWorld world{1, ring::SimFaults{}};
    std::unique_ptr<ring::Ring> ring;
    std::unique_ptr<loop::Reactor> reactor;
    std::unique_ptr<net::Io> io;
    std::shared_ptr<Upstream> upstream;
    std::unique_ptr<Group> group;
};

}  // namespace ringtime::upstream
