#pragma once
// The values of what the gateway does for plugins beyond their hooks, in C++: metrics, log entries,
// requests to other servers, streams of events, errors. What is not here is a member of Context or
// Request in plugin.hpp, which includes this header.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <ringtime/plugin.h>

namespace ringtime {
namespace detail {

inline std::string_view view(ringtime_slice slice) noexcept { return {slice.data, slice.size}; }
inline ringtime_slice slice(std::string_view text) noexcept { return {text.data(), text.size()}; }

}  // namespace detail

inline std::string_view text(ringtime_slice slice) noexcept { return detail::view(slice); }

/// One field line of an answer or a request, or one label of a metric.
struct Line : ringtime_field_line {
    Line(std::string_view line_name, std::string_view line_value) noexcept
        : ringtime_field_line{detail::slice(line_name), detail::slice(line_value)} {}
};
static_assert(sizeof(Line) == sizeof(ringtime_field_line), "lists of lines are passed as they are");

namespace detail {

/// The texts are UTF-8.
inline std::string json_error(std::string_view code, std::string_view message,
                              std::string_view request_id) {
    std::string out;
    auto append = [&out](const char* key, std::string_view value) {
        out.append(out.empty() ? "{\"" : ",\"").append(key).append("\":\"");
        for (char c : value) {
            if (c == '"' || c == '\\') out += '\\';
            // A line's end or any other control character would end the string.
            out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
        }
        out += '"';
    };
    append("error", code);
    append("message", message);
    append("requestId", request_id);
    return out.append("}\n");
}

/// Answers with an error in the form of the gateway's own, by respond or respond_instead.
inline bool respond_error(const ringtime_request& request, decltype(ringtime_host::respond) respond,
                          uint16_t status, std::string_view code, std::string_view message,
                          std::initializer_list<Line> lines) {
    std::string_view accepted = view(request.host->field(
        request.exchange, RINGTIME_REQUEST_FIELDS, RINGTIME_FIELD_ACCEPT));
    bool json = request.flags & RINGTIME_REQUEST_API ||
                accepted.find("application/json") != std::string_view::npos;
    std::string body = json ? json_error(code, message, view(request.request_id))
                            : std::string(message) + '\n';
    std::vector<ringtime_field_line> all(lines.begin(), lines.end());
    all.push_back(Line("cache-control", "no-store"));
    if (json) all.push_back(Line("content-type", "application/json"));
    ringtime_bytes bytes{slice(body), nullptr, nullptr};
    return respond(request.exchange, status, all.data(), all.size(), &bytes) == RINGTIME_OK;
}

}  // namespace detail

/// One series, borrowed for the call.
using Metric = ringtime_metric;
/// An entry of the log, borrowed for the call.
using LogEntry = ringtime_log_entry;

/// Where a plugin tells its own numbers.
class MetricWriter {
 public:
    MetricWriter(ringtime_visit_metric visit, void* visitor) noexcept
        : visit_(visit), visitor_(visitor) {}

    void counter(std::string_view name, std::string_view help, double value,
                 std::initializer_list<Line> labels = {}) const {
        write(RINGTIME_METRIC_COUNTER, name, help, value, labels);
    }
    void gauge(std::string_view name, std::string_view help, double value,
               std::initializer_list<Line> labels = {}) const {
        write(RINGTIME_METRIC_GAUGE, name, help, value, labels);
    }
    /// Any kind, as plugin_services.h has it.
    void write(const Metric& metric) const { visit_(visitor_, &metric); }

 private:
    void write(ringtime_metric_kind kind, std::string_view name, std::string_view help,
               double value, std::initializer_list<Line> labels) const {
        Metric metric{};
        metric.struct_size = sizeof metric;
        metric.kind = kind;
        metric.name = detail::slice(name);
        metric.help = detail::slice(help);
        metric.labels = labels.begin();
        metric.label_count = labels.size();
        metric.value = value;
        write(metric);
    }

    ringtime_visit_metric visit_;
    void* visitor_;
};

/// What another server is asked.
struct Fetch {
    explicit Fetch(std::string_view fetch_url) noexcept : url(fetch_url) {}

    std::string_view url;  ///< `http://host[:port]/path?query`
    std::string_view method = "GET";
    std::string_view body;
    std::vector<Line> lines;
    std::chrono::milliseconds timeout{30'000};  ///< To the last byte of the answer.
    uint64_t body_bytes_max = 1024 * 1024;      ///< Of the answer.
};

/// What came of it; borrowed for the call.
class FetchAnswer {
 public:
    explicit FetchAnswer(const ringtime_fetch_answer* raw) noexcept : raw_(raw) {}

