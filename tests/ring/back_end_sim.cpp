// Far ends in a simulated world. Operations are delayed and reordered and bytes cut at any place;
// errors are not injected here: the contract's results are what is tested.

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "back_end.h"
#include "ring/sim/sim_world.h"

namespace ringtime::ring {
namespace {

class SimFarEnd final : public FarEnd {
 public:
    explicit SimFarEnd(SimPeer& peer) : peer_(peer) { peer_.stop_reading(); }
    void send(std::string_view bytes) override { peer_.send(bytes); }
    void half_close() override { peer_.half_close(); }
    void reset() override { peer_.reset(); }
    const std::string& received() override {
        look();
        return peer_.received();
    }
    bool ended() override {
        look();
        return peer_.ended();
    }
    bool broken() override { return peer_.broken(); }

 private:
    void look() {
        peer_.resume_reading();
        peer_.stop_reading();
    }

    SimPeer& peer_;
};

constexpr uint16_t kPort = 7001;
constexpr uint16_t kClosedPort = 7002;

sockaddr_storage loopback(uint16_t port) {
    sockaddr_storage storage{};
    auto& address = reinterpret_cast<sockaddr_in&>(storage);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return storage;
}

SimFaults gentle(unsigned variation) {
    SimRandom random(variation);
    SimFaults swarmed = SimFaults::swarm(random);
    SimFaults faults;
    if (variation == 0) return faults;
    faults.deferred = swarmed.deferred;
    faults.segment_bytes_max = swarmed.segment_bytes_max;
    faults.latency_max = std::min<Nanoseconds>(swarmed.latency_max, 1'000'000);
    faults.submission_entries = swarmed.submission_entries;
    faults.completions_per_enter = swarmed.completions_per_enter;
    return faults;
}

class SimOutside final : public Outside {
 public:
    explicit SimOutside(unsigned variation) : world_(variation, gentle(variation)) {
        world_.serve(kPort, [this](SimPeer& peer) { accepted_ = &peer; });
    }
    ~SimOutside() override {
        for (const std::string& violation : world_.violations()) {
            std::fprintf(stderr, "%s\n", violation.c_str());
            std::abort();
        }
    }

    int listen() override { return world_.listen(); }
    std::unique_ptr<FarEnd> connect(int listener) override {
        return std::make_unique<SimFarEnd>(world_.connect(listener));
    }
    Connected connected() override {
        SimWorld::Connected made = world_.connected();
        return {made.fd, std::make_unique<SimFarEnd>(made.peer)};
    }
    sockaddr_storage server_address() override { return loopback(kPort); }
    std::unique_ptr<FarEnd> accepted() override {
        return accepted_ ? std::make_unique<SimFarEnd>(*accepted_) : nullptr;
    }
    sockaddr_storage closed_address() override { return loopback(kClosedPort); }
    [[nodiscard]] size_t flood_bytes() const override { return 80'000; }

 private:
    SimWorld world_;
    SimPeer* accepted_ = nullptr;
};

}  // namespace

const unsigned Outside::variations = 40;

std::unique_ptr<Outside> Outside::make(unsigned variation) {
    return std::make_unique<SimOutside>(variation);
}

}  // namespace ringtime::ring
