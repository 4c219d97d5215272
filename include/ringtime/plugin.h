/* The native plugin ABI of Ringtime, C99. A plugin is a shared object that exports one constant
 * table, `ringtime_plugin`; the gateway loads it into the request path its manifest names.
 *
 * The promise of this header
 *   - Structures only grow at their end and begin with `struct_size` where both sides may differ in
 *     age: check it before reading a member that was added after version 1.0. Numbers never change.
 *   - A table entry that is NULL is not subscribed to and costs nothing.
 *   - A slice is borrowed. Slices of a request or response live until the hook that got them
 *     returns; `allocate` gives memory that lives as long as the exchange.
 *   - What a plugin passes in is copied before the call returns, unless the function says so.
 *
 * Threads
 *   - on_init, on_server_start, on_shutdown run on a helper thread and may block within limits.
 *   - on_core_start, on_core_stop, every request hook, route handlers and timers run on a core's
 *     thread. Nothing may block there: a core serves thousands of connections. Pause instead.
 *   - Only the functions marked "any thread" may be called from threads of the plugin's own.
 *
 * No hook may let a C++ exception out (plugin.hpp sees to it); one that escapes is a failure. */
#ifndef RINGTIME_PLUGIN_H
#define RINGTIME_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Breaking changes only. Everything else is told by struct_size. */
#define RINGTIME_ABI_VERSION 1u

#define RINGTIME_EXPORT __attribute__((visibility("default")))

/* ---- Values -------------------------------------------------------------------------------- */

/* Bytes of somebody else. `data` is NULL when the thing is absent; not terminated by a zero. */
typedef struct ringtime_slice {
    const char *data;
    size_t size;
} ringtime_slice;

/* What a hook decides. Anything else is taken as RINGTIME_FAIL. */
typedef enum ringtime_verdict {
    RINGTIME_CONTINUE = 0, /* Go on. From a route handler: not mine, look further. */
    RINGTIME_RESPOND = 1,  /* respond() or respond_static() was called: the chain ends here. */
    RINGTIME_PAUSE = 2,    /* pause() was called: go on when its token is resumed. */
    RINGTIME_FAIL = 3      /* The request is answered 500: the chain fails closed. */
} ringtime_verdict;

/* What a host call says. Negative values are refusals; nothing was changed. */
typedef enum ringtime_status {
    RINGTIME_OK = 0,
    RINGTIME_INVALID = -1,     /* Not valid HTTP: a bad name, value, status, path or pattern. */
    RINGTIME_FORBIDDEN = -2,   /* A field that is the gateway's own (framing, Connection, Host). */
    RINGTIME_LIMIT = -3,       /* A named limit is reached. */
    RINGTIME_GONE = -4,        /* The token was resumed before, timed out, or its exchange ended. */
    RINGTIME_AGAIN = -5,       /* The core's mailbox is full; the call had no effect, try again. */
    RINGTIME_WRONG_PHASE = -6, /* Not possible in this hook. */
    RINGTIME_MISSING = -7      /* Not there, or of another type. */
} ringtime_status;

typedef enum ringtime_method {
    RINGTIME_METHOD_OTHER = 0,
    RINGTIME_METHOD_GET = 1,
    RINGTIME_METHOD_HEAD = 2,
    RINGTIME_METHOD_POST = 3,
    RINGTIME_METHOD_PUT = 4,
    RINGTIME_METHOD_DELETE = 5,
    RINGTIME_METHOD_OPTIONS = 6,
    RINGTIME_METHOD_PATCH = 7,
    RINGTIME_METHOD_CONNECT = 8,
    RINGTIME_METHOD_TRACE = 9
} ringtime_method;

