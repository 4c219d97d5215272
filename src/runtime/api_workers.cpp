// The worker processes. They belong to the main thread, which is asked.

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <optional>

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

struct Deed {
    bool (worker::Supervisor::*act)(uint32_t worker);
    std::string_view done;
};
constexpr Deed kRestart{&worker::Supervisor::restart, "being replaced"};
constexpr Deed kDrain{&worker::Supervisor::drain, "draining"};

std::optional<uint32_t> worker_id(std::string_view text) noexcept {
    uint32_t id = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    bool whole = error == std::errc() && end == text.data() + text.size();
    return whole ? std::optional(id) : std::nullopt;
}

// Mounts of the apps that are called `text`: by name, in one version or in all, or by base.
std::vector<const exchange::Mount*> find_apps(const exchange::Snapshot& snapshot,
                                              std::string_view text) {
    std::vector<const exchange::Mount*> found;
    for (const exchange::Mount& mount : snapshot.mounts) {
        if (mount.kind != exchange::TargetKind::worker) continue;
        if (text == mount.name || text == mount.base ||
            text == fmt::format("{}@{}", mount.name, mount.version))
            found.push_back(&mount);
    }
    return found;
}

ApiReply act_on_worker(ApiContext& context, const ApiArguments& arguments, const Deed& deed,
                       uint32_t id) {
    bool acted = false;
    context.gateway.on_main(
        [&](worker::Supervisor& supervisor) { acted = (supervisor.*deed.act)(id); });
    if (!acted)
        return error_reply(404, "not_found", fmt::format("no worker {} is ready", id),
                           arguments.request_id);
    std::string done = fmt::format("is {}", deed.done);
    if (arguments.wants_text()) return text_reply(fmt::format("worker {} {}\n", id, done));
    std::string out;
    JsonWriter(out).begin_object().key("worker").number(id).key("done").string(done).end_object();
    return json_reply(std::move(out));
}

// All instances that take requests. The spares of an ephemeral app go with their origin.
ApiReply act_on_apps(ApiContext& context, const ApiArguments& arguments, const Deed& deed,
                     const std::vector<const exchange::Mount*>& apps) {
    std::vector<uint32_t> ids;
    context.gateway.on_main([&](worker::Supervisor& supervisor) {
        for (const worker::WorkerView& view : supervisor.workers()) {
            bool meant = std::any_of(apps.begin(), apps.end(), [&](const exchange::Mount* app) {
                return app->target == view.app_index && app->name == view.app;
            });
            if (meant && view.role != worker::WorkerRole::spare &&
                (supervisor.*deed.act)(view.id))
                ids.push_back(view.id);
        }
    });
    const std::string& name = apps.front()->name;
    if (ids.empty())
        return error_reply(404, "not_found", fmt::format("no worker of {} is ready", name),
                           arguments.request_id);
    std::string done = fmt::format("{} {}", ids.size() == 1 ? "is" : "are", deed.done);
    if (arguments.wants_text())
        return text_reply(fmt::format("{} worker{} of {} {}\n", ids.size(),
                                      ids.size() == 1 ? "" : "s", name, done));
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("app").string(name).key("workers").begin_array();
    for (uint32_t id : ids) json.number(id);
    json.end_array().key("done").string(done).end_object();
    return json_reply(std::move(out));
}

ApiReply act_on(ApiContext& context, const ApiArguments& arguments, const Deed& deed) {
    const std::string& text = arguments.path.front();
    if (auto id = worker_id(text)) return act_on_worker(context, arguments, deed, *id);
    auto live = context.gateway.live();
    auto apps = find_apps(*live->snapshot, text);
    if (!apps.empty()) return act_on_apps(context, arguments, deed, apps);
    return error_reply(404, "not_found",
                       fmt::format("{} is neither an ID nor an app in the list of workers", text),
                       arguments.request_id);
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
    return act_on(context, arguments, kRestart);
}

ApiReply api_drain_worker(ApiContext& context, const ApiArguments& arguments) {
    return act_on(context, arguments, kDrain);
}

}  // namespace ringtime::runtime
