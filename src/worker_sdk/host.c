/* Runs an application that is a module (.so); the entry of ringtime-worker-host. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"

int rtw_run_module(int argc, char** argv);
int rtw_run_module(int argc, char** argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: ringtime-worker-host MODULE.so (started by the gateway)\n");
        return 2;
    }
    unsetenv("LD_BIND_NOW"); /* It has had its effect, and is none of the application's. */
    void* module = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!module) {
        fprintf(stderr, "cannot load the module: %s\n", dlerror());
        return 2;
    }
    rtw_module_entry_function entry;
    /* The cast through an object pointer is how POSIX spells it. */
    *(void**)(void*)&entry = dlsym(module, RTW_MODULE_ENTRY);
    if (!entry) {
        fprintf(stderr,
                "%s does not export " RTW_MODULE_ENTRY "(): add RINGTIME_APP(YourType) to it.\n",
                argv[1]);
        return 2;
    }
    const rtw_app* app = entry(rtw_worker_api());
    if (!app || app->struct_size < sizeof *app) {
        fprintf(stderr, "%s was built against another version of the SDK, or refused to start.\n",
                argv[1]);
        return 2;
    }
    int status = rtw_worker_run(app);
    if (!rtw_this.one_shot) return status;
    /* Its memory goes with it: destructors that only tidy up would cost more than the request. */
    fflush(NULL);
    _exit(status);
}
