/* What the gateway does for plugins beyond their hooks: metrics, the log, blocking work, requests
 * to other servers, streams of events. The values; the functions stand at the end of ringtime_host
 * in plugin.h, which includes this header. */
#ifndef RINGTIME_PLUGIN_H
#include <ringtime/plugin.h>
#endif

#ifndef RINGTIME_PLUGIN_SERVICES_H
#define RINGTIME_PLUGIN_SERVICES_H

/* ---- Metrics ------------------------------------------------------------------------------- */

typedef enum ringtime_metric_kind {
    RINGTIME_METRIC_COUNTER = 0,
    RINGTIME_METRIC_GAUGE = 1,
    RINGTIME_METRIC_HISTOGRAM = 2
} ringtime_metric_kind;

/* One series. Those of one name come one after another. */
typedef struct ringtime_metric {
    uint32_t struct_size;
    uint32_t kind;       /* ringtime_metric_kind */
    ringtime_slice name; /* As OpenTelemetry writes it: `http.server.request.duration`. */
    ringtime_slice help;
    ringtime_slice unit; /* `s`, `By`, `{request}`; absent for plain numbers. */
    const ringtime_field_line *labels;
    size_t label_count;
    double value;            /* Of a histogram: the sum of what was observed. */
    uint64_t count;          /* Histograms: observations. */
    const double *bounds;    /* Upper bounds of the buckets, ascending. */
    const uint64_t *buckets; /* Observations per bucket, one more than bounds: beyond the last. */
    size_t bound_count;
} ringtime_metric;

typedef void (*ringtime_visit_metric)(void *visitor, const ringtime_metric *metric);

/* ---- The log ------------------------------------------------------------------------------- */

typedef enum ringtime_log_kind {
    RINGTIME_LOG_EVENT = 0, /* A line of the gateway, a plugin or a worker. */
    RINGTIME_LOG_ACCESS = 1 /* A request that was answered. */
} ringtime_log_kind;

typedef struct ringtime_log_entry {
    uint32_t struct_size;
    uint8_t kind;          /* ringtime_log_kind */
    uint8_t level;         /* ringtime_log_level; by the status for requests: 5xx are errors. */
    uint16_t status;       /* Requests only; 0 when nothing was answered. */
    uint64_t wall_ms;      /* Since 1970. */
    ringtime_slice source; /* Who says it; of a request the name of the mount, perhaps empty. */
    ringtime_slice text;   /* The message; of a request its line of the access log, JSON. */
    uint64_t lost;         /* Entries that were dropped before this one: the tap is too slow. */
} ringtime_log_entry;

/* Called on a thread of the gateway's own, one entry at a time. */
typedef void (*ringtime_log_tap)(void *user, const ringtime_log_entry *entry);

/* ---- Requests to other servers ------------------------------------------------------------- */

typedef struct ringtime_fetch {
    uint32_t struct_size;
    uint32_t timeout_ms;     /* From here to the last byte of the answer; 0: 30 s. */
    uint64_t body_bytes_max; /* Of the answer; 0: 1 MiB. A larger one is an error. */
    ringtime_slice method;   /* Absent: GET. */
    ringtime_slice url;      /* `http://host[:port]/path?query` */
    const ringtime_field_line *fields;
    size_t field_count;
    ringtime_slice body;     /* Copied, like everything else. */
} ringtime_fetch;

typedef struct ringtime_fetch_answer {
    uint32_t struct_size;
    int32_t result;        /* RINGTIME_OK; LIMIT: larger than allowed; GONE: the plugin stops; */
                           /* MISSING: no answer, and `reason` says why. */
    uint16_t status;       /* Of the answer; 0 without one. */
    uint16_t reserved;
    uint32_t field_count;
    const ringtime_field_line *fields;
    ringtime_slice body;
    ringtime_slice reason; /* The gateway's reason code, such as `upstream_timeout`. */
} ringtime_fetch_answer;

/* Exactly once for every fetch that was taken, on the core's thread. */
typedef void (*ringtime_fetched)(void *user, const ringtime_fetch_answer *answer);

/* ---- Server-sent events -------------------------------------------------------------------- */

typedef struct ringtime_channel ringtime_channel;

typedef struct ringtime_channel_options {
    uint32_t struct_size;
    uint32_t events_max;   /* Waiting for one subscriber; 0: 64. Who is slower is dropped. */
    uint32_t heartbeat_ms; /* A comment when nothing else was sent for so long; 0: 15 s. */
    uint32_t reserved;
} ringtime_channel_options;

/* HTML, section 9.2. `event` and `id` hold no line break; `data` may. */
typedef struct ringtime_event {
    uint32_t struct_size;
    uint32_t reserved;
    ringtime_slice data;
    ringtime_slice event; /* Absent: `message`. */
    ringtime_slice id;    /* What the client sends as Last-Event-ID when it comes again. */
} ringtime_event;

typedef struct ringtime_channel_counts {
    uint32_t struct_size;
    uint32_t subscribers;
    uint64_t published;
    uint64_t delivered; /* Events put into a subscriber's queue. */
    uint64_t dropped;   /* Subscribers that were too slow. */
} ringtime_channel_counts;

/* ---- WebSockets (RFC 6455) ------------------------------------------------------------------ */

typedef struct ringtime_endpoint ringtime_endpoint;
/* Names one socket; never 0 and never used again. Freely copied to other threads. */
typedef uint64_t ringtime_socket;

typedef enum ringtime_message_kind {
    RINGTIME_MESSAGE_TEXT = 1, /* UTF-8, checked both ways. */
    RINGTIME_MESSAGE_BINARY = 2
} ringtime_message_kind;

/* What happens to the sockets of an endpoint, on their core's thread; `state` is what was given to
 * respond_websocket. NULL: of no interest. */
typedef struct ringtime_endpoint_options {
    uint32_t struct_size;
    uint32_t ping_ms;           /* 0: 30 s. A client that is silent for three of them is gone. */
    uint64_t message_bytes_max; /* Of a message from a client; 0: 1 MiB. More closes with 1009. */
    uint64_t queue_bytes_max;   /* Waiting to be sent to one client; 0: 1 MiB. */
    void *user;
    void (*on_open)(void *user, ringtime_socket, void *state);
    void (*on_message)(void *user, ringtime_socket, void *state, ringtime_message_kind,
                       ringtime_slice message);
    /* Enough of what waited has left: a message that was refused may be sent now. */
    void (*on_room)(void *user, ringtime_socket, void *state);
    /* The last call for this socket; once for every respond_websocket that was taken, also when
     * the socket never opened. 1005: closed without a code, 1006: without a close. */
    void (*on_close)(void *user, ringtime_socket, void *state, uint16_t code,
                     ringtime_slice reason);
} ringtime_endpoint_options;

typedef struct ringtime_endpoint_counts {
    uint32_t struct_size;
    uint32_t open;
    uint64_t opened;
    uint64_t received; /* Messages. */
    uint64_t sent;     /* Messages. */
    uint64_t dropped;  /* Sockets that were too slow for a broadcast. */
} ringtime_endpoint_counts;

#endif
