#pragma once
// The native plugin SDK in C++17, header-only over plugin.h. Define the hooks you want in a class
// and name the class once; what you do not define is not subscribed to and costs nothing:
//
//     #include <ringtime/plugin.hpp>
//     struct Hello {
//         ringtime::Verdict on_request(ringtime::Request& request) {
//             if (request.path() == "/hello") return request.respond(200, "Hello!\n");
//             return ringtime::Verdict::next;
//         }
//     };
//     RINGTIME_PLUGIN(Hello)
//
// Hooks, all optional (`void` in place of Verdict means next):
//     Hello(), Hello(Context&)                         made at init; may throw
//     void on_init(Context&)                           may throw, may block up to 30 s
//     void on_core_start(Core&), on_core_stop(Core&)
//     void on_server_start(), on_shutdown()
//     void on_config(Context&)                         it changed while requests run; may throw
//     Verdict on_request(Request&)
//     Verdict on_resume(Request&, uint64_t value)      after a pause; on_resume_late(uint64_t)
//     Verdict on_request_body(Request&, Chunk&)
//     Verdict on_response(Request&, Response&)
//     Verdict on_response_body(Request&, Chunk&)
//     void on_done(Request&, const Summary&)
//     void on_worker_spawn(const Worker&), on_worker_terminate(const Worker&)
// Members that declare something:
//     struct CoreState {...};                          one per core, request.core<CoreState>()
//     static constexpr bool run_on_public = true;
//     static constexpr auto request_body = ringtime::Body::transform;   (default: observe)
//     static constexpr auto response_body = ringtime::Body::transform;
//     static constexpr uint64_t gather_bytes_max = 65536;
//
// Text handed out is borrowed until the hook returns. No exception leaves a hook: it is logged and
// the request answered 500. Compile with -fno-gnu-unique, so that a new version can replace it.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <initializer_list>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <ringtime/plugin.h>
#include <ringtime/plugin_services.hpp>

namespace ringtime {

enum class Verdict : int {
    next = RINGTIME_CONTINUE,      ///< Go on. From a route: not mine, look further.
    answered = RINGTIME_RESPOND,   ///< What respond() returns.
    paused = RINGTIME_PAUSE,       ///< After pause().
    failed = RINGTIME_FAIL,        ///< Answer 500.
};

enum class Body : uint8_t {
    observe = RINGTIME_BODY_OBSERVE,
    transform = RINGTIME_BODY_TRANSFORM,
};

using Summary = ringtime_summary;
using Worker = ringtime_worker;

namespace detail {

// Hooks may return Verdict or nothing.
template <typename Call>
Verdict verdict_of(Call&& call) {
    if constexpr (std::is_void_v<decltype(call())>) {
        call();
        return Verdict::next;
    } else {
        return call();
    }
}

}  // namespace detail

/// An answer made once at init; sending it copies nothing.
class Static {
 public:
    Static() = default;
    explicit Static(const ringtime_static* handle) noexcept : handle_(handle) {}
    [[nodiscard]] const ringtime_static* handle() const noexcept { return handle_; }

 private:
    const ringtime_static* handle_ = nullptr;
};

/// Lets a paused request go on, from any thread, once.
class Token {
 public:
    Token() = default;
    Token(const ringtime_host* host, ringtime_token token) noexcept : host_(host), token_(token) {}

    [[nodiscard]] explicit operator bool() const noexcept { return token_ != 0; }

    /// False when it was resumed before, or its request is over. `value` reaches on_resume.
    bool resume(uint64_t value = 0) const noexcept {
        if (!host_) return false;
        ringtime_status status = RINGTIME_AGAIN;
        // A full mailbox empties within one turn of that core's loop.
        for (int i = 0; i < 10'000 && status == RINGTIME_AGAIN; ++i) {
            status = host_->resume(host_, token_, value);
            if (status == RINGTIME_AGAIN) std::this_thread::yield();
        }
        return status == RINGTIME_OK;
    }

 private:
    const ringtime_host* host_ = nullptr;
    ringtime_token token_ = 0;
};

/// Field lines of a request or a response. Edits are seen by later hooks and the target.
class Fields {
 public:
    Fields(const ringtime_request* request, ringtime_part part) noexcept
        : request_(request), part_(part) {}

