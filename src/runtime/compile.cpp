#include "runtime/compile.h"

#include <fmt/core.h>

#include <cstring>

#include "http/head.h"
#include "route/table_builder.h"
#include "runtime/packages.h"

namespace ringtime::runtime {
namespace {

using config::Package;
using config::PackageKind;
using exchange::TargetKind;

constexpr http::MethodSet kEveryMethod = 0x3ff;

exchange::Network network_of(const config::Cidr& cidr) {
    exchange::Network network;
    bool v4 = config::is_ipv4(cidr.address);
    network.family = v4 ? AF_INET : AF_INET6;
    network.bits = static_cast<uint8_t>(v4 ? (cidr.prefix_bits >= 96 ? cidr.prefix_bits - 96 : 0)
                                           : cidr.prefix_bits);
    std::memcpy(network.bytes, cidr.address.data() + (v4 ? 12 : 0), v4 ? 4 : 16);
    return network;
}

class Builder {
 public:
    Builder(const config::Configuration& configuration, config::Diagnostics& diagnostics)
        : configuration_(configuration), diagnostics_(diagnostics) {}

    Compiled build(uint64_t epoch) {
        snapshot_->epoch = epoch;
        take_settings();
        reserve_paths();
        for (const Package& package : configuration_.packages) add_package(package);
        route::BuildResult routes = table_.build();
        for (const route::Problem& problem : routes.problems) report(problem);
        snapshot_->routes = std::move(routes.table);
        if (!snapshot_->routes || !diagnostics_.ok()) return {};
        return {std::move(snapshot_), std::move(apps_)};
    }

 private:
    void take_settings() {
        const config::Settings& settings = configuration_.settings;
        for (const config::Cidr& cidr : settings.trusted_proxies)
            snapshot_->trusted_proxies.push_back(network_of(cidr));
        snapshot_->trust_local_sockets = settings.trust_local_sockets;
        snapshot_->timeouts = {settings.timeouts.head_ms, settings.timeouts.keep_alive_ms,
                               settings.timeouts.response_stall_ms,
                               settings.timeouts.tunnel_idle_ms,
                               {settings.limits.body_rate, settings.timeouts.body_window_ms}};
        snapshot_->connections_per_peer = settings.limits.connections_per_peer;
        snapshot_->head_limits = {static_cast<uint32_t>(settings.limits.head_bytes),
                                  static_cast<uint32_t>(settings.limits.target_bytes),
                                  static_cast<uint32_t>(settings.limits.fields)};
        snapshot_->api_prefix = settings.api_base();
        snapshot_->well_known = fmt::format("{{\"api\":\"{}\",\"version\":\"{}\"}}\n",
                                            snapshot_->api_prefix, RINGTIME_VERSION);
        snapshot_->debug = settings.reason_header;
    }

    void reserve_paths() {
        table_.reserve(snapshot_->api_prefix);
        for (const char* path : {"/health", "/ready", "/.well-known/ringtime"})
            table_.reserve(path);
    }

    void add_package(const Package& package) {
        const config::Manifest& manifest = package.manifest;
        auto id = static_cast<uint32_t>(snapshot_->mounts.size());
        packages_.push_back(&package);
        snapshot_->mounts.push_back(mount_of(package));
        if (!manifest.base.value.empty()) add_bases(package, id);
        for (const config::PublicRoute& glob : manifest.public_routes)
            add_public(package, id, glob);
    }

    exchange::Mount mount_of(const Package& package) {
        const config::Manifest& manifest = package.manifest;
        exchange::Mount mount;
        mount.name = manifest.name.value;
        mount.version = config::version_text(manifest.version.value);
        mount.base = manifest.base.value;
        mount.folder = package.folder;
        mount.origin =
            fmt::format("{}:{}", manifest.file,
                        manifest.base.given() ? manifest.base.at.line : manifest.at.line);
        mount.body_bytes_max = manifest.max_body_bytes.given()
                                   ? manifest.max_body_bytes.value
                                   : configuration_.settings.limits.body_bytes;
        if (manifest.upstream) {
            mount.kind = TargetKind::upstream;
            mount.target = static_cast<uint32_t>(snapshot_->upstreams.size());
            if (!manifest.max_body_bytes.given()) mount.body_bytes_max = UINT64_MAX;
            snapshot_->upstreams.push_back(
                std::make_shared<upstream::Upstream>(upstream_spec(package)));
        } else if (manifest.is_site()) {
            mount.kind = TargetKind::site;
            mount.target = static_cast<uint32_t>(snapshot_->sites.size());
            snapshot_->sites.push_back(std::make_shared<site::Site>(
                site_options(package, configuration_.settings)));
        } else if (manifest.is_worker()) {
            mount.kind = TargetKind::worker;
            mount.target = static_cast<uint32_t>(apps_.size());
            apps_.push_back(app_spec(package, configuration_.settings));
        }
        return mount;
    }