/* Interned field names: finding one is a load, not a search. Every other name goes by its text. */
typedef enum ringtime_field {
    RINGTIME_FIELD_OTHER = 0,
    RINGTIME_FIELD_HOST = 1,
    RINGTIME_FIELD_CONNECTION = 2,
    RINGTIME_FIELD_CONTENT_LENGTH = 3,
    RINGTIME_FIELD_TRANSFER_ENCODING = 4,
    RINGTIME_FIELD_EXPECT = 5,
    RINGTIME_FIELD_UPGRADE = 6,
    RINGTIME_FIELD_TE = 7,
    RINGTIME_FIELD_TRAILER = 8,
    RINGTIME_FIELD_KEEP_ALIVE = 9,
    RINGTIME_FIELD_PROXY_CONNECTION = 10,
    RINGTIME_FIELD_HTTP2_SETTINGS = 11,
    RINGTIME_FIELD_ACCEPT = 12,
    RINGTIME_FIELD_ACCEPT_ENCODING = 13,
    RINGTIME_FIELD_ACCEPT_LANGUAGE = 14,
    RINGTIME_FIELD_AGE = 15,
    RINGTIME_FIELD_ALLOW = 16,
    RINGTIME_FIELD_AUTHORIZATION = 17,
    RINGTIME_FIELD_CACHE_CONTROL = 18,
    RINGTIME_FIELD_CONTENT_ENCODING = 19,
    RINGTIME_FIELD_CONTENT_LANGUAGE = 20,
    RINGTIME_FIELD_CONTENT_RANGE = 21,
    RINGTIME_FIELD_CONTENT_TYPE = 22,
    RINGTIME_FIELD_COOKIE = 23,
    RINGTIME_FIELD_DATE = 24,
    RINGTIME_FIELD_ETAG = 25,
    RINGTIME_FIELD_EXPIRES = 26,
    RINGTIME_FIELD_FORWARDED = 27,
    RINGTIME_FIELD_IF_MATCH = 28,
    RINGTIME_FIELD_IF_MODIFIED_SINCE = 29,
    RINGTIME_FIELD_IF_NONE_MATCH = 30,
    RINGTIME_FIELD_IF_RANGE = 31,
    RINGTIME_FIELD_IF_UNMODIFIED_SINCE = 32,
    RINGTIME_FIELD_LAST_MODIFIED = 33,
    RINGTIME_FIELD_LOCATION = 34,
    RINGTIME_FIELD_ORIGIN = 35,
    RINGTIME_FIELD_PROXY_AUTHENTICATE = 36,
    RINGTIME_FIELD_PROXY_AUTHORIZATION = 37,
    RINGTIME_FIELD_RANGE = 38,
    RINGTIME_FIELD_REFERER = 39,
    RINGTIME_FIELD_RETRY_AFTER = 40,
    RINGTIME_FIELD_SEC_WEBSOCKET_ACCEPT = 41,
    RINGTIME_FIELD_SEC_WEBSOCKET_KEY = 42,
    RINGTIME_FIELD_SEC_WEBSOCKET_PROTOCOL = 43,
    RINGTIME_FIELD_SEC_WEBSOCKET_VERSION = 44,
    RINGTIME_FIELD_SERVER = 45,
    RINGTIME_FIELD_SET_COOKIE = 46,
    RINGTIME_FIELD_USER_AGENT = 47,
    RINGTIME_FIELD_VARY = 48,
    RINGTIME_FIELD_VIA = 49,
    RINGTIME_FIELD_WWW_AUTHENTICATE = 50,
    RINGTIME_FIELD_X_BASE = 51,
    RINGTIME_FIELD_X_FORWARDED_FOR = 52,
    RINGTIME_FIELD_X_FORWARDED_HOST = 53,
    RINGTIME_FIELD_X_FORWARDED_PREFIX = 54,
    RINGTIME_FIELD_X_FORWARDED_PROTO = 55,
    RINGTIME_FIELD_X_IDENTITY = 56,
    RINGTIME_FIELD_X_NOT_FOUND = 57,
    RINGTIME_FIELD_X_REAL_IP = 58,
    RINGTIME_FIELD_X_REQUEST_ID = 59,
    RINGTIME_FIELD_X_VHOST_TENANT = 60} ringtime_field;

/* Which fields a call is about. */
typedef enum ringtime_part {
    RINGTIME_REQUEST_FIELDS = 0,
    RINGTIME_RESPONSE_FIELDS = 1,
    RINGTIME_REQUEST_TRAILERS = 2, /* Read only; known once the body has ended. */
    RINGTIME_RESPONSE_TRAILERS = 3 /* Read only. */
} ringtime_part;

typedef enum ringtime_log_level {
    RINGTIME_LOG_DEBUG = 0,
    RINGTIME_LOG_INFO = 1,
    RINGTIME_LOG_WARN = 2,
    RINGTIME_LOG_ERROR = 3
} ringtime_log_level;

