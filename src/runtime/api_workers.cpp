// The worker processes. They belong to the main thread, which is asked.

#include <fmt/core.h>

#include <charconv>

#include "base/json.h"
#include "runtime/api.h"
#include "runtime/api_handlers.h"

namespace ringtime::runtime {
namespace {

using worker::WorkerPhase;

struct Row {
    uint32_t id = 0;
    int32_t pid = 0;
    std::string app;
    std::string_view role;
    std::string_view state;
    uint32_t in_flight = 0;
    uint32_t requests = 0;
    uint64_t age_ms = 0;
    uint64_t rss_bytes = 0;
};

// One that is ready is busy or idle: that is what its operator wants to know.
std::string_view state_of(const worker::WorkerView& view) noexcept {
    if (view.phase != WorkerPhase::ready) return worker::phase_name(view.phase);
    return view.in_flight > 0 ? "busy" : "idle";
}

std::string workers_text(const std::vector<Row>& rows) {
    using Align = TextTable::Align;
    TextTable table({{"ID", Align::right}, {"APP"}, {"ROLE"}, {"STATE"}, {"PID", Align::right},
                     {"IN FLIGHT", Align::right}, {"REQUESTS", Align::right},
                     {"AGE", Align::right}, {"MEMORY", Align::right}});
    for (const Row& row : rows) {
        table.add({fmt::format("{}", row.id), row.app, std::string(row.role),
                   std::string(row.state), row.pid > 0 ? fmt::format("{}", row.pid) : "-",
                   fmt::format("{}", row.in_flight), fmt::format("{}", row.requests),
                   duration_text(row.age_ms), size_text(row.rss_bytes)});
    }
    return table.empty() ? "no workers\n" : table.text();
}

std::string workers_json(const std::vector<Row>& rows, const worker::SupervisorCounters& counters) {
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("workers").begin_array();
    for (const Row& row : rows) {
        json.begin_object().key("id").number(row.id);
        // Left out while there is none: `kill 0` would reach whoever reads this.
        if (row.pid > 0) json.key("pid").number(row.pid);
        json.key("app").string(row.app).key("role").string(row.role);
        json.key("state").string(row.state).key("inFlight").number(row.in_flight);
        json.key("requests").number(row.requests).key("ageMs").number(row.age_ms);
        json.key("rssBytes").number(row.rss_bytes).end_object();
    }
    json.end_array().key("counters").begin_object();
    json.key("started").number(counters.started.value());
    json.key("ready").number(counters.ready.value());
    json.key("crashed").number(counters.crashed.value());
    json.key("killed").number(counters.killed.value());
    json.key("startFailures").number(counters.start_failures.value());
    json.key("recycled").number(counters.recycled.value());
    json.key("retired").number(counters.retired.value());
    json.key("forked").number(counters.forked.value()).end_object().end_object();
    return out;
}

using Act = bool (worker::Supervisor::*)(uint32_t);

ApiReply act_on(ApiContext& context, const ApiArguments& arguments, Act act,
                std::string_view done) {
    const std::string& text = arguments.path.front();
    uint32_t id = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (error != std::errc() || end != text.data() + text.size())
        return error_reply(404, "not_found",
                           fmt::format("{} is no ID of a worker; the list of workers has them",
                                       text),
                           arguments.request_id);
    bool acted = false;
    context.gateway.on_main(
        [&](worker::Supervisor& supervisor) { acted = (supervisor.*act)(id); });
    if (!acted)
        return error_reply(404, "not_found", fmt::format("no worker {} is ready", text),
                           arguments.request_id);
    if (arguments.wants_text()) return text_reply(fmt::format("worker {} {}\n", id, done));
    std::string out;
    JsonWriter(out).begin_object().key("worker").number(id).key("done").string(done).end_object();
    return json_reply(std::move(out));
}

}  // namespace

ApiReply api_workers(ApiContext& context, const ApiArguments& arguments) {
    std::vector<Row> rows;
    worker::SupervisorCounters counters;
    context.gateway.on_main([&](worker::Supervisor& supervisor) {
        counters = supervisor.counters();
        for (const worker::WorkerView& view : supervisor.workers()) {
            rows.push_back({view.id, view.pid, std::string(view.app), worker::role_name(view.role),
                            state_of(view), view.in_flight, view.requests,
                            view.age / kNanosecondsPerMillisecond, view.rss_bytes});
        }
    });
    return arguments.wants_text() ? text_reply(workers_text(rows))
                                  : json_reply(workers_json(rows, counters));
}

ApiReply api_restart_worker(ApiContext& context, const ApiArguments& arguments) {
    return act_on(context, arguments, &worker::Supervisor::restart, "is being replaced");
}

ApiReply api_drain_worker(ApiContext& context, const ApiArguments& arguments) {
    return act_on(context, arguments, &worker::Supervisor::drain, "is draining");
}

}  // namespace ringtime::runtime