    /// There is an answer, whatever its status.
    [[nodiscard]] explicit operator bool() const noexcept { return raw_->result == RINGTIME_OK; }
    [[nodiscard]] ringtime_status result() const noexcept {
        return static_cast<ringtime_status>(raw_->result);
    }
    /// The gateway's reason code when there is none: `upstream_connect`, `upstream_timeout`, ...
    [[nodiscard]] std::string_view reason() const noexcept { return text(raw_->reason); }
    [[nodiscard]] uint16_t status() const noexcept { return raw_->status; }
    [[nodiscard]] std::string_view body() const noexcept { return text(raw_->body); }
    /// The first line of that name, which is written in lower case; data() is null without one.
    [[nodiscard]] std::string_view field(std::string_view name) const noexcept {
        for (uint32_t i = 0; i < raw_->field_count; ++i) {
            if (same(text(raw_->fields[i].name), name)) return text(raw_->fields[i].value);
        }
        return {};
    }
    [[nodiscard]] const ringtime_fetch_answer& raw() const noexcept { return *raw_; }

 private:
    static bool same(std::string_view theirs, std::string_view lower) noexcept {
        if (theirs.size() != lower.size()) return false;
        for (size_t i = 0; i < lower.size(); ++i) {
            char c = theirs[i];
            if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
            if (c != lower[i]) return false;
        }
        return true;
    }

    const ringtime_fetch_answer* raw_;
};

/// A server-sent event.
struct Event : ringtime_event {
    explicit Event(std::string_view event_data, std::string_view name = {},
                   std::string_view event_id = {}) noexcept
        : ringtime_event{sizeof(ringtime_event), 0, detail::slice(event_data), detail::slice(name),
                         detail::slice(event_id)} {}
};
static_assert(sizeof(Event) == sizeof(ringtime_event), "lists of events are passed as they are");

/// What clients subscribe to and any thread publishes on.
class Channel {
 public:
    Channel() = default;
    Channel(const ringtime_host* host, ringtime_channel* raw) noexcept : host_(host), raw_(raw) {}

    [[nodiscard]] ringtime_channel* raw() const noexcept { return raw_; }
    /// Any thread. False when the event is not valid, or some subscribers had to miss it.
    bool publish(const Event& event) const noexcept {
        return host_->publish(raw_, &event) == RINGTIME_OK;
    }
    bool publish(std::string_view data) const noexcept { return publish(Event(data)); }
    [[nodiscard]] ringtime_channel_counts counts() const noexcept {
        ringtime_channel_counts out{};
        out.struct_size = sizeof out;
        host_->channel_counts(raw_, &out);
        return out;
    }

 private:
    const ringtime_host* host_ = nullptr;
    ringtime_channel* raw_ = nullptr;
};

/// WebSockets of a plugin. Any thread may call it.
class Endpoint {
 public:
    Endpoint() = default;
    Endpoint(const ringtime_host* host, ringtime_endpoint* raw) noexcept
        : host_(host), raw_(raw) {}

    [[nodiscard]] ringtime_endpoint* raw() const noexcept { return raw_; }
    /// RINGTIME_OK; RINGTIME_LIMIT: too much waits, on_room will tell; RINGTIME_GONE: it is closed.
    ringtime_status send(ringtime_socket socket, std::string_view text) const noexcept {
        return host_->send_message(raw_, socket, RINGTIME_MESSAGE_TEXT, detail::slice(text));
    }
    ringtime_status send_binary(ringtime_socket socket, std::string_view bytes) const noexcept {
        return host_->send_message(raw_, socket, RINGTIME_MESSAGE_BINARY, detail::slice(bytes));
    }
    ringtime_status broadcast(std::string_view text) const noexcept {
        return host_->broadcast(raw_, RINGTIME_MESSAGE_TEXT, detail::slice(text));
    }
    ringtime_status close(ringtime_socket socket, uint16_t code = 1000,
                          std::string_view reason = {}) const noexcept {
        return host_->close_socket(raw_, socket, code, detail::slice(reason));
    }
    [[nodiscard]] ringtime_endpoint_counts counts() const noexcept {
        ringtime_endpoint_counts out{};
        out.struct_size = sizeof out;
        host_->endpoint_counts(raw_, &out);
        return out;
    }

 private:
    const ringtime_host* host_ = nullptr;
    ringtime_endpoint* raw_ = nullptr;
};

/// A message of a client, borrowed for the call.
struct Message {
    ringtime_socket socket;
    void* state;  ///< What was given to request.websocket().
    std::string_view data;
    bool binary;
};

namespace detail {

template <typename T, typename = void>
struct has_on_open : std::false_type {};
template <typename T>
struct has_on_open<T, std::void_t<decltype(&T::on_open)>> : std::true_type {};
template <typename T, typename = void>
struct has_on_room : std::false_type {};
template <typename T>
struct has_on_room<T, std::void_t<decltype(&T::on_room)>> : std::true_type {};
template <typename T, typename = void>
struct has_on_close : std::false_type {};
template <typename T>
struct has_on_close<T, std::void_t<decltype(&T::on_close)>> : std::true_type {};

/// The table of an endpoint whose events are members of T.
template <typename T>
ringtime_endpoint_options endpoint_table(const ringtime_endpoint_options& given, T* events) {
    ringtime_endpoint_options table = given;
    table.struct_size = sizeof table;
    table.user = events;
    table.on_message = [](void* user, ringtime_socket socket, void* state,
                          ringtime_message_kind kind, ringtime_slice data) {
        static_cast<T*>(user)->on_message(
            Message{socket, state, view(data), kind == RINGTIME_MESSAGE_BINARY});
    };
    if constexpr (has_on_open<T>::value)
        table.on_open = [](void* user, ringtime_socket socket, void* state) {
            static_cast<T*>(user)->on_open(socket, state);
        };
    if constexpr (has_on_room<T>::value)
        table.on_room = [](void* user, ringtime_socket socket, void* state) {
            static_cast<T*>(user)->on_room(socket, state);
        };
    if constexpr (has_on_close<T>::value)
        table.on_close = [](void* user, ringtime_socket socket, void* state, uint16_t code,
                            ringtime_slice reason) {
            static_cast<T*>(user)->on_close(socket, state, code, view(reason));
        };
    return table;
}

/// Work on its way to a helper thread and back.
template <typename Work, typename Done>
struct HelperTask {
    using Result = std::invoke_result_t<Work&>;
    static constexpr bool has_result = !std::is_void_v<Result>;
    using Kept = std::conditional_t<has_result, std::optional<Result>, bool>;