typedef struct ringtime_host ringtime_host;         /* The functions of the gateway, below. */
typedef struct ringtime_context ringtime_context;   /* This plugin, as the gateway knows it. */
typedef struct ringtime_core ringtime_core;         /* This plugin on one core. */
typedef struct ringtime_exchange ringtime_exchange; /* One request and its answer. */
typedef struct ringtime_static ringtime_static;     /* An answer prepared at init. */
typedef struct ringtime_timer ringtime_timer;
/* Names one pause; never 0. Freely copied to other threads. */
typedef uint64_t ringtime_token;

typedef struct ringtime_field_line {
    ringtime_slice name;
    ringtime_slice value;
} ringtime_field_line;

/* Bytes handed to the gateway. With `release` NULL they are copied (up to 128 KiB). Otherwise they
 * are used in place and `release(owner)` is called exactly once on the core's thread, when they
 * have been sent, dropped or refused. */
typedef struct ringtime_bytes {
    ringtime_slice bytes;
    void (*release)(void *owner);
    void *owner;
} ringtime_bytes;

/* ---- A request and its response, as slices ------------------------------------------------- */

typedef struct ringtime_tls {
    uint32_t struct_size;
    uint16_t version;           /* 0x0303 for 1.2, 0x0304 for 1.3. */
    uint16_t cipher;            /* The IANA number of the cipher suite. */
    ringtime_slice server_name; /* SNI; absent when none was sent. */
    ringtime_slice alpn;
    ringtime_slice client_subject;     /* Of a verified client certificate; else absent. */
    ringtime_slice client_fingerprint; /* Its SHA-256 in lower-case hexadecimal. */
} ringtime_tls;

/* What the request was routed to. */
typedef struct ringtime_app {
    uint32_t struct_size;
    uint32_t reserved;
    ringtime_slice name;
    ringtime_slice version;
    ringtime_slice base;   /* `/shop`, or `/`. */
    ringtime_slice folder; /* Absolute path of the package; absent for mounts without one. */
} ringtime_app;

#define RINGTIME_REQUEST_PUBLIC 1u   /* The route is public for this method. */
#define RINGTIME_REQUEST_HAS_BODY 2u /* A body follows, perhaps of length 0. */
#define RINGTIME_REQUEST_GATHERED 4u /* `body` is complete. */
#define RINGTIME_REQUEST_API 8u      /* For the gateway's own API: its errors are always JSON. */

#define RINGTIME_LENGTH_UNKNOWN UINT64_MAX

typedef struct ringtime_request {
    uint32_t struct_size;
    uint8_t method;  /* ringtime_method */
    uint8_t version; /* 10, 11, 20, 30 */
    uint8_t secure;  /* 1 when the client's scheme is https */
    uint8_t flags;   /* RINGTIME_REQUEST_ */
    const ringtime_host *host;
    ringtime_exchange *exchange;
    ringtime_slice method_text;
    ringtime_slice path;       /* Canonical, the mount's base stripped; always begins with `/`. */
    ringtime_slice full_path;  /* Canonical, with the base. */
    ringtime_slice query;      /* Without `?`; absent when there is none. */
    ringtime_slice raw_target; /* As received. For logs: decide by `path`. */
    ringtime_slice authority;  /* Host and port as sent. */
    ringtime_slice host_name;  /* Lower case, without port. */
    ringtime_slice request_id;
    ringtime_slice peer;       /* Address of the connection, as text. */
    ringtime_slice client;     /* Address of the client behind trusted proxies; else as `peer`. */
    uint16_t peer_port;
    uint16_t core;
    uint32_t reserved;
    uint64_t content_length;   /* Bytes, 0 without a body, or RINGTIME_LENGTH_UNKNOWN. */
    uint64_t now_ns;           /* Monotonic, read once per turn of the core's loop. */
    ringtime_slice body;       /* The whole body when this plugin gathers it; else absent. */
    const ringtime_tls *tls;   /* NULL on plain connections. */
    const ringtime_app *app;   /* NULL when nothing is mounted at this path. */
} ringtime_request;

#define RINGTIME_RESPONSE_FROM_GATEWAY 1u /* Made by the gateway itself; `reason` says why. */
#define RINGTIME_RESPONSE_FROM_PLUGIN 2u  /* Made by a plugin's hook or route. */

