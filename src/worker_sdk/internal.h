#ifndef RINGTIME_WORKER_SDK_INTERNAL_H
#define RINGTIME_WORKER_SDK_INTERNAL_H
/*
 * The state of a worker process: one link per core, the requests that are waiting or open, one
 * epoll descriptor for everything. link.c moves descriptors and memory, answer.c builds answers,
 * worker.c is the loop and the table. Single-threaded but for post.c. The gateway is trusted: it
 * could end the process anyway.
 */
#include "ringtime/worker.h"

#define RTW_CORES_MAX 64u

typedef struct rtw_link {
    int attached;
    int doorbell;
    uint32_t core;
    uint32_t arena_bytes;
    const rtw_region* incoming; /* A */
    rtw_region* outgoing;       /* B */
    size_t region_bytes;
    rtw_producer producer;
    rtw_consumer consumer;
    rtw_arena arena; /* of B */
    uint32_t*
        bytes_left; /* of B, by first unit of a slab: lent bytes, and 1 while it is being filled */
    uint16_t* slab_of;      /* of B, by unit: first unit of its slab */
    uint8_t* slab_units;    /* of B, by first unit */
    uint32_t* body_next;    /* of A, by unit: next body slab of the same request */
    uint32_t* body_bytes;   /* of A, by unit */
    rtw_request** requests; /* by slot */
    void* tables;           /* what the pointers above lead to: a mapping of its own */
    size_t table_bytes;
} rtw_link;

struct rtw_request {
    rtw_request* next; /* waiting, writing, progress or free list */
    rtw_request* next_starved;
    rtw_link* link;
    const rtw_request_head* head;
    void* context;
    uint32_t exchange;
    uint32_t body_first, body_last;      /* units of A; RTW_NO_SLAB: none */
    uint32_t read_unit;                  /* handed to the application, freed by its next read */
    uint32_t unfreed;                    /* bytes of the answer the gateway still holds */
    uint32_t slab, slab_used, slab_size; /* being filled; RTW_NO_SLAB: none */
    char* rest;                          /* what respond() could not place yet */
    size_t rest_size, rest_done;
    uint8_t begun, body_complete, head_sent, aborted, progress, starved;
    uint8_t switched; /* 101 was sent: a tunnel */
    uint8_t bodyless; /* HEAD, 204, 304: what is written is dropped */
};

typedef struct rtw_queue {
    rtw_request *first, *last;
} rtw_queue;

typedef struct rtw_worker {
    const rtw_app* app;
    rtw_link* links;     /* RTW_CORES_MAX */
    uint32_t link_count; /* one more than the highest core attached */
    int epoll_fd;
    int ending;
    int blocked; /* waits inside a handler: no other request is begun */
    uint32_t concurrency;
    uint32_t open;
    rtw_queue waiting;
    rtw_queue progress;   /* on_progress() is due */
    rtw_request* writing; /* hold a rest; singly linked by `next` */
    rtw_request* starved; /* found no memory; singly linked by `next_starved` */
    rtw_request* unused;
    uint64_t spin_ns;
    uint32_t spin_score; /* of 16: how often looking found something; see spin() */
    uint64_t batch_began;
    uint32_t batch_requests;
    uint32_t service_ns;
    int can_fork; /* the library has the process's main loop: it may continue in a child */
    int one_shot; /* forked for one request */
    int served;   /* one_shot: has begun it */
} rtw_worker;

extern rtw_worker rtw_this;

/* link.c */
/* Maps a pair of regions; takes over `fds`. 0 or -1. */
int rtw_link_attach(uint32_t core, size_t region_bytes, const int fds[3]);
void rtw_link_detach(rtw_link* link);
/* Where the gateway holds none of B's bytes its pages go back to the system, but for the first,
 * which every answer needs. */
void rtw_link_trim(rtw_link* link);
/* Never refuses: waits for the gateway, which always drains its ring. */
void rtw_link_post(rtw_link* link, uint8_t kind, uint8_t flags, uint32_t exchange, uint32_t offset,
                   uint32_t length);
void rtw_link_publish(rtw_link* link);
/* Takes everything that has come. Returns how many descriptors. */
unsigned rtw_link_drain(rtw_link* link);
/* A slab of B for at most `size` bytes; RTW_NO_SLAB when the arena is full. Its bytes_left is 1. */
uint32_t rtw_slab_take(rtw_link* link, uint32_t size);
static inline uint32_t rtw_slab_size(const rtw_link* link, uint32_t slab) {
    return link->slab_units[slab] * RTW_UNIT_BYTES;
}
static inline char* rtw_slab_data(rtw_link* link, uint32_t slab) {
    return (char*)link->outgoing + RTW_ARENA_OFFSET + (size_t)slab * RTW_UNIT_BYTES;
}
void rtw_slab_return(rtw_link* link, uint32_t slab, uint32_t bytes);

/* answer.c */
rtw_read rtw_body_read(rtw_request* request, rtw_text* out);
int rtw_answer_respond(rtw_request* request, unsigned status, const rtw_header* fields,
                       size_t count, const void* body, size_t size);
int rtw_answer_start(rtw_request* request, unsigned status, const rtw_header* fields, size_t count,
                     uint64_t body_length);
size_t rtw_answer_write_some(rtw_request* request, const void* data, size_t size);
void rtw_answer_finish(rtw_request* request);
void rtw_answer_fail(rtw_request* request);
/* Places more of the rests; called when memory has come back. */
void rtw_answer_continue(void);

/* worker.c */
void rtw_request_release(rtw_request* request);
void rtw_queue_push(rtw_queue* queue, rtw_request* request);
void rtw_request_progress(rtw_request* request);
/* Inside a handler: publishes, then waits until something has come; begins no other request. */
void rtw_wait_inside(void);
/* Adds it to the process's epoll descriptor. 0 or -1. */
int rtw_watch(int fd, uint32_t events);

/* worker.c */
/* Descriptors with one message: a doorbell, and three for each core. */
#define RTW_PASSED_FDS_MAX (3 * RTW_CORES_MAX + 1)
/* Reads what the gateway says. */
void rtw_take_control(void);

/* post.c */
/* Any thread; see rtw_api. */
int rtw_post(void (*action)(void* argument), void* argument);
int rtw_posted(void);
/* Runs what was posted before the call, oldest first. Returns how many. */
unsigned rtw_run_posted(void);
/* In a forked process: what waited is the template's. */
void rtw_forget_posted(void);

/* template.c */
/* Whether a process is to be forked before anything else is read. */
int rtw_template_wants(void);
void rtw_template_take(const rtw_control* control, const int* fds, unsigned count);
/* Forks what was asked for and reports what ended. 1 in a new process, which goes on as a worker.
 */
int rtw_template_work(void);

#endif