    static void run(void* argument) noexcept {
        auto& self = *static_cast<HelperTask*>(argument);
        try {
            if constexpr (has_result) {
                self.kept.emplace(self.work());
            } else {
                self.work();
                self.kept = true;
            }
        } catch (...) {  // Then there is no result, and done() sees that.
        }
    }
    static void finish(void* argument) {
        std::unique_ptr<HelperTask> self(static_cast<HelperTask*>(argument));
        self->done(std::move(self->kept));
    }

    Work work;
    Done done;
    Kept kept{};
};

}  // namespace detail

/// The plugin on one core, on that core's thread.
class Core {
 public:
    Core(const ringtime_host* host, ringtime_core* raw) noexcept : host_(host), raw_(raw) {}

    [[nodiscard]] uint32_t index() const noexcept { return host_->core_index(raw_); }
    /// Monotonic, read once per turn of the core's loop: too coarse to time a hook with.
    [[nodiscard]] uint64_t now_ns() const noexcept { return host_->core_now_ns(raw_); }
    /// `core.every<&Limits::refill>(100ms, this)`.
    template <auto Tick, typename T>
    ringtime_timer* every(std::chrono::milliseconds interval, T* object) noexcept {
        auto ms = static_cast<uint32_t>(interval.count());
        return host_->start_timer(raw_, ms, ms, &tick<Tick, T>, object);
    }
    template <auto Tick, typename T>
    ringtime_timer* after(std::chrono::milliseconds delay, T* object) noexcept {
        auto ms = static_cast<uint32_t>(delay.count());
        return host_->start_timer(raw_, ms, 0, &tick<Tick, T>, object);
    }
    void stop(ringtime_timer* timer) noexcept { host_->stop_timer(raw_, timer); }

    /// Runs `work()` on a helper thread, where it may block, then `done(result)` here: an optional
    /// that is empty when the work threw, or a bool for work without a result. False, and neither
    /// runs, when too much work waits already.
    template <typename Work, typename Done>
    bool run(Work work, Done done) {
        using Task = detail::HelperTask<Work, Done>;
        auto task = std::unique_ptr<Task>(new Task{std::move(work), std::move(done)});
        if (host_->run_helper(raw_, &Task::run, &Task::finish, task.get()) != RINGTIME_OK)
            return false;
        (void)task.release();
        return true;
    }

    /// Any thread: the plugin is to end here, and work on helper threads is waited for only a
    /// moment. What blocks for long asks now and then, and gives up. The first gateways never say.
    [[nodiscard]] bool ending() const noexcept {
        constexpr size_t needed = offsetof(ringtime_host, core_ending) + sizeof host_->core_ending;
        return host_->struct_size >= needed && host_->core_ending(raw_) != 0;
    }

    /// Asks another server; `done(const FetchAnswer&)` is called here, exactly once. False, and it
    /// is not, when the request cannot be sent.
    template <typename Done>
    bool fetch(const Fetch& what, Done done) {
        auto kept = std::make_unique<Done>(std::move(done));
        auto wait = static_cast<uint32_t>(what.timeout.count());
        ringtime_fetch raw{sizeof raw,
                           wait,
                           what.body_bytes_max,
                           detail::slice(what.method),
                           detail::slice(what.url),
                           what.lines.data(),
                           what.lines.size(),
                           detail::slice(what.body)};
        if (host_->fetch(raw_, &raw, &fetched<Done>, kept.get()) != RINGTIME_OK) return false;
        (void)kept.release();
        return true;
    }

 private:
    template <typename Done>
    static void fetched(void* user, const ringtime_fetch_answer* raw) {
        std::unique_ptr<Done> done(static_cast<Done*>(user));
        (*done)(FetchAnswer(raw));
    }
    template <auto Tick, typename T>
    static void tick(void* user) noexcept {
        try {
            (static_cast<T*>(user)->*Tick)();
        } catch (...) {  // A timer has nobody to tell; the next one fires all the same.
        }
    }

    const ringtime_host* host_;
    ringtime_core* raw_;
};

}  // namespace ringtime
