// Tunnels from seeds: after 101 both ends send at their own pace, from the very first byte behind
// the handshake, and end each for itself. What arrives is exactly what was sent, or the start of it
// and an end that can be seen; and nothing is left behind.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "core_rig.h"
#include "http_text.h"
#include "ring/sim/sim_seeds.h"
#include "ring/sim/sim_world.h"

namespace ringtime::sim {
namespace {

using ring::SimFaults;
using ring::SimPeer;
using ring::SimRandom;
using ring::SimWorld;

constexpr uint16_t kPort = 9001;

/// One end: it sends `sends` in two halves and then FIN, and expects `expects` and FIN.
struct End {
    SimPeer* peer = nullptr;
    std::string sends;
    std::string expects;
    size_t early = 0;     ///< Bytes sent together with the handshake.
    bool waits = false;   ///< Sends the rest only after the other side's FIN.
    bool rest_sent = false;

    [[nodiscard]] std::string_view tunnelled() const {
        const std::string& text = peer->received();
        const size_t end = text.find("\r\n\r\n");
        return end == std::string::npos ? std::string_view{}
                                        : std::string_view(text).substr(end + 4);
    }
    [[nodiscard]] bool open() const {
        return peer && peer->received().find("\r\n\r\n") != std::string::npos;
    }
    void go_on() {
        if (rest_sent || (waits && !peer->ended())) return;
        rest_sent = true;
        peer->send(std::string_view(sends).substr(early));
        peer->half_close();
    }
    [[nodiscard]] bool whole() const { return peer && tunnelled() == expects && peer->ended(); }
};

struct Tunnel {
    uint64_t id = 0;
    End client;
    End origin;
    bool reset = false;  ///< Somebody cuts it.
    bool refused = false;
    std::string head;
};

class Scenario {
  public:
    explicit Scenario(SimWorld& world) : world_(world), random_(world.random()) {
        SimFaults& faults = world.faults();
        kind_ = random_.chance(500);
        if (kind_) {
            faults.network_reset = faults.accept_error = faults.out_of_descriptors = 0;
            faults.connect_refused = faults.connect_lost = 0;
        }
        body_max_ = faults.segment_bytes_max < 50 || faults.window_bytes < 1000 ? 3'000 : 100'000;
        world.serve(kPort, [this](SimPeer& peer) {
            peer.on_change = [this](SimPeer& changed) { on_origin(changed); };
        });
    }

    void run() {
        CoreSpec spec;
        spec.ring.small_buffers = kind_ ? 64 : 8;
        spec.ring.bulk_buffers = kind_ ? 64 : 8;
        spec.ring.bulk_buffer_bytes = random_.chance(500) ? 512 : 32768;
        CoreRig rig(world_, spec);
        const size_t count = random_.between(1, 6);
        for (size_t i = 0; i < count; ++i) start(rig);
        const auto over = [this](const std::unique_ptr<Tunnel>& tunnel) {
            return tunnel->client.peer->over() && (!tunnel->origin.peer || left(tunnel->origin));
        };
        const bool ended = rig.run_until(
            [&] { return std::all_of(tunnels_.begin(), tunnels_.end(), over); }, kScenarioTime);
        if (!ended) world_.violate("a tunnel was left open");
        for (auto& tunnel : tunnels_) judge(*tunnel);
        rig.finish();
    }

    size_t whole = 0;

  private:
    static bool left(const End& end) { return end.peer->over(); }

