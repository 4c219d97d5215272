#include "surface.h"

namespace ringtime::loop {
namespace {

class KernelSurface final : public Surface {
 public:
    [[nodiscard]] bool has_threads() const override { return true; }
    // Shared machines pause for a while now and then, emulated ones for longer.
    [[nodiscard]] Nanoseconds lateness_max() const override { return 20 * kNanosecondsPerSecond; }
};

}  // namespace

const unsigned Surface::variations = 1;

std::unique_ptr<Surface> Surface::make(unsigned) { return std::make_unique<KernelSurface>(); }

}  // namespace ringtime::loop
