#include "surface.h"

#include <gtest/gtest.h>

#include "ring/sim/sim_world.h"

namespace ringtime::loop {
namespace {

class SimSurface final : public Surface {
 public:
    explicit SimSurface(unsigned variation) : world_(variation + 1) {}
    ~SimSurface() override {
        for (const std::string& violation : world_.violations()) ADD_FAILURE() << violation;
    }
    [[nodiscard]] bool has_threads() const override { return false; }
    // One tick, and one enter() that the world stalls.
    [[nodiscard]] Nanoseconds lateness_max() const override {
        return (8 + 60 + 1) * kNanosecondsPerMillisecond;
    }

 private:
    ring::SimWorld world_;
};

}  // namespace

const unsigned Surface::variations = 50;

std::unique_ptr<Surface> Surface::make(unsigned variation) {
    return std::make_unique<SimSurface>(variation);
}

}  // namespace ringtime::loop