    /// data() is null when the field is absent.
    [[nodiscard]] std::string_view get(ringtime_field id) const noexcept {
        return detail::view(host()->field(exchange(), part_, id));
    }
    [[nodiscard]] std::string_view get(std::string_view name) const noexcept {
        return detail::view(host()->field_named(exchange(), part_, detail::slice(name)));
    }
    [[nodiscard]] bool has(std::string_view name) const noexcept { return get(name).data(); }
    /// False when the gateway refuses: not valid, its own field, or too many edits.
    bool set(std::string_view name, std::string_view value) noexcept {
        return host()->set_field(exchange(), part_, detail::slice(name), detail::slice(value)) ==
               RINGTIME_OK;
    }
    bool add(std::string_view name, std::string_view value) noexcept {
        return host()->add_field(exchange(), part_, detail::slice(name), detail::slice(value)) ==
               RINGTIME_OK;
    }
    bool remove(std::string_view name) noexcept {
        return host()->remove_field(exchange(), part_, detail::slice(name)) == RINGTIME_OK;
    }
    /// Calls `visit(name, value)` for every line.
    template <typename Visit>
    void each(Visit visit) const {
        host()->each_field(
            exchange(), part_,
            [](void* user, ringtime_slice name, ringtime_slice value, ringtime_field) {
                (*static_cast<Visit*>(user))(detail::view(name), detail::view(value));
            },
            &visit);
    }

 private:
    [[nodiscard]] const ringtime_host* host() const noexcept { return request_->host; }
    [[nodiscard]] ringtime_exchange* exchange() const noexcept { return request_->exchange; }

    const ringtime_request* request_;
    ringtime_part part_;
};

class Request {
 public:
    explicit Request(const ringtime_request* raw) noexcept : raw_(raw) {}

    [[nodiscard]] const ringtime_request& raw() const noexcept { return *raw_; }
    [[nodiscard]] ringtime_method method() const noexcept {
        return static_cast<ringtime_method>(raw_->method);
    }
    [[nodiscard]] std::string_view method_text() const noexcept { return text(raw_->method_text); }
    /// Canonical, without the mount's base.
    [[nodiscard]] std::string_view path() const noexcept { return text(raw_->path); }
    [[nodiscard]] std::string_view full_path() const noexcept { return text(raw_->full_path); }
    [[nodiscard]] std::string_view query() const noexcept { return text(raw_->query); }
    [[nodiscard]] std::string_view host() const noexcept { return text(raw_->host_name); }
    [[nodiscard]] std::string_view id() const noexcept { return text(raw_->request_id); }
    [[nodiscard]] std::string_view client() const noexcept { return text(raw_->client); }
    [[nodiscard]] std::string_view body() const noexcept { return text(raw_->body); }
    [[nodiscard]] bool is_public() const noexcept { return raw_->flags & RINGTIME_REQUEST_PUBLIC; }
    [[nodiscard]] const ringtime_app* app() const noexcept { return raw_->app; }
    [[nodiscard]] const ringtime_tls* tls() const noexcept { return raw_->tls; }
    /// What `:name` (or `*`) of the route's pattern matched.
    [[nodiscard]] std::string_view parameter(std::string_view name) const noexcept {
        return detail::view(raw_->host->parameter(raw_->exchange, detail::slice(name)));
    }

    [[nodiscard]] Fields fields() const noexcept { return {raw_, RINGTIME_REQUEST_FIELDS}; }
    [[nodiscard]] Fields trailers() const noexcept { return {raw_, RINGTIME_REQUEST_TRAILERS}; }
    [[nodiscard]] std::string_view field(ringtime_field id) const noexcept {
        return fields().get(id);
    }
    [[nodiscard]] std::string_view field(std::string_view name) const noexcept {
        return fields().get(name);
    }
    bool set(std::string_view name, std::string_view value) noexcept {
        return fields().set(name, value);
    }
    bool set_path(std::string_view path) noexcept {
        return raw_->host->set_path(raw_->exchange, detail::slice(path)) == RINGTIME_OK;
    }