    void start(CoreRig& rig) {
        auto made = std::make_unique<Tunnel>();
        Tunnel& tunnel = *made;
        tunnels_.push_back(std::move(made));
        tunnel.id = tunnels_.size();
        tunnel.reset = random_.chance(200);
        tunnel.refused = random_.chance(100);
        tunnel.client.sends = tunnel.origin.expects = body_of(2 * tunnel.id, size());
        tunnel.origin.sends = tunnel.client.expects = body_of(2 * tunnel.id + 1, size());
        tunnel.client.early = random_.below(tunnel.client.sends.size() + 1);
        tunnel.origin.early = random_.below(tunnel.origin.sends.size() + 1);
        (random_.chance(500) ? tunnel.client : tunnel.origin).waits = random_.chance(500);
        tunnel.client.peer = &world_.connect(rig.listener());
        SimPeer& peer = *tunnel.client.peer;
        if (random_.chance(200)) peer.read_slowly(random_.between(50, 5000), 1'000'000);
        peer.on_change = [&tunnel](SimPeer& changed) {
            if (tunnel.client.open()) tunnel.client.go_on();
            if (changed.ended() && tunnel.refused) changed.close();
        };
        peer.send("GET /up/" + std::to_string(tunnel.id) +
                  " HTTP/1.1\r\nHost: gateway.test\r\n"
                  "Connection: Upgrade\r\nUpgrade: echo/1\r\n\r\n");
        peer.send(std::string_view(tunnel.client.sends).substr(0, tunnel.client.early));
        if (!tunnel.reset) return;
        world_.after(random_.between(1, 100) * kNanosecondsPerMillisecond, [this, &tunnel] {
            SimPeer* victim = random_.chance(500) ? tunnel.client.peer : tunnel.origin.peer;
            if (!victim) victim = tunnel.client.peer;
            victim->reset();
        });
    }

    [[nodiscard]] size_t size() { return random_.chance(200) ? 0 : random_.below(body_max_); }

    void on_origin(SimPeer& peer) {
        const std::string& text = peer.received();
        const size_t end = text.find("\r\n\r\n");
        if (end == std::string::npos) {
            if (peer.ended()) peer.close();
            return;
        }
        const size_t id = std::stoul(text.substr(text.find('/') + 1));
        Tunnel& tunnel = *tunnels_[id - 1];
        End& origin = tunnel.origin;
        if (origin.peer && origin.peer != &peer) {
            if (peer.ended()) peer.close();
            return;
        }
        if (!origin.peer) {
            origin.peer = &peer;
            if (text.find("connection: upgrade\r\nupgrade: echo/1\r\n") == std::string::npos)
                world_.violate("the upgrade was not offered to the upstream");
            const char* protocol = tunnel.refused ? "other/1" : "echo/1";
            peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: " +
                      std::string(protocol) + "\r\n\r\n");
            peer.send(std::string_view(origin.sends).substr(0, origin.early));
        }
        origin.go_on();
    }

    void judge(const Tunnel& tunnel) {
        const std::string name = "tunnel " + std::to_string(tunnel.id) + ": ";
        const std::string& text = tunnel.client.peer->received();
        if (tunnel.refused) {
            if (text.starts_with("HTTP/1.1 101")) world_.violate(name + "was not offered");
            return;
        }
        if (text.starts_with("HTTP/1.1 101") && tunnel.client.open() &&
            text.find("connection: upgrade\r\nupgrade: echo/1\r\n") == std::string::npos)
            world_.violate(name + "a 101 without its protocol");
        const bool whole_tunnel = tunnel.client.whole() && tunnel.origin.whole();
        whole += whole_tunnel ? 1 : 0;
        if (kind_ && !tunnel.reset && !whole_tunnel) world_.violate(name + "not complete");
        for (const End* end : {&tunnel.client, &tunnel.origin}) {
            if (!end->open() || text.starts_with("HTTP/1.1 50")) continue;
            if (!end->expects.starts_with(end->tunnelled()))
                world_.violate(name + "wrong bytes");
            // An end that looks clean is the true one, unless the peer was cut after its FIN.
            const bool clean = end->peer->ended() && !end->peer->broken();
            if (clean && kind_ && !tunnel.reset && end->tunnelled() != end->expects)
                world_.violate(name + "a clean end in the middle");
        }
    }

    SimWorld& world_;
    SimRandom& random_;
    bool kind_;
    size_t body_max_;
    std::vector<std::unique_ptr<Tunnel>> tunnels_;
};

TEST(Tunnel, carries_every_byte_both_ways_or_shows_that_it_was_cut) {
    size_t whole = 0;
    EXPECT_TRUE(ring::run_seeds(
        150,
        [&](SimWorld& world) {
            Scenario scenario(world);
            scenario.run();
            whole += scenario.whole;
        },
        [] { return HasFailure(); }));
    if (!std::getenv("RINGTIME_SIM_SEED")) {
        EXPECT_GT(whole, 100U);
    }
}

}  // namespace
}  // namespace ringtime::sim