typedef struct ringtime_response {
    uint32_t struct_size;
    uint16_t status;
    uint8_t version;
    uint8_t flags;           /* RINGTIME_RESPONSE_ */
    uint64_t content_length; /* RINGTIME_LENGTH_UNKNOWN for streams. */
    ringtime_slice reason;   /* The gateway's reason code, such as `no_route`; absent otherwise. */
} ringtime_response;

/* A piece of a body on its way. `bytes` may be empty when `last` is set. */
typedef struct ringtime_chunk {
    uint32_t struct_size;
    uint8_t last;
    uint8_t reserved[3];
    ringtime_slice bytes;
} ringtime_chunk;

/* How an exchange ended. */
typedef struct ringtime_summary {
    uint32_t struct_size;
    uint16_t status;         /* 0 when no head was sent. */
    uint8_t complete;        /* 1 when the whole answer was sent. */
    uint8_t reserved;
    uint64_t bytes_received; /* Of the request's body. */
    uint64_t bytes_sent;     /* Of the response's body. */
    uint64_t duration_ns;    /* First byte of the head received to last byte sent. */
    ringtime_slice reason;   /* The gateway's reason code; absent when all went well. */
} ringtime_summary;

/* A worker process that started or ended. */
typedef struct ringtime_worker {
    uint32_t struct_size;
    int32_t pid;
    const ringtime_app *app;
    int32_t wait_status; /* As waitpid gives it; 0 when it started. */
    uint32_t reserved;
} ringtime_worker;

#include <ringtime/plugin_services.h>

/* ---- Functions of the gateway -------------------------------------------------------------- */

typedef ringtime_verdict (*ringtime_handler)(void *user, const ringtime_request *request);
typedef void (*ringtime_visit)(void *user, ringtime_slice name, ringtime_slice value,
                               ringtime_field id);

typedef struct ringtime_about {
    uint32_t struct_size;
    uint32_t core_count;
    ringtime_slice name;       /* As in the manifest: `@scope/plugin-x`. */
    ringtime_slice short_name; /* `x`. */
    ringtime_slice version;
    ringtime_slice base;       /* Absent for a plugin without one. */
    ringtime_slice folder;
} ringtime_about;

struct ringtime_host {
    uint32_t struct_size;
    uint32_t abi_version;

    /* -- Any hook with a request. Later hooks see the edits of earlier ones. -- */
    /* The first value of a field as it stands now; absent when there is none. */
    ringtime_slice (*field)(ringtime_exchange *, ringtime_part, ringtime_field);
    ringtime_slice (*field_named)(ringtime_exchange *, ringtime_part, ringtime_slice name);
    /* Every line in order. The visitor must not edit. */
    void (*each_field)(ringtime_exchange *, ringtime_part, ringtime_visit, void *user);
    /* Replaces every line of that name by one; adds one more line; removes every line. */
    ringtime_status (*set_field)(ringtime_exchange *, ringtime_part, ringtime_slice name,
                                 ringtime_slice value);
    ringtime_status (*add_field)(ringtime_exchange *, ringtime_part, ringtime_slice name,
                                 ringtime_slice value);
    ringtime_status (*remove_field)(ringtime_exchange *, ringtime_part, ringtime_slice name);
    /* on_request only. The whole path, base included; made canonical and routed once more after the
     * chain. It never becomes public by that and no hook runs twice. */
    ringtime_status (*set_path)(ringtime_exchange *, ringtime_slice path);
    /* on_response only: 200 to 599. */
    ringtime_status (*set_status)(ringtime_exchange *, uint16_t status);
    /* on_request, its resumption, and route handlers: prepares the answer; return RINGTIME_RESPOND.
     * Content-Length and Date are the gateway's. `body` may be NULL. */
    ringtime_status (*respond)(ringtime_exchange *, uint16_t status,
                               const ringtime_field_line *fields, size_t field_count,
                               const ringtime_bytes *body);
    ringtime_status (*respond_static)(ringtime_exchange *, const ringtime_static *);
    /* Body hooks with RINGTIME_BODY_TRANSFORM: these bytes go on instead of the chunk's. */
    ringtime_status (*replace)(ringtime_exchange *, const ringtime_bytes *bytes);
    /* Route handlers: what `:name` matched, or `*` at the end. Escapes stay as in the path. */
    ringtime_slice (*parameter)(ringtime_exchange *, ringtime_slice name);
    /* A pointer of this plugin's own that stays with the exchange until on_done. */
    void *(*state)(ringtime_exchange *);
    ringtime_status (*set_state)(ringtime_exchange *, void *state);
    /* What on_core_start stored for the core this exchange is on. */
    void *(*core_state)(ringtime_exchange *);
    /* Memory until the exchange ends, aligned for any type; NULL at the limit. */
    void *(*allocate)(ringtime_exchange *, size_t size);
    /* Announces that the hook will return RINGTIME_PAUSE. 0 when too many exchanges are paused.
     * When nobody resumes it in time the request fails with 500. */
    ringtime_token (*pause)(ringtime_exchange *, uint32_t timeout_ms);