    /// Prepares the answer and says so: `return request.respond(404, "No.\n");`. Plain text unless
    /// `lines` has a Content-Type. Copies what it is given.
    [[nodiscard]] Verdict respond(uint16_t status, std::string_view body = {},
                                  std::initializer_list<Line> lines = {}) noexcept {
        ringtime_bytes bytes{detail::slice(body), nullptr, nullptr};
        return respond_bytes(status, lines.begin(), lines.size(), bytes);
    }
    /// Without a copy: the string's memory travels and is freed when it has been sent.
    [[nodiscard]] Verdict respond_owned(uint16_t status, std::string body,
                                        std::initializer_list<Line> lines = {}) {
        auto* owned = new std::string(std::move(body));
        ringtime_bytes bytes{detail::slice(*owned), &free_string, owned};
        return respond_bytes(status, lines.begin(), lines.size(), bytes);
    }
    /// An error in the form of the gateway's own, which caches do not keep: `{"error": code,
    /// "message": message, "requestId": id}` when the client takes JSON or asks the API, else the
    /// message as a line of text. `return request.refuse(403, "forbidden", "Not for you.");`
    [[nodiscard]] Verdict refuse(uint16_t status, std::string_view code, std::string_view message,
                                 std::initializer_list<Line> lines = {}) {
        bool good = detail::respond_error(*raw_, raw_->host->respond, status, code, message, lines);
        return good ? Verdict::answered : Verdict::failed;
    }
    [[nodiscard]] Verdict respond(const Static& answer) noexcept {
        bool good = answer.handle() &&
                    raw_->host->respond_static(raw_->exchange, answer.handle()) == RINGTIME_OK;
        return good ? Verdict::answered : Verdict::failed;
    }

    /// `Token token = request.pause(2s); ...; return Verdict::paused;` False at the limit.
    [[nodiscard]] Token pause(std::chrono::milliseconds timeout) noexcept {
        return {raw_->host,
                raw_->host->pause(raw_->exchange, static_cast<uint32_t>(timeout.count()))};
    }

    /// A pointer that stays with this request until on_done; null until it is set.
    template <typename T>
    [[nodiscard]] T* state() const noexcept {
        return static_cast<T*>(raw_->host->state(raw_->exchange));
    }
    bool set_state(void* state) noexcept {
        return raw_->host->set_state(raw_->exchange, state) == RINGTIME_OK;
    }
    /// Makes state in the request's own memory: nothing to free. Null at the limit.
    template <typename T, typename... Args>
    T* make_state(Args&&... args) {
        static_assert(std::is_trivially_destructible_v<T>, "it is never destroyed");
        void* memory = raw_->host->allocate(raw_->exchange, sizeof(T));
        if (!memory) return nullptr;
        T* made = new (memory) T{std::forward<Args>(args)...};
        return set_state(made) ? made : nullptr;
    }
    /// The plugin on the core this runs on: timers, helpers, requests to other servers.
    [[nodiscard]] Core on_core() const noexcept {
        return {raw_->host, raw_->host->core(raw_->exchange)};
    }
    /// Answers with a stream of events: `first`, then what is published on the channel.
    [[nodiscard]] Verdict events(const Channel& channel, std::initializer_list<Line> lines = {},
                                 const std::vector<Event>& first = {}) noexcept {
        ringtime_status result =
            raw_->host->respond_events(raw_->exchange, channel.raw(), lines.begin(), lines.size(),
                                       first.data(), first.size());
        return result == RINGTIME_OK ? Verdict::answered : Verdict::failed;
    }
    /// The connection becomes a WebSocket; a request for anything else is answered 426. `protocol`:
    /// one that the client offers. `state` goes to every event, and is on_close's to free.
    template <typename T>
    [[nodiscard]] Verdict websocket(const Endpoint& endpoint, std::unique_ptr<T> state,
                                    std::string_view protocol = {},
                                    std::initializer_list<Line> lines = {}) noexcept {
        ringtime_status result = raw_->host->respond_websocket(
            raw_->exchange, endpoint.raw(), lines.begin(), lines.size(), detail::slice(protocol),
            state.get());
        if (result == RINGTIME_OK) (void)state.release();
        bool answered = result == RINGTIME_OK || result == RINGTIME_MISSING;
        return answered ? Verdict::answered : Verdict::failed;
    }
    [[nodiscard]] Verdict websocket(const Endpoint& endpoint) noexcept {
        return websocket(endpoint, std::unique_ptr<char>());
    }
    /// The plugin's CoreState of the core this runs on.
    template <typename T>
    [[nodiscard]] T& core() const noexcept {
        return *static_cast<T*>(raw_->host->core_state(raw_->exchange));
    }

