#include "hook/host_table.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/metrics.h"
#include "hook/chain_run.h"
#include "hook/core.h"
#include "hook/event_channel.h"
#include "hook/plugin.h"
#include "hook/socket_endpoint.h"

namespace ringtime::hook {
namespace {

ChainRun& run_of(ringtime_exchange* exchange) noexcept {
    return *reinterpret_cast<ChainRun*>(exchange);
}
Plugin& plugin_of(ringtime_context* context) noexcept {
    return *reinterpret_cast<Plugin*>(context);
}
PluginCore& core_of(ringtime_core* core) noexcept { return *reinterpret_cast<PluginCore*>(core); }
Cores& cores_of(const ringtime_host* host) noexcept {
    // The table is the first member of the Host it was handed out from.
    return *reinterpret_cast<const Host*>(host)->cores;
}

/// Start-up calls allocate; without memory they refuse instead of throwing into a plugin.
template <typename Call>
ringtime_status guarded(Call&& call) noexcept {
    try {
        return call();
    } catch (...) {
        return RINGTIME_LIMIT;
    }
}

const ConfigValue* find_value(ringtime_context* context, ringtime_slice key) noexcept {
    return plugin_of(context).config().find(to_view(key));
}

template <typename Number>
ringtime_status read_number(ringtime_context* context, ringtime_slice key, Number* out) noexcept {
    const ConfigValue* value = find_value(context, key);
    if (!value || value->kind != ConfigValue::Kind::number) return RINGTIME_MISSING;
    const char* end = value->text.data() + value->text.size();
    auto [at, error] = std::from_chars(value->text.data(), end, *out);
    return error == std::errc{} && at == end ? RINGTIME_OK : RINGTIME_INVALID;
}

// `64.0` and `1e3` are whole as well, as far as a double counts.
ringtime_status read_integer(ringtime_context* context, ringtime_slice key, int64_t* out) noexcept {
    constexpr double exact_max = 9'007'199'254'740'992;
    ringtime_status status = read_number(context, key, out);
    if (status != RINGTIME_INVALID) return status;
    double number = 0;
    status = read_number(context, key, &number);
    if (status != RINGTIME_OK || std::trunc(number) != number || std::abs(number) > exact_max)
        return RINGTIME_INVALID;
    *out = static_cast<int64_t>(number);
    return RINGTIME_OK;
}

void fill_exchange_calls(ringtime_host& host) noexcept {
    host.field = [](ringtime_exchange* exchange, ringtime_part part, ringtime_field id) {
        return run_of(exchange).field(part, static_cast<http::FieldId>(id & 0xff));
    };
    host.field_named = [](ringtime_exchange* exchange, ringtime_part part, ringtime_slice name) {
        return run_of(exchange).field(part, to_view(name));
    };
    host.each_field = [](ringtime_exchange* exchange, ringtime_part part, ringtime_visit visit,
                         void* user) { run_of(exchange).each_field(part, visit, user); };
    host.set_field = [](ringtime_exchange* exchange, ringtime_part part, ringtime_slice name,
                        ringtime_slice value) {
        return run_of(exchange).edit(part, ChainRun::Edit::set, to_view(name), to_view(value));
    };
    host.add_field = [](ringtime_exchange* exchange, ringtime_part part, ringtime_slice name,
                        ringtime_slice value) {
        return run_of(exchange).edit(part, ChainRun::Edit::add, to_view(name), to_view(value));
    };
    host.remove_field = [](ringtime_exchange* exchange, ringtime_part part, ringtime_slice name) {
        return run_of(exchange).edit(part, ChainRun::Edit::remove, to_view(name), {});
    };
    host.set_path = [](ringtime_exchange* exchange, ringtime_slice path) {
        return run_of(exchange).set_path(to_view(path));
    };
    host.respond_instead = [](ringtime_exchange* exchange, uint16_t status,
                              const ringtime_field_line* lines, size_t count,
                              const ringtime_bytes* body) {
        return run_of(exchange).respond_instead(status, lines, count, body);
    };
    host.set_status = [](ringtime_exchange* exchange, uint16_t status) {
        return run_of(exchange).set_status(status);
    };
    host.respond = [](ringtime_exchange* exchange, uint16_t status,
                      const ringtime_field_line* lines, size_t count, const ringtime_bytes* body) {
        return run_of(exchange).respond(status, lines, count, body);
    };
    host.respond_static = [](ringtime_exchange* exchange, const ringtime_static* answer) {
        if (!answer) return RINGTIME_INVALID;
        return run_of(exchange).respond(*reinterpret_cast<const StaticAnswer*>(answer));
    };
    host.replace = [](ringtime_exchange* exchange, const ringtime_bytes* bytes) {
        return run_of(exchange).replace(*bytes);
    };
    host.parameter = [](ringtime_exchange* exchange, ringtime_slice name) {
        return to_slice(run_of(exchange).parameter(to_view(name)));
    };
    host.state = [](ringtime_exchange* exchange) { return run_of(exchange).state(); };
    host.set_state = [](ringtime_exchange* exchange, void* state) {
        return run_of(exchange).set_state(state);
    };
    host.core = [](ringtime_exchange* exchange) {
        return reinterpret_cast<ringtime_core*>(run_of(exchange).plugin_core());
    };
    host.core_state = [](ringtime_exchange* exchange) { return run_of(exchange).core_state(); };
    host.allocate = [](ringtime_exchange* exchange, size_t size) {
        return run_of(exchange).allocate(size);
    };
    host.pause = [](ringtime_exchange* exchange, uint32_t timeout_ms) {
        return run_of(exchange).pause(timeout_ms);
    };
}

void fill_thread_calls(ringtime_host& host) noexcept {
    host.resume = [](const ringtime_host* table, ringtime_token token, uint64_t value) {
        Cores& cores = cores_of(table);
        unsigned core = PauseTable::core_of(token);
        return core < cores.count() ? cores[core].resume(token, value) : RINGTIME_GONE;
    };
    host.log = [](ringtime_context* context, ringtime_log_level level, ringtime_slice text) {
        plugin_of(context).log(level, to_view(text));
    };
    host.post = [](const ringtime_host* table, uint32_t core, void (*function)(void*),
                   void* argument) {
        Cores& cores = cores_of(table);
        if (core >= cores.count() || !function) return RINGTIME_INVALID;
        return cores[core].run_soon(function, argument);
    };
}

void fill_context_calls(ringtime_host& host) noexcept {
    host.about = [](ringtime_context* context) { return &plugin_of(context).about(); };
    host.config_json = [](ringtime_context* context) {
        return to_slice(plugin_of(context).config().json());
    };
    host.config_string = [](ringtime_context* context, ringtime_slice key, ringtime_slice* out) {
        const ConfigValue* value = find_value(context, key);
        if (!value || value->kind != ConfigValue::Kind::string) return RINGTIME_MISSING;
        *out = to_slice(value->text);
        return RINGTIME_OK;
    };
    host.config_integer = [](ringtime_context* context, ringtime_slice key, int64_t* out) {
        return read_integer(context, key, out);
    };
    host.config_number = [](ringtime_context* context, ringtime_slice key, double* out) {
        return read_number(context, key, out);
    };
    host.config_boolean = [](ringtime_context* context, ringtime_slice key, int* out) {
        const ConfigValue* value = find_value(context, key);
        if (!value || value->kind != ConfigValue::Kind::boolean) return RINGTIME_MISSING;
        *out = value->text == "true";
        return RINGTIME_OK;
    };
    host.config_count = [](ringtime_context* context, ringtime_slice key, size_t* out) {
        const ConfigValue* value = find_value(context, key);
        if (!value ||
            (value->kind != ConfigValue::Kind::list && value->kind != ConfigValue::Kind::object))
            return RINGTIME_MISSING;
        *out = value->count;
        return RINGTIME_OK;
    };
}

void fill_contribution_calls(ringtime_host& host) noexcept {
    host.fail = [](ringtime_context* context, ringtime_slice message) {
        (void)guarded([&] {
            plugin_of(context).set_failure(to_view(message));
            return RINGTIME_OK;
        });
    };
    host.provide = [](ringtime_context* context, ringtime_slice name, uint32_t version,
                      void* service) {
        return guarded([&] { return plugin_of(context).provide(to_view(name), version, service); });
    };
    host.use = [](ringtime_context* context, ringtime_slice name, uint32_t version) {
        void* found = nullptr;
        (void)guarded([&] {
            found = plugin_of(context).use(to_view(name), version);
            return RINGTIME_OK;
        });
        return found;
    };
    host.add_route = [](ringtime_context* context, ringtime_slice method, ringtime_slice pattern,
                        ringtime_handler handler, void* user) {
        return guarded([&] {
            return plugin_of(context).add_route({handler, user, std::string(to_view(method)),
                                                 std::string(to_view(pattern))});
        });
    };
    host.add_body_route = [](ringtime_context* context, ringtime_slice method,
                             ringtime_slice pattern, uint64_t body_bytes_max,
                             ringtime_handler handler, void* user) {
        return guarded([&] {
            return plugin_of(context).add_route({handler, user, std::string(to_view(method)),
                                                 std::string(to_view(pattern)), body_bytes_max});
        });
    };
    host.make_static = [](ringtime_context* context, uint16_t status,
                          const ringtime_field_line* lines, size_t count, ringtime_slice body) {
        const StaticAnswer* made = nullptr;
        (void)guarded([&] {
            made = plugin_of(context).add_static(status, lines, count, body);
            return RINGTIME_OK;
        });
        return reinterpret_cast<const ringtime_static*>(made);
    };
    host.add_probe = [](ringtime_context* context, ringtime_slice name, int critical,
                        uint32_t interval_ms, int (*check)(void*), void* user) {
        return guarded([&] {
            return plugin_of(context).add_probe(
                {std::string(to_view(name)), critical != 0, interval_ms, check, user});
        });
    };
}

/// Shows metrics to a plugin.
class Visitor final : public MetricSink {
 public:
    Visitor(ringtime_visit_metric visit, void* visitor) noexcept
        : visit_(visit), visitor_(visitor) {}