    /* -- Any thread -- */
    /* Lets a paused exchange go on; `value` reaches on_resume. The first call wins. Late calls are
     * harmless: RINGTIME_GONE, or on_resume_late when the exchange ended meanwhile. */
    ringtime_status (*resume)(const ringtime_host *, ringtime_token, uint64_t value);
    void (*log)(ringtime_context *, ringtime_log_level, ringtime_slice text);
    /* Runs `function(argument)` on that core's thread soon. */
    ringtime_status (*post)(const ringtime_host *, uint32_t core, void (*function)(void *),
                            void *argument);

    /* -- The plugin itself; any thread unless it says on_init -- */
    const ringtime_about *(*about)(ringtime_context *);
    /* The resolved `config` as JSON, and its members by key; `a.b` and `list.0` reach inside. */
    ringtime_slice (*config_json)(ringtime_context *);
    ringtime_status (*config_string)(ringtime_context *, ringtime_slice key, ringtime_slice *out);
    /* INVALID for numbers that are not whole or too large. */
    ringtime_status (*config_integer)(ringtime_context *, ringtime_slice key, int64_t *out);
    ringtime_status (*config_number)(ringtime_context *, ringtime_slice key, double *out);
    ringtime_status (*config_boolean)(ringtime_context *, ringtime_slice key, int *out);
    /* Elements of a list, members of an object; RINGTIME_MISSING for anything else. */
    ringtime_status (*config_count)(ringtime_context *, ringtime_slice key, size_t *out);
    /* on_init, on_config: says why it fails, which it then has, whatever it returns. */
    void (*fail)(ringtime_context *, ringtime_slice message);
    /* on_init: offers a service to plugins that declare this one as a dependency. The pointer stays
     * valid until on_shutdown. */
    ringtime_status (*provide)(ringtime_context *, ringtime_slice name, uint32_t version,
                               void *service);
    /* on_init: NULL when no declared dependency provides it in exactly this version. */
    void *(*use)(ringtime_context *, ringtime_slice name, uint32_t version);
    /* on_init: a route below the plugin's base. Pattern: `/items/:id`, or `/files/` and `*` at the
     * end. `method` absent: every one. A path that matches for other methods only answers 405. */
    ringtime_status (*add_route)(ringtime_context *, ringtime_slice method, ringtime_slice pattern,
                                 ringtime_handler, void *user);
    /* on_init: an answer that is made once and sent without copying. NULL when it is not valid. */
    const ringtime_static *(*make_static)(ringtime_context *, uint16_t status,
                                          const ringtime_field_line *fields, size_t field_count,
                                          ringtime_slice body);
    /* on_init: asked every `interval_ms` on a helper thread; 0 means well. A critical one that is
     * not well makes /ready answer 503. */
    ringtime_status (*add_probe)(ringtime_context *, ringtime_slice name, int critical,
                                 uint32_t interval_ms, int (*check)(void *user), void *user);

    /* -- The thread of that core -- */
    uint32_t (*core_index)(ringtime_core *);
    uint64_t (*core_now_ns)(ringtime_core *);
    /* Fires after `after_ms`, then every `every_ms` (0: once, and is gone). Ends by itself when
     * the plugin stops. NULL at the limit. */
    ringtime_timer *(*start_timer)(ringtime_core *, uint32_t after_ms, uint32_t every_ms,
                                   void (*function)(void *user), void *user);
    void (*stop_timer)(ringtime_core *, ringtime_timer *);