 private:
    static void free_string(void* owner) { delete static_cast<std::string*>(owner); }

    Verdict respond_bytes(uint16_t status, const ringtime_field_line* lines, size_t count,
                          const ringtime_bytes& bytes) noexcept {
        ringtime_status result =
            raw_->host->respond(raw_->exchange, status, lines, count, &bytes);
        return result == RINGTIME_OK ? Verdict::answered : Verdict::failed;
    }

    const ringtime_request* raw_;
};

class Response {
 public:
    Response(const ringtime_request* request, const ringtime_response* raw) noexcept
        : request_(request), raw_(raw) {}

    [[nodiscard]] const ringtime_response& raw() const noexcept { return *raw_; }
    [[nodiscard]] uint16_t status() const noexcept { return raw_->status; }
    bool set_status(uint16_t status) noexcept {
        return request_->host->set_status(request_->exchange, status) == RINGTIME_OK;
    }
    /// The gateway's reason code when it made this response itself.
    [[nodiscard]] std::string_view reason() const noexcept { return text(raw_->reason); }
    [[nodiscard]] Fields fields() const noexcept { return {request_, RINGTIME_RESPONSE_FIELDS}; }
    [[nodiscard]] std::string_view field(std::string_view name) const noexcept {
        return fields().get(name);
    }
    bool set(std::string_view name, std::string_view value) noexcept {
        return fields().set(name, value);
    }
    /// Sends another answer in its place, copied: `return response.replace(200, body);` from
    /// on_response. Needs a gateway for which can_replace() is true.
    [[nodiscard]] Verdict replace(uint16_t status, std::string_view body = {},
                                  std::initializer_list<Line> lines = {}) noexcept {
        ringtime_bytes bytes{detail::slice(body), nullptr, nullptr};
        bool good = can_replace(*request_) &&
                    request_->host->respond_instead(request_->exchange, status, lines.begin(),
                                                    lines.size(), &bytes) == RINGTIME_OK;
        return good ? Verdict::answered : Verdict::failed;
    }
    /// The same with an error, as Request::refuse() sends it.
    [[nodiscard]] Verdict refuse(uint16_t status, std::string_view code, std::string_view message,
                                 std::initializer_list<Line> lines = {}) {
        bool good = can_replace(*request_) &&
                    detail::respond_error(*request_, request_->host->respond_instead, status, code,
                                          message, lines);
        return good ? Verdict::answered : Verdict::failed;
    }
    /// The first gateways could not.
    [[nodiscard]] static bool can_replace(const ringtime_request& request) noexcept {
        constexpr size_t needed =
            offsetof(ringtime_host, respond_instead) + sizeof request.host->respond_instead;
        return request.host->struct_size >= needed;
    }

 private:
    const ringtime_request* request_;
    const ringtime_response* raw_;
};

/// A piece of a body that passes by.
class Chunk {
 public:
    Chunk(const ringtime_request* request, const ringtime_chunk* raw) noexcept
        : request_(request), raw_(raw) {}

    [[nodiscard]] std::string_view bytes() const noexcept { return text(raw_->bytes); }
    [[nodiscard]] bool last() const noexcept { return raw_->last; }
    /// Sends these bytes instead; copied. False unless the mode is Body::transform.
    bool replace(std::string_view with) noexcept {
        ringtime_bytes bytes{detail::slice(with), nullptr, nullptr};
        return request_->host->replace(request_->exchange, &bytes) == RINGTIME_OK;
    }
    /// The same without a copy.
    bool replace_owned(std::string with) {
        auto* owned = new std::string(std::move(with));
        ringtime_bytes bytes{detail::slice(*owned),
                             [](void* owner) { delete static_cast<std::string*>(owner); }, owned};
        return request_->host->replace(request_->exchange, &bytes) == RINGTIME_OK;
    }

