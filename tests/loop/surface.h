#pragma once
// What the reactor's tests must know about the ring they run on.

#include <memory>

#include "base/clock.h"

namespace ringtime::loop {

class Surface {
 public:
    static std::unique_ptr<Surface> make(unsigned variation);
    virtual ~Surface() = default;
    [[nodiscard]] virtual bool has_threads() const = 0;
    /// How much later than its deadline a timer may fire.
    [[nodiscard]] virtual Nanoseconds lateness_max() const = 0;
    static const unsigned variations;
};

}  // namespace ringtime::loop
