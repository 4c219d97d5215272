/* Work from other threads. The list is all they share with the worker's own: a push onto the empty
 * list rings the worker's doorbell, which its loop sleeps on anyway. */
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"

typedef struct posted {
    struct posted* next;
    void (*action)(void* argument);
    void* argument;
} posted;

static posted* top; /* the latest first */

int rtw_post(void (*action)(void* argument), void* argument) {
    posted* entry = malloc(sizeof *entry);
    posted* below = __atomic_load_n(&top, __ATOMIC_RELAXED);
    uint64_t one = 1;
    if (!entry) return -1;
    entry->action = action;
    entry->argument = argument;
    do {
        entry->next = below;
    } while (!__atomic_compare_exchange_n(&top, &below, entry, 1, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED));
    /* The list is emptied as a whole, so one bell is enough for all that is in it. The entry may
     * be gone by now. */
    if (!below && write(RTW_DOORBELL_FD, &one, sizeof one) < 0) {
        /* Full: it is ringing. */
    }
    return 0;
}

int rtw_posted(void) { return __atomic_load_n(&top, __ATOMIC_ACQUIRE) != NULL; }

void rtw_forget_posted(void) { top = NULL; }

unsigned rtw_run_posted(void) {
    posted* entry = __atomic_exchange_n(&top, NULL, __ATOMIC_ACQUIRE);
    posted* oldest = NULL;
    unsigned count = 0;
    while (entry) {
        posted* next = entry->next;
        entry->next = oldest;
        oldest = entry;
        entry = next;
    }
    for (; oldest; ++count) {
        posted* done = oldest;
        oldest = oldest->next;
        done->action(done->argument);
        free(done);
    }
    return count;
}