    using MetricSink::add;
    void add(const Metric& metric) override {
        ringtime_field_line lines[labels_max];
        size_t count = std::min(metric.labels.size(), labels_max);
        for (size_t i = 0; i < count; ++i)
            lines[i] = {to_slice(metric.labels[i].name), to_slice(metric.labels[i].value)};
        ringtime_metric shown{sizeof shown,
                              static_cast<uint32_t>(metric.kind),
                              to_slice(metric.name),
                              to_slice(metric.help),
                              to_slice(metric.unit),
                              lines,
                              count,
                              metric.value,
                              metric.count,
                              metric.bounds.data(),
                              metric.buckets.data(),
                              metric.bounds.size()};
        visit_(visitor_, &shown);
    }

 private:
    static constexpr size_t labels_max = 16;

    ringtime_visit_metric visit_;
    void* visitor_;
};

static_assert(static_cast<int>(MetricKind::counter) == RINGTIME_METRIC_COUNTER);
static_assert(static_cast<int>(MetricKind::gauge) == RINGTIME_METRIC_GAUGE);
static_assert(static_cast<int>(MetricKind::histogram) == RINGTIME_METRIC_HISTOGRAM);

EventChannel& channel_of(ringtime_channel* channel) noexcept {
    return *reinterpret_cast<EventChannel*>(channel);
}

void fill_event_calls(ringtime_host& host) noexcept {
    host.make_channel = [](ringtime_context* context, ringtime_slice name,
                           const ringtime_channel_options* options) {
        EventChannel* made = nullptr;
        (void)guarded([&] {
            bool known = options && options->struct_size >= sizeof *options;
            made = plugin_of(context).make_channel(
                to_view(name), known ? *options : ringtime_channel_options{});
            return RINGTIME_OK;
        });
        return reinterpret_cast<ringtime_channel*>(made);
    };
    host.respond_events = [](ringtime_exchange* exchange, ringtime_channel* channel,
                             const ringtime_field_line* lines, size_t count,
                             const ringtime_event* first, size_t first_count) {
        if (!channel) return RINGTIME_INVALID;
        return run_of(exchange).respond_events(channel_of(channel), {lines, count},
                                               {first, first_count});
    };
    host.publish = [](ringtime_channel* channel, const ringtime_event* event) {
        return guarded([&] { return channel_of(channel).publish(*event); });
    };
    host.channel_counts = [](ringtime_channel* channel, ringtime_channel_counts* out) {
        ringtime_channel_counts counts = channel_of(channel).counts();
        if (out->struct_size >= sizeof counts) *out = counts;
    };
}

SocketEndpoint& endpoint_of(ringtime_endpoint* endpoint) noexcept {
    return *reinterpret_cast<SocketEndpoint*>(endpoint);
}

void fill_socket_calls(ringtime_host& host) noexcept {
    host.make_endpoint = [](ringtime_context* context, ringtime_slice name,
                            const ringtime_endpoint_options* options) {
        SocketEndpoint* made = nullptr;
        if (options && options->struct_size >= sizeof *options) {
            (void)guarded([&] {
                made = plugin_of(context).make_endpoint(to_view(name), *options);
                return RINGTIME_OK;
            });
        }
        return reinterpret_cast<ringtime_endpoint*>(made);
    };
    host.respond_websocket = [](ringtime_exchange* exchange, ringtime_endpoint* endpoint,
                                const ringtime_field_line* lines, size_t count,
                                ringtime_slice protocol, void* state) {
        if (!endpoint) return RINGTIME_INVALID;
        return run_of(exchange).respond_websocket(endpoint_of(endpoint), {lines, count},
                                                  to_view(protocol), state);
    };
    host.send_message = [](ringtime_endpoint* endpoint, ringtime_socket socket,
                           ringtime_message_kind kind, ringtime_slice message) {
        return endpoint_of(endpoint).send(socket, kind, to_view(message));
    };
    host.broadcast = [](ringtime_endpoint* endpoint, ringtime_message_kind kind,
                        ringtime_slice message) {
        return endpoint_of(endpoint).broadcast(kind, to_view(message));
    };
    host.close_socket = [](ringtime_endpoint* endpoint, ringtime_socket socket, uint16_t code,
                           ringtime_slice reason) {
        return guarded([&] { return endpoint_of(endpoint).close(socket, code, to_view(reason)); });
    };
    host.endpoint_counts = [](ringtime_endpoint* endpoint, ringtime_endpoint_counts* out) {
        ringtime_endpoint_counts counts = endpoint_of(endpoint).counts();
        if (out->struct_size >= sizeof counts) *out = counts;
    };
}

void fill_insight_calls(ringtime_host& host) noexcept {
    host.each_metric = [](ringtime_context* context, ringtime_visit_metric visit, void* visitor) {
        (void)guarded([&] {
            Visitor sink(visit, visitor);
            plugin_of(context).host_cores().read_metrics(sink);
            return RINGTIME_OK;
        });
    };
    host.add_metrics = [](ringtime_context* context,
                          void (*collect)(void*, ringtime_visit_metric, void*), void* user) {
        return guarded([&] { return plugin_of(context).add_metrics({collect, user}); });
    };
    host.tap_log = [](ringtime_context* context, ringtime_log_tap tap, void* user) {
        return guarded([&] { return plugin_of(context).tap_log({tap, user}); });
    };
}

void fill_core_calls(ringtime_host& host) noexcept {
    host.core_index = [](ringtime_core* core) -> uint32_t { return core_of(core).core->index(); };
    host.core_now_ns = [](ringtime_core* core) -> uint64_t {
        return core_of(core).core->port().now();
    };
    host.start_timer = [](ringtime_core* core, uint32_t after_ms, uint32_t every_ms,
                          void (*function)(void*), void* user) {
        return reinterpret_cast<ringtime_timer*>(
            core_of(core).start_timer(after_ms, every_ms, function, user));
    };
    host.stop_timer = [](ringtime_core* core, ringtime_timer* timer) {
        if (timer) core_of(core).stop_timer(*reinterpret_cast<PluginTimer*>(timer));
    };
    host.run_helper = [](ringtime_core* core, void (*work)(void*), void (*done)(void*),
                         void* argument) { return core_of(core).run_helper(work, done, argument); };
    host.core_ending = [](ringtime_core* core) -> int { return core_of(core).closing; };
    host.fetch = [](ringtime_core* core, const ringtime_fetch* request, ringtime_fetched done,
                    void* user) { return core_of(core).fetch(*request, done, user); };
}

}  // namespace

ringtime_host host_table() noexcept {
    ringtime_host host{};
    host.struct_size = sizeof host;
    host.abi_version = RINGTIME_ABI_VERSION;
    fill_exchange_calls(host);
    fill_thread_calls(host);
    fill_context_calls(host);
    fill_contribution_calls(host);
    fill_event_calls(host);
    fill_socket_calls(host);
    fill_insight_calls(host);
    fill_core_calls(host);
    return host;
}

}  // namespace ringtime::hook
