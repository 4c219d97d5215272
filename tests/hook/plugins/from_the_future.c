/* Built against a newer header: its table is longer, and the new hook may or may not be used. */
#include <ringtime/plugin.h>

struct newer {
    ringtime_plugin_table known;
    void (*on_something_new)(void);
};

#ifdef USES_IT
static void on_something_new(void) {}
#define NEW_HOOK on_something_new
#else
#define NEW_HOOK 0
#endif

extern RINGTIME_EXPORT const struct newer newer_table __asm__("ringtime_plugin");
RINGTIME_EXPORT const struct newer newer_table = {
    {.struct_size = sizeof(struct newer), .abi_version = RINGTIME_ABI_VERSION}, NEW_HOOK};
