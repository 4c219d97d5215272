/* Built for an ABI that does not exist. */
#include <ringtime/plugin.h>

RINGTIME_EXPORT const ringtime_plugin_table ringtime_plugin = {
    .struct_size = sizeof(ringtime_plugin_table), .abi_version = 77};
