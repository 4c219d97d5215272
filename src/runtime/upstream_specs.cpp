// `upstream:` of a manifest as the upstream folder knows it.

#include <fmt/core.h>

#include "runtime/packages.h"

namespace ringtime::runtime {
namespace {

upstream::ServerSpec server_spec(const config::UpstreamServer& from) {
    upstream::ServerSpec spec;
    spec.host = from.host;
    spec.port = from.port;
    spec.unix_path = from.path;
    bool v6 = from.host.find(':') != std::string::npos;
    std::string host = v6 ? fmt::format("[{}]", from.host) : from.host;
    spec.authority = from.host.empty()  ? "localhost"
                     : from.port == 80 ? host
                                       : fmt::format("{}:{}", host, from.port);
    spec.weight = from.weight;
    spec.backup = from.backup;
    return spec;
}

upstream::Balance balance_of(config::Balance balance) {
    switch (balance) {
        case config::Balance::round_robin: return upstream::Balance::round_robin;
        case config::Balance::random_two: return upstream::Balance::random_two;
        case config::Balance::hash: return upstream::Balance::hash;
        case config::Balance::least_inflight: break;
    }
    return upstream::Balance::least_inflight;
}

upstream::HashBy hash_by(config::HashBy by) {
    switch (by) {
        case config::HashBy::header: return upstream::HashBy::header;
        case config::HashBy::cookie: return upstream::HashBy::cookie;
        case config::HashBy::ip: break;
    }
    return upstream::HashBy::ip;
}

upstream::ProxyHeader proxy_header(config::ProxyProtocol protocol) {
    switch (protocol) {
        case config::ProxyProtocol::v1: return upstream::ProxyHeader::v1;
        case config::ProxyProtocol::v2: return upstream::ProxyHeader::v2;
        case config::ProxyProtocol::off: break;
    }
    return upstream::ProxyHeader::off;
}

upstream::FieldEdits edits(const config::HeaderEdits& from) {
    return {from.set, from.add, from.remove};
}

void take_choice(const config::Upstream& from, upstream::UpstreamSpec& spec) {
    spec.balance = balance_of(from.balance);
    spec.hash_by = hash_by(from.hash_by);
    spec.hash_name = from.hash_name;
    spec.sticky_cookie = from.sticky_cookie;
    spec.slow_start = from.slow_start_ms;
    spec.panic_percent = from.panic_percent;
}

void take_watching(const config::Upstream& from, upstream::UpstreamSpec& spec) {
    const config::HealthCheck& health = from.health;
    spec.health = {health.enabled,     health.path, health.statuses, health.interval_ms,
                   health.timeout_ms,  health.rise, health.fall};
    const config::PassiveHealth& passive = from.passive;
    spec.ejection = {passive.enabled,   passive.failures,    passive.success_percent,
                     passive.window_ms, passive.ejection_ms, passive.ejected_percent_max};
    const config::Retries& retries = from.retries;
    spec.retries = {retries.max,      retries.on_connect,     retries.on_reset,
                    retries.statuses, retries.budget_percent, retries.body_bytes_max};
}

void take_bounds(const config::Upstream& from, upstream::UpstreamSpec& spec) {
    spec.connect_timeout = from.timeouts.connect_ms;
    spec.head_timeout = from.timeouts.head_ms;
    spec.idle_timeout = from.timeouts.idle_ms;
    spec.total_timeout = from.timeouts.total_ms;
    spec.keep_alive = from.timeouts.keep_alive_ms;
    spec.idle_max = from.connections.idle;
    spec.connections_max = from.connections.max;
    spec.queue_max = from.queue.max;
    spec.queue_timeout = from.queue.timeout_ms;
}

}  // namespace

upstream::UpstreamSpec upstream_spec(const config::Package& package) {
    const config::Upstream& from = *package.manifest.upstream;
    upstream::UpstreamSpec spec;
    spec.name = package.manifest.name.value;
    for (const config::UpstreamServer& server : from.servers)
        spec.servers.push_back(server_spec(server));
    spec.host = from.host == config::HostHeader::keep ? upstream::HostField::keep
                                                      : upstream::HostField::rewrite;
    spec.base_path = from.strip ? upstream::BasePath::strip : upstream::BasePath::keep;
    spec.proxy_header = proxy_header(from.proxy_protocol);
    spec.rewrite_location = from.rewrite_location;
    spec.upgrades = from.websocket;
    take_choice(from, spec);
    take_watching(from, spec);
    take_bounds(from, spec);
    spec.request_fields = edits(from.request_headers);
    spec.response_fields = edits(from.response_headers);
    return spec;
}

}  // namespace ringtime::runtime
