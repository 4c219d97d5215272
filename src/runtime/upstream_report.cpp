#include "runtime/upstream_report.h"

#include <fmt/core.h>

#include "config/words.h"
#include "runtime/api_text.h"

namespace ringtime::runtime {

using upstream::ServerReading;
using upstream::UpstreamReading;

namespace {

uint64_t failed(const ServerReading& server) noexcept {
    return server.connect_failures + server.resets + server.timeouts + server.invalid;
}

// `-` before the first answer; three digits are more than a bucket is worth.
std::string latency_text(uint64_t us) {
    if (us == 0) return "-";
    if (us < 1000) return fmt::format("{}us", us);
    if (us < 10'000) return fmt::format("{:.1f}ms", static_cast<double>(us) / 1000);
    return fmt::format("{}ms", us / 1000);
}

// What a name stands for; a server given by its address has been named already.
std::string addresses_text(const ServerReading& server) {
    bool literal = server.addresses.size() == 1 && server.url.ends_with(server.addresses.front());
    return literal ? "" : config::joined(server.addresses, " ");
}

std::vector<std::string> row(const ServerReading& server) {
    return {server.url + (server.backup ? " (backup)" : ""),
            std::string(upstream::state_name(server.state)),
            fmt::format("{}", server.in_flight),
            fmt::format("{}", server.idle),
            fmt::format("{}", server.requests),
            fmt::format("{}", server.status_class[5]),
            fmt::format("{}", failed(server)),
            fmt::format("{}", server.retries),
            fmt::format("{}", server.ejections),
            fmt::format("{:.0f}%", server.reuse_percent()),
            latency_text(server.latency_us(0.5)),
            latency_text(server.latency_us(0.99)),
            addresses_text(server)};
}

void write_traffic(JsonWriter& json, const ServerReading& server) {
    json.key("inFlight").number(server.in_flight).key("idle").number(server.idle);
    json.key("requests").number(server.requests).key("statuses").begin_object();
    for (size_t i = 1; i < server.status_class.size(); ++i)
        json.key(fmt::format("{}xx", i)).number(server.status_class[i]);
    json.end_object().key("connects").number(server.connects);
    json.key("connectFailures").number(server.connect_failures);
    json.key("reused").number(server.reused).key("reusePercent").number(server.reuse_percent());
    json.key("handedOver").number(server.handed_over).key("retries").number(server.retries);
    json.key("resets").number(server.resets).key("timeouts").number(server.timeouts);
    json.key("invalid").number(server.invalid).key("latencyUs").begin_object();
    json.key("p50").number(server.latency_us(0.5)).key("p90").number(server.latency_us(0.9));
    json.key("p99").number(server.latency_us(0.99)).key("sum").number(server.latency_sum_us);
    json.key("buckets").begin_array();
    for (unsigned i = 0; i < server.latency.size(); ++i) {
        if (server.latency[i] == 0) continue;
        json.begin_object().key("below").number(upstream::LatencyScale::bound_us(i));
        json.key("count").number(server.latency[i]).end_object();
    }
    json.end_array().end_object();
}

void write_server(JsonWriter& json, const ServerReading& server) {
    json.begin_object().key("url").string(server.url);
    json.key("state").string(upstream::state_name(server.state));
    json.key("checked").boolean(server.checked).key("weight").number(server.weight);
    json.key("backup").boolean(server.backup).key("ejections").number(server.ejections);
    json.key("ejectedForMs").number(server.ejected_for).key("addresses").begin_array();
    for (const std::string& address : server.addresses) json.string(address);
    json.end_array();
    write_traffic(json, server);
    json.end_object();
}

}  // namespace

std::vector<UpstreamReading> read_upstreams(const exchange::Snapshot& snapshot) {
    std::vector<UpstreamReading> all;
    for (const auto& one : snapshot.upstreams)
        all.push_back(upstream::read_upstream(*one, monotonic_now()));
    return all;
}

std::string upstreams_text(const std::vector<UpstreamReading>& all) {
    using Align = TextTable::Align;
    TextTable table({{"UPSTREAM"}, {"QUEUED", Align::right}, {"SERVER"}, {"STATE"},
                     {"IN FLIGHT", Align::right}, {"IDLE", Align::right},
                     {"REQUESTS", Align::right}, {"5XX", Align::right}, {"FAILED", Align::right},
                     {"RETRIES", Align::right}, {"EJECTED", Align::right},
                     {"REUSED", Align::right}, {"P50", Align::right}, {"P99", Align::right},
                     {"ADDRESSES"}});
    for (const UpstreamReading& one : all) {
        std::vector<std::string> first{one.name, fmt::format("{}", one.queued)};
        for (const ServerReading& server : one.servers) {
            std::vector<std::string> cells = row(server);
            cells.insert(cells.begin(), first.begin(), first.end());
            table.add(std::move(cells));
            first = {"", ""};
        }
    }
    return table.empty() ? "" : table.text();
}

void write_upstreams(JsonWriter& json, const std::vector<UpstreamReading>& all) {
    json.begin_array();
    for (const UpstreamReading& one : all) {
        json.begin_object().key("name").string(one.name).key("queued").number(one.queued);
        json.key("queueFull").number(one.queue_full);
        json.key("queueTimeouts").number(one.queue_timeouts);
        json.key("retriesDenied").number(one.retries_denied).key("servers").begin_array();
        for (const ServerReading& server : one.servers) write_server(json, server);
        json.end_array().end_object();
    }
    json.end_array();
}

}  // namespace ringtime::runtime