 private:
    const ringtime_request* request_;
    const ringtime_chunk* raw_;
};

/// The plugin as the gateway knows it: configuration, log, and what it contributes. Lives as long
/// as the plugin; contributions are made in the constructor or on_init.
class Context {
 public:
    Context(const ringtime_host* host, ringtime_context* raw) noexcept : host_(host), raw_(raw) {}

    [[nodiscard]] const ringtime_host* host() const noexcept { return host_; }
    [[nodiscard]] const ringtime_about& about() const noexcept { return *host_->about(raw_); }

    // Configuration; the fallback is for keys that are absent or of another type.
    [[nodiscard]] std::string_view config_json() const noexcept {
        return text(host_->config_json(raw_));
    }
    [[nodiscard]] std::string_view string(std::string_view key,
                                          std::string_view fallback = {}) const {
        ringtime_slice out{};
        bool found = host_->config_string(raw_, detail::slice(key), &out) == RINGTIME_OK;
        return found ? text(out) : fallback;
    }
    /// Throws when it is a number, and not a whole one: nobody means the fallback with 1.5.
    [[nodiscard]] int64_t integer(std::string_view key, int64_t fallback = 0) const {
        int64_t out = 0;
        ringtime_status status = host_->config_integer(raw_, detail::slice(key), &out);
        if (status == RINGTIME_INVALID)
            throw std::invalid_argument(std::string(key) + " is not a whole number, or too large");
        return status == RINGTIME_OK ? out : fallback;
    }
    [[nodiscard]] double number(std::string_view key, double fallback = 0) const {
        double out = 0;
        bool found = host_->config_number(raw_, detail::slice(key), &out) == RINGTIME_OK;
        return found ? out : fallback;
    }
    [[nodiscard]] bool boolean(std::string_view key, bool fallback = false) const {
        int out = 0;
        bool found = host_->config_boolean(raw_, detail::slice(key), &out) == RINGTIME_OK;
        return found ? out != 0 : fallback;
    }
    /// The strings of a list; one string is a list of one.
    [[nodiscard]] std::vector<std::string_view> strings(std::string_view key) const {
        size_t count = 0;
        std::vector<std::string_view> out;
        if (host_->config_count(raw_, detail::slice(key), &count) != RINGTIME_OK) {
            std::string_view one = string(key);
            if (one.data()) out.push_back(one);
            return out;
        }
        for (size_t i = 0; i < count; ++i)
            out.push_back(string(std::string(key) + '.' + std::to_string(i)));
        return out;
    }

    void debug(std::string_view line) const noexcept { log(RINGTIME_LOG_DEBUG, line); }
    void info(std::string_view line) const noexcept { log(RINGTIME_LOG_INFO, line); }
    void warn(std::string_view line) const noexcept { log(RINGTIME_LOG_WARN, line); }
    void error(std::string_view line) const noexcept { log(RINGTIME_LOG_ERROR, line); }

