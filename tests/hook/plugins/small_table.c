/* Says its table is smaller than the first version had it. */
#include <ringtime/plugin.h>

RINGTIME_EXPORT const ringtime_plugin_table ringtime_plugin = {
    .struct_size = 24, .abi_version = RINGTIME_ABI_VERSION};
