// How the gateway is doing, and where requests go.

#include <fmt/core.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/resident.h"
#include "runtime/api.h"
#include "runtime/api_handlers.h"
#include "runtime/report.h"
#include "runtime/upstream_report.h"

namespace ringtime::runtime {
namespace {

struct Totals {
    size_t connections = 0;
    uint64_t accepted = 0;
    uint64_t requests = 0;
    uint64_t refused = 0;
    uint64_t aborted = 0;
    uint64_t status[6] = {};
};

Totals sum(const std::vector<CoreReport>& cores) {
    Totals totals;
    for (const CoreReport& core : cores) {
        totals.connections += core.connections;
        totals.accepted += core.counters.connections;
        totals.requests += core.counters.requests;
        totals.refused += core.counters.refused_heads;
        totals.aborted += core.counters.aborted;
        for (size_t i = 0; i < std::size(totals.status); ++i)
            totals.status[i] += core.counters.status_class[i];
    }
    return totals;
}

std::string status_text(const ApiContext& context, const Published& live,
                        const std::vector<CoreReport>& cores, uint64_t uptime_ms) {
    Totals totals = sum(cores);
    std::string out;
    auto line = [&](std::string_view key, const std::string& value) {
        out += fmt::format("{:<12} {}\n", key, value);
    };
    line("ringtime", fmt::format("{}, pid {}, up {}", RINGTIME_VERSION, ::getpid(),
                                 duration_text(uptime_ms)));
    line("memory", size_text(resident_bytes(::getpid())));
    line("mounts", fmt::format("{}", live.snapshot->mounts.size()));
    line("connections",
         fmt::format("{} open, {} in all", totals.connections, totals.accepted));
    line("requests", fmt::format("{}, {} heads refused, {} answers cut", totals.requests,
                                 totals.refused, totals.aborted));
    line("statuses", fmt::format("2xx {}  3xx {}  4xx {}  5xx {}", totals.status[2],
                                 totals.status[3], totals.status[4], totals.status[5]));
    using Align = TextTable::Align;
    TextTable table({{"CORE"}, {"CONNECTIONS", Align::right}, {"REQUESTS", Align::right},
                     {"TURNS", Align::right}, {"STALLS", Align::right},
                     {"LONGEST", Align::right}});
    for (const CoreReport& core : cores) {
        table.add({fmt::format("{}", core.index), fmt::format("{}", core.connections),
                   fmt::format("{}", core.counters.requests),
                   fmt::format("{}", core.reactor.turns), fmt::format("{}", core.reactor.stalls),
                   fmt::format("{}us", core.reactor.longest_turn / 1000)});
    }
    out += "\n" + table.text();
    if (cores.size() < context.gateway.core_count())
        out +=
            fmt::format("{} of {} cores do not answer\n",
                        context.gateway.core_count() - cores.size(), context.gateway.core_count());
    std::string upstreams = upstreams_text(read_upstreams(*live.snapshot));
    if (!upstreams.empty()) out += "\n" + upstreams;
    return out;
}

std::string status_json(const ApiContext& context, const Published& live,
                        const std::vector<CoreReport>& cores, uint64_t uptime_ms) {
    Totals totals = sum(cores);
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("version").string(RINGTIME_VERSION).key("pid").number(::getpid());
    json.key("uptimeMs").number(uptime_ms).key("epoch").number(live.snapshot->epoch);
    json.key("residentBytes").number(resident_bytes(::getpid()));
    json.key("mounts").number(live.snapshot->mounts.size());
    json.key("logLinesDropped").number(log_lines_dropped());
    json.key("connections").begin_object().key("open").number(totals.connections);
    json.key("accepted").number(totals.accepted).end_object();
    json.key("requests").begin_object().key("total").number(totals.requests);
    json.key("refusedHeads").number(totals.refused).key("aborted").number(totals.aborted);
    json.key("statuses").begin_object();
    for (size_t i = 1; i < std::size(totals.status); ++i)
        json.key(fmt::format("{}xx", i)).number(totals.status[i]);
    json.end_object().end_object();
    json.key("coreCount").number(context.gateway.core_count()).key("cores").begin_array();
    for (const CoreReport& core : cores) {
        json.begin_object().key("core").number(core.index);
        json.key("connections").number(core.connections);
        json.key("requests").number(core.counters.requests);
        json.key("turns").number(core.reactor.turns).key("stalls").number(core.reactor.stalls);
        json.key("longestTurnUs").number(core.reactor.longest_turn / 1000).end_object();
    }
    json.end_array().key("upstreams");
    write_upstreams(json, read_upstreams(*live.snapshot));
    json.end_object();
    return out;
}

}  // namespace

ApiReply api_status(ApiContext& context, const ApiArguments& arguments) {
    std::shared_ptr<const Published> live = context.gateway.live();
    std::vector<CoreReport> cores = context.gateway.core_reports();
    uint64_t uptime_ms = (monotonic_now() - context.started) / kNanosecondsPerMillisecond;
    return arguments.wants_text() ? text_reply(status_text(context, *live, cores, uptime_ms))
                                  : json_reply(status_json(context, *live, cores, uptime_ms));
}

ApiReply api_routes(ApiContext& context, const ApiArguments& arguments) {
    std::shared_ptr<const Published> live = context.gateway.live();
    bool text = arguments.wants_text();
    std::string report = routes_report(*live->snapshot, text ? Format::text : Format::json);
    return text ? text_reply(std::move(report)) : json_reply(std::move(report));
}

ApiReply api_explain(ApiContext& context, const ApiArguments& arguments) {
    std::shared_ptr<const Published> live = context.gateway.live();
    ExplainQuestion question{arguments.in_query("method"), arguments.in_query("url"),
                             arguments.in_query("host")};
    bool text = arguments.wants_text();
    std::string report;
    if (!explain_report(live->configuration, *live->snapshot, question,
                        text ? Format::text : Format::json, report))
        return error_reply(400, "bad_request", report, arguments.request_id);
    return text ? text_reply(std::move(report)) : json_reply(std::move(report));
}

ApiReply api_openapi(ApiContext& context, const ApiArguments&) {
    return json_reply(openapi_json(context.base));
}

}  // namespace ringtime::runtime