    /// `context.route<&Shop::item>("GET", "/items/:id", this)`; an empty method means every one.
    template <auto Handler, typename T>
    void route(std::string_view method, std::string_view pattern, T* plugin) {
        check(host_->add_route(raw_, detail::slice(method), detail::slice(pattern),
                               &handle<Handler, T>, plugin),
              "the route", pattern);
    }
    /// The same, and request.body() is complete: bodies larger than that are answered 413.
    template <auto Handler, typename T>
    void route_with_body(std::string_view method, std::string_view pattern,
                         uint64_t body_bytes_max, T* plugin) {
        check(host_->add_body_route(raw_, detail::slice(method), detail::slice(pattern),
                                    body_bytes_max, &handle<Handler, T>, plugin),
              "the route", pattern);
    }
    /// Clients subscribe with request.events(channel).
    [[nodiscard]] Channel channel(std::string_view name,
                                  const ringtime_channel_options& options = {}) {
        ringtime_channel_options given = options;
        given.struct_size = sizeof given;
        ringtime_channel* made = host_->make_channel(raw_, detail::slice(name), &given);
        if (!made) throw std::invalid_argument("the gateway refused a channel");
        return {host_, made};
    }
    /// Clients come by request.websocket(endpoint). `events` has on_message(const Message&) and, if
    /// it wants, on_open(socket, state), on_room(socket, state), on_close(socket, state, code,
    /// reason); it lives as long as the plugin.
    template <typename T>
    [[nodiscard]] Endpoint endpoint(std::string_view name, T* events,
                                    const ringtime_endpoint_options& options = {}) {
        ringtime_endpoint_options table = detail::endpoint_table(options, events);
        ringtime_endpoint* made = host_->make_endpoint(raw_, detail::slice(name), &table);
        if (!made) throw std::invalid_argument("the gateway refused an endpoint");
        return {host_, made};
    }
    /// Calls `visit(const Metric&)` for everything the gateway counts. Any thread.
    template <typename Visit>
    void each_metric(Visit visit) const {
        host_->each_metric(
            raw_,
            [](void* visitor, const ringtime_metric* metric) {
                (*static_cast<Visit*>(visitor))(*metric);
            },
            &visit);
    }
    /// `context.metrics<&Shop::count>(this)`: `count(const MetricWriter&)` tells the plugin's own
    /// numbers whenever somebody asks, on his thread: read atomics.
    template <auto Collect, typename T>
    void metrics(T* plugin) {
        auto collect = [](void* user, ringtime_visit_metric visit, void* visitor) {
            (static_cast<T*>(user)->*Collect)(MetricWriter(visit, visitor));
        };
        check(host_->add_metrics(raw_, collect, plugin), "the metrics", {});
    }
    /// `context.tap_log<&Shop::heard>(this)`: `heard(const LogEntry&)` on a thread of its own.
    template <auto Heard, typename T>
    void tap_log(T* plugin) {
        auto tap = [](void* user, const ringtime_log_entry* entry) noexcept {
            try {
                (static_cast<T*>(user)->*Heard)(*entry);
            } catch (...) {  // Nobody is left to tell: the log is what it hears.
            }
        };
        check(host_->tap_log(raw_, tap, plugin), "the tap", {});
    }
    template <auto Check, typename T>
    void probe(std::string_view name, bool critical, std::chrono::milliseconds interval,
               T* plugin) {
        auto asked = [](void* user) noexcept -> int {
            try {
                return (static_cast<T*>(user)->*Check)() ? 0 : 1;
            } catch (...) {
                return 1;
            }
        };
        check(host_->add_probe(raw_, detail::slice(name), critical,
                               static_cast<uint32_t>(interval.count()), asked, plugin),
              "the probe", name);
    }
    [[nodiscard]] Static make_static(uint16_t status, std::string_view body,
                                     std::initializer_list<Line> lines = {}) {
        const ringtime_static* made =
            host_->make_static(raw_, status, lines.begin(), lines.size(), detail::slice(body));
        if (!made) throw std::invalid_argument("the gateway refused a static answer");
        return Static(made);
    }

    template <typename T>
    void provide(std::string_view name, uint32_t version, T* service) {
        check(host_->provide(raw_, detail::slice(name), version, service), "the service", name);
    }
    /// Null when no declared dependency provides it.
    template <typename T>
    [[nodiscard]] T* use(std::string_view name, uint32_t version) const noexcept {
        return static_cast<T*>(host_->use(raw_, detail::slice(name), version));
    }

    /// on_init, on_config: refuses, as an exception does, but the hook goes on to its end.
    void fail(std::string_view why) noexcept { host_->fail(raw_, detail::slice(why)); }

 private:
    template <auto Handler, typename T>
    static ringtime_verdict handle(void* user, const ringtime_request* raw) {
        Request request(raw);
        return static_cast<ringtime_verdict>(
            detail::verdict_of([&] { return (static_cast<T*>(user)->*Handler)(request); }));
    }
    void log(ringtime_log_level level, std::string_view line) const noexcept {
        host_->log(raw_, level, detail::slice(line));
    }
    static void check(ringtime_status status, const char* what, std::string_view name) {
        if (status == RINGTIME_OK) return;
        throw std::invalid_argument(std::string("the gateway refused ") + what + " " +
                                    std::string(name));
    }

    const ringtime_host* host_;
    ringtime_context* raw_;
};

}  // namespace ringtime

#include <ringtime/plugin_table.hpp>

/// Makes `Type` the plugin of this shared object. Once, outside of every namespace.
#define RINGTIME_PLUGIN(Type)                                                    \
    extern "C" RINGTIME_EXPORT constexpr ringtime_plugin_table ringtime_plugin = \
        ::ringtime::detail::make_table<Type>();
