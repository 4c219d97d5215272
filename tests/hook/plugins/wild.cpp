// Throws across the ABI, which no SDK would do.

#include <ringtime/plugin.h>

#include <stdexcept>

namespace {
ringtime_verdict on_request(void*, const ringtime_request*) { throw std::runtime_error("across"); }

constexpr ringtime_plugin_table make() {
    ringtime_plugin_table table{};
    table.struct_size = sizeof table;
    table.abi_version = RINGTIME_ABI_VERSION;
    table.on_request = &on_request;
    return table;
}
}  // namespace

extern "C" RINGTIME_EXPORT constexpr ringtime_plugin_table ringtime_plugin = make();