    /* -- Added after the first version: check struct_size (plugin.hpp does) -- */
    /* Any hook with a request: this plugin on the core the exchange is on. */
    ringtime_core *(*core)(ringtime_exchange *);
    /* on_init: as add_route, and the request's body is complete in `body` when the handler is
     * called. Bodies of more than `body_bytes_max` are answered 413. */
    ringtime_status (*add_body_route)(ringtime_context *, ringtime_slice method,
                                      ringtime_slice pattern, uint64_t body_bytes_max,
                                      ringtime_handler, void *user);
    /* Any thread: visits everything the gateway and its plugins count, summed over the cores. */
    void (*each_metric)(ringtime_context *, ringtime_visit_metric, void *visitor);
    /* on_init: numbers of the plugin's own. `collect` is called whenever somebody reads metrics, on
     * his thread, perhaps a core's, perhaps several at once. */
    ringtime_status (*add_metrics)(ringtime_context *,
                                   void (*collect)(void *user, ringtime_visit_metric,
                                                   void *visitor),
                                   void *user);
    /* on_init: shows every entry of the log and the access log from now on. */
    ringtime_status (*tap_log)(ringtime_context *, ringtime_log_tap, void *user);
    /* The thread of that core: calls `work(argument)` on a helper thread, where it may block, then
     * `done(argument)` on this core. RINGTIME_AGAIN when too much work waits already. */
    ringtime_status (*run_helper)(ringtime_core *, void (*work)(void *), void (*done)(void *),
                                  void *argument);
    /* The thread of that core: asks another server. INVALID for a URL or a field that cannot be
     * sent, LIMIT when too many requests are on their way. */
    ringtime_status (*fetch)(ringtime_core *, const ringtime_fetch *, ringtime_fetched, void *user);
    /* on_init: a channel that clients can subscribe to. `options` may be NULL. */
    ringtime_channel *(*make_channel)(ringtime_context *, ringtime_slice name,
                                      const ringtime_channel_options *options);
    /* As respond(): the answer is a stream of `first`, at most 4096, and then of what is published.
     * events_max is about the latter. */
    ringtime_status (*respond_events)(ringtime_exchange *, ringtime_channel *,
                                      const ringtime_field_line *fields, size_t field_count,
                                      const ringtime_event *first, size_t first_count);
    /* Any thread: to every subscriber on every core. AGAIN when a core's mailbox was full and its
     * subscribers missed the event. */
    ringtime_status (*publish)(ringtime_channel *, const ringtime_event *);
    /* Any thread. */
    void (*channel_counts)(ringtime_channel *, ringtime_channel_counts *out);
    /* on_init: an endpoint for WebSockets. The options are copied. */
    ringtime_endpoint *(*make_endpoint)(ringtime_context *, ringtime_slice name,
                                        const ringtime_endpoint_options *options);
    /* As respond(): the connection becomes a WebSocket of this plugin's. `protocol` must be one
     * that the client offers, or absent. MISSING: the request asks for no WebSocket, or not well;
     * the answer that says so is prepared instead, and `state` is still the caller's. */
    ringtime_status (*respond_websocket)(ringtime_exchange *, ringtime_endpoint *,
                                         const ringtime_field_line *fields, size_t field_count,
                                         ringtime_slice protocol, void *state);
    /* Any thread. LIMIT: too much waits already, on_room will tell; AGAIN: try again soon; GONE:
     * the socket is closed. */
    ringtime_status (*send_message)(ringtime_endpoint *, ringtime_socket, ringtime_message_kind,
                                    ringtime_slice message);
    /* Any thread: to every socket of the endpoint. One that is too slow is closed with 1013. */
    ringtime_status (*broadcast)(ringtime_endpoint *, ringtime_message_kind,
                                 ringtime_slice message);
    /* Any thread: what was sent before still leaves, then the close. */
    ringtime_status (*close_socket)(ringtime_endpoint *, ringtime_socket, uint16_t code,
                                    ringtime_slice reason);
    /* Any thread. */
    void (*endpoint_counts)(ringtime_endpoint *, ringtime_endpoint_counts *out);
    /* on_response and its resumption: as respond(), in place of the response there is, which is
     * given up with all that was edited in it; return RINGTIME_RESPOND, anything else fails the
     * request. Hooks that are left see the new one. WRONG_PHASE in place of a stream of events, a
     * WebSocket or another upgrade. */
    ringtime_status (*respond_instead)(ringtime_exchange *, uint16_t status,
                                       const ringtime_field_line *fields, size_t field_count,
                                       const ringtime_bytes *body);
    /* Any thread: not 0 once the plugin is to end on that core, by a reload or with the gateway,
     * which waits a moment for work on helper threads. Work that blocks for long asks now and then,
     * and gives up. */
    int (*core_ending)(ringtime_core *);
};

