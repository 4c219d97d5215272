// The smallest hook there is: what a chain costs.

#include <ringtime/plugin.hpp>

namespace {
struct Pass {
    static ringtime::Verdict on_request(ringtime::Request&) { return ringtime::Verdict::next; }
};
}  // namespace

RINGTIME_PLUGIN(Pass)