    void add_bases(const Package& package, uint32_t id) {
        const config::Manifest& manifest = package.manifest;
        std::vector<std::string_view> hosts;
        for (const auto& host : manifest.hosts) hosts.push_back(host.value);
        if (hosts.empty()) hosts.push_back({});
        for (std::string_view host : hosts) {
            bool versioned = package.kind == PackageKind::app && manifest.base.value != "/" &&
                             manifest.version.given();
            if (versioned) {
                table_.add_app_version(
                    {host, manifest.base.value, snapshot_->mounts[id].version, id, 0});
            } else {
                table_.add_mount({host, manifest.base.value, id, 0});
            }
        }
    }

    void add_public(const Package& package, uint32_t id, const config::PublicRoute& glob) {
        route::PublicSpec spec;
        bool plugin = package.kind == PackageKind::plugin;
        spec.origin = plugin ? route::Origin::plugin : route::Origin::app;
        spec.mount = plugin ? route::none : id;
        spec.glob = glob.glob.value;
        spec.methods = kEveryMethod;
        if (!glob.method.empty()) spec.methods = http::method_bit(http::intern_method(glob.method));
        spec.source = static_cast<uint32_t>(sources_.size());
        sources_.push_back({&package, glob.glob.at});
        snapshot_->public_origins.push_back(
            fmt::format("{}:{}", package.manifest.file, glob.glob.at.line));
        if (!plugin || package.manifest.hosts.empty()) return table_.add_public(spec);
        for (const auto& host : package.manifest.hosts) {
            spec.host = host.value;
            table_.add_public(spec);
        }
    }

    struct Place {
        const Package* package;
        config::Position at;
    };

    /// Null package: the problem names nothing in a file.
    Place place_of(route::Subject subject, uint32_t id) const {
        if (subject == route::Subject::mount) {
            const config::Manifest& manifest = packages_[id]->manifest;
            return {packages_[id], manifest.base.given() ? manifest.base.at : manifest.at};
        }
        if (subject == route::Subject::public_route) return sources_[id];
        return {nullptr, {}};
    }

    void report(const route::Problem& problem) {
        Place first = place_of(problem.first_is, problem.first);
        Place second = place_of(problem.second_is, problem.second);
        std::string remedy;
        if (second.package)
            remedy = fmt::format("the other is {}:{}:{}", second.package->manifest.file,
                                 second.at.line, second.at.column);
        std::string file = first.package ? first.package->manifest.file : std::string{};
        if (problem.severity == route::Severity::warning) {
            diagnostics_.warning(file, first.at, problem.message, remedy);
        } else {
            diagnostics_.error(file, first.at, problem.message, remedy);
        }
    }

    const config::Configuration& configuration_;
    config::Diagnostics& diagnostics_;
    std::shared_ptr<exchange::Snapshot> snapshot_ = std::make_shared<exchange::Snapshot>();
    route::TableBuilder table_;
    std::vector<worker::AppSpec> apps_;
    std::vector<const Package*> packages_;
    std::vector<Place> sources_;
};

}  // namespace

Compiled compile_configuration(const config::Configuration& configuration, uint64_t epoch,
                               config::Diagnostics& diagnostics) {
    return Builder(configuration, diagnostics).build(epoch);
}

namespace {

ringtime_slice slice_of(std::string_view text) noexcept { return {text.data(), text.size()}; }

}  // namespace

void connect_apps(const std::vector<uint32_t>& numbers, exchange::Snapshot& snapshot) {
    for (exchange::Mount& mount : snapshot.mounts) {
        if (mount.kind == TargetKind::worker) mount.target = numbers[mount.target];
    }
    snapshot.apps = numbers;
}

void connect_plugins(const config::Configuration& configuration, exchange::Snapshot& snapshot,
                     exchange::RequestCounters& counters) {
    hook::PluginSet& plugins = *snapshot.plugins;
    for (size_t i = 0; i < snapshot.mounts.size(); ++i) {
        exchange::Mount& mount = snapshot.mounts[i];
        const config::Package& package = configuration.packages[i];
        mount.counters = counters.slot_of(mount.name);
        // A mount of several hosts has one chain: of every plugin that may see any of them, each of
        // which is then asked per request.
        const auto& hosts = package.manifest.hosts;
        mount.chain =
            plugins.chain_for(hosts.size() == 1 ? hosts.front().value : std::string_view{});
        if (!package.plugin_entry_file.empty() && !mount.base.empty())
            mount.plugin = plugins.find(mount.name);
        mount.app = {sizeof(ringtime_app), 0,
                     slice_of(mount.name), slice_of(mount.version), slice_of(mount.base),
                     slice_of(mount.folder)};
    }
    snapshot.unrouted_chain = plugins.chain_for({});
}

}  // namespace ringtime::runtime