/* ---- What a plugin exports ----------------------------------------------------------------- */

/* on_request and on_request_body run on public routes too (limits, CORS, metrics). */
#define RINGTIME_RUN_ON_PUBLIC 1u

typedef enum ringtime_body_mode {
    RINGTIME_BODY_NONE = 0,
    RINGTIME_BODY_OBSERVE = 1,  /* Sees each piece as it passes. */
    RINGTIME_BODY_TRANSFORM = 2 /* May replace it: Content-Length, strong ETag, ranges go away. */
} ringtime_body_mode;

typedef struct ringtime_plugin_table {
    uint32_t struct_size;   /* sizeof(ringtime_plugin_table) */
    uint32_t abi_version;   /* RINGTIME_ABI_VERSION */
    uint32_t flags;         /* RINGTIME_RUN_ON_PUBLIC */
    uint8_t request_body;   /* ringtime_body_mode of on_request_body */
    uint8_t response_body;  /* ringtime_body_mode of on_response_body */
    uint16_t reserved;
    /* Request bodies up to this many bytes are complete before on_request; larger ones are answered
     * 413. 0: not gathered. */
    uint64_t gather_bytes_max;

    /* Makes the plugin; `*self` is passed to everything else. Not 0: the plugin is not usable (say
     * why with fail()). Limit: 30 s. */
    int (*on_init)(const ringtime_host *host, ringtime_context *context, void **self);
    /* Once per core, on its thread, before it serves this plugin's requests. `*state` is what
     * core_state() returns there. Not 0: as above. */
    int (*on_core_start)(void *self, ringtime_core *core, void **state);
    /* The listeners are open. */
    void (*on_server_start)(void *self);
    ringtime_verdict (*on_request)(void *self, const ringtime_request *request);
    /* After a pause, in the place of the hook that paused; NULL: as if it had continued. */
    ringtime_verdict (*on_resume)(void *self, const ringtime_request *request, uint64_t value);
    /* The exchange of a resumed token had ended already: frees what `value` stands for. */
    void (*on_resume_late)(void *self, uint64_t value);
    ringtime_verdict (*on_request_body)(void *self, const ringtime_request *request,
                                        const ringtime_chunk *chunk);
    /* CONTINUE, PAUSE, FAIL, or RESPOND after respond_instead(); reverse order of on_request; for
     * every response. */
    ringtime_verdict (*on_response)(void *self, const ringtime_request *request,
                                    const ringtime_response *response);
    ringtime_verdict (*on_response_body)(void *self, const ringtime_request *request,
                                         const ringtime_chunk *chunk);
    /* The exchange is over, whether well or not. The last call for it. */
    void (*on_done)(void *self, const ringtime_request *request, const ringtime_summary *summary);
    void (*on_worker_spawn)(void *self, const ringtime_worker *worker);
    void (*on_worker_terminate)(void *self, const ringtime_worker *worker);
    /* Once per core, on its thread, after the last request of this plugin there. */
    void (*on_core_stop)(void *self, ringtime_core *core, void *state);
    /* Frees `self`. Threads of the plugin have ended when it returns. Limit: 10 s. */
    void (*on_shutdown)(void *self);

    /* -- Added after the first version -- */
    /* The configuration changed and nothing else did, so the plugin goes on with all it has; the
     * config_ functions tell the new values, and what they told before stays valid. On a helper
     * thread, while requests run. Not 0 (say why with fail()): it cannot be applied, and the reload
     * is refused. Comes once more with the earlier values when the reload fails for another reason.
     * NULL: every change makes a new plugin beside the old. Limit: as on_init. */
    int (*on_config)(void *self, ringtime_context *context);
} ringtime_plugin_table;

/* The one symbol of a plugin:
 *     const ringtime_plugin_table ringtime_plugin = {sizeof ringtime_plugin, 1, ...}; */
extern RINGTIME_EXPORT const ringtime_plugin_table ringtime_plugin;

#ifdef __cplusplus
}
#endif

#endif
