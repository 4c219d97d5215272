/* A C plugin built against the header as it was first published. It must load for ever. */
#include "frozen/plugin_v1.h"

static const ringtime_host *host;

static int on_init(const ringtime_host *given, ringtime_context *context, void **self) {
    (void)context;
    host = given;
    *self = &host;
    return given->abi_version == 1 && given->struct_size >= sizeof *given ? 0 : -1;
}

static ringtime_verdict on_request(void *self, const ringtime_request *request) {
    static const ringtime_slice name = {"x-frozen", 8};
    ringtime_slice agent =
        host->field(request->exchange, RINGTIME_REQUEST_FIELDS, RINGTIME_FIELD_USER_AGENT);
    (void)self;
    return host->set_field(request->exchange, RINGTIME_REQUEST_FIELDS, name, agent) == RINGTIME_OK
               ? RINGTIME_CONTINUE
               : RINGTIME_FAIL;
}

RINGTIME_EXPORT const ringtime_plugin_table ringtime_plugin = {
    .struct_size = sizeof(ringtime_plugin_table),
    .abi_version = 1,
    .on_init = on_init,
    .on_request = on_request};
