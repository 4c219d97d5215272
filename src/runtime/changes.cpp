#include "runtime/changes.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>

#include "config/words.h"
#include "route/explain.h"
#include "runtime/packages.h"
#include "runtime/report.h"

namespace ringtime::runtime {
namespace {

using Part = ReloadChange::Part;
using Kind = ReloadChange::Kind;
using exchange::TargetKind;

/// What a name stands for: two things of one name that differ in `identity` have changed.
struct Item {
    std::string identity;
    std::string shown;
};
using Items = std::map<std::string, Item>;

void add_change(ReloadReport& report, ReloadChange change) {
    if (report.changes.size() == ReloadReport::changes_kept_max) {
        ++report.changes_left_out;
    } else {
        report.changes.push_back(std::move(change));
    }
}

void compare(Part part, const Items& before, const Items& after, ReloadReport& report) {
    for (const auto& [name, item] : before) {
        if (!after.contains(name)) add_change(report, {part, Kind::removed, name, item.shown});
    }
    for (const auto& [name, item] : after) {
        auto old = before.find(name);
        if (old == before.end()) {
            add_change(report, {part, Kind::added, name, item.shown});
        } else if (old->second.identity != item.identity) {
            bool looks_same = old->second.shown == item.shown;
            add_change(report, {part, Kind::changed, name,
                                looks_same ? item.shown : old->second.shown + " -> " + item.shown});
        }
    }
}

Items routes_of(const Published& published) {
    Items items;
    const exchange::Snapshot& snapshot = *published.snapshot;
    for (const route::MountRow& row : route::list_mounts(*snapshot.routes)) {
        const exchange::Mount& mount = snapshot.mounts[row.mount];
        std::string name = row.host.empty() ? row.base : row.host + row.base;
        if (!row.version.empty() && !row.is_default) name += "@" + row.version;
        std::string target = fmt::format("{} ({})", target_text(snapshot, mount), mount.name);
        items[name] = {fmt::format("{} {}", target, mount.body_bytes_max), target};
    }
    return items;
}

std::string hosts_text(const config::Package& package) {
    std::string text;
    for (const auto& host : package.manifest.hosts) text += (text.empty() ? "" : " ") + *host;
    return text;
}

Items public_routes_of(const Published& published) {
    Items items;
    for (const config::Package& package : published.configuration.packages) {
        for (const config::PublicRoute& route : package.manifest.public_routes) {
            std::string method = route.method.empty() ? "ALL" : route.method;
            const std::string& owner = *package.manifest.name;
            // Of two that say the same both count: the name holds who says it.
            items[fmt::format("{} {} ({})", method, config::absolute_glob(package, route), owner)] =
                {hosts_text(package), {}};
        }
    }
    return items;
}

std::string joined(const std::vector<std::string>& parts) { return config::joined(parts, " "); }

/// Where the hooks of a plugin run.
Items hooks_of(const std::vector<hook::PluginSpec>& specs) {
    Items items;
    for (const hook::PluginSpec& spec : specs) {
        std::string where = spec.hosts.empty() ? "every host" : joined(spec.hosts);
        if (!spec.paths.empty()) where += ", paths " + joined(spec.paths);
        if (!spec.except.empty()) where += ", except " + joined(spec.except);
        items[spec.name] = {where, where};
    }
    return items;
}

void compare_order(const std::vector<hook::PluginSpec>& before,
                   const std::vector<hook::PluginSpec>& after, ReloadReport& report) {
    auto common = [](const auto& list, const auto& other) {
        std::vector<std::string> names;
        for (const auto& spec : list) {
            bool shared = std::any_of(other.begin(), other.end(),
                                      [&](const auto& each) { return each.name == spec.name; });
            if (shared) names.push_back(spec.name);
        }
        return names;
    };
    std::vector<std::string> old_order = common(before, after);
    std::vector<std::string> new_order = common(after, before);
    if (old_order == new_order) return;
    add_change(report, {Part::hook, Kind::changed, "order",
                        joined(old_order) + " -> " + joined(new_order)});
}

void compare_plugins(const Published& before, const Published& after, ReloadReport& report) {
    std::vector<hook::PluginSpec> old_specs = plugin_specs(before.configuration);
    std::vector<hook::PluginSpec> new_specs = plugin_specs(after.configuration);
    std::set<std::string> changed;  // Dependencies stand before what needs them.
    for (const hook::PluginSpec& spec : old_specs) {
        bool stays = std::any_of(new_specs.begin(), new_specs.end(),
                                 [&](const auto& other) { return other.name == spec.name; });
        if (!stays) add_change(report, {Part::plugin, Kind::removed, spec.name, spec.version});
    }
    for (const hook::PluginSpec& spec : new_specs) {
        auto old = std::find_if(old_specs.begin(), old_specs.end(),
                                [&](const auto& other) { return other.name == spec.name; });
        auto dependency = std::find_if(spec.dependencies.begin(), spec.dependencies.end(),
                                       [&](const auto& name) { return changed.contains(name); });
        const auto& set = before.snapshot->plugins;
        const hook::Plugin* loaded = set ? set->find(spec.name) : nullptr;
        std::string why;
        if (old == old_specs.end()) {
            add_change(report, {Part::plugin, Kind::added, spec.name, spec.version});
            changed.insert(spec.name);
            continue;
        }
        if (old->version != spec.version) {
            why = fmt::format("version {} -> {}", old->version, spec.version);
        } else if (!(*old == spec)) {
            why = "its manifest";
        } else if (loaded && !loaded->file_unchanged()) {
            why = "its file";
        } else if (loaded && loaded->down()) {
            why = "it was down";
        } else if (dependency != spec.dependencies.end()) {
            why = "it depends on " + *dependency;
        }
        if (why.empty()) continue;
        add_change(report, {Part::plugin, Kind::changed, spec.name, why});
        changed.insert(spec.name);
    }
    compare(Part::hook, hooks_of(old_specs), hooks_of(new_specs), report);
    compare_order(old_specs, new_specs, report);
}

void compare_apps(const Published& before, const Published& after, ReloadReport& report) {
    auto by_name = [](const Published& published) {
        std::map<std::string, const worker::AppSpec*> apps;
        for (const worker::AppSpec& spec : published.apps)
            apps[spec.name + "@" + spec.version] = &spec;
        return apps;
    };
    auto old_apps = by_name(before);
    auto new_apps = by_name(after);
    for (const auto& [name, spec] : old_apps) {
        if (!new_apps.contains(name))
            add_change(report, {Part::app, Kind::removed, name, spec->directory});
    }
    for (const auto& [name, spec] : new_apps) {
        auto old = old_apps.find(name);
        if (old == old_apps.end()) {
            add_change(report, {Part::app, Kind::added, name, spec->directory});
        } else if (!(*old->second == *spec)) {
            bool content = old->second->content != spec->content;
            add_change(report, {Part::app, Kind::changed, name,
                                content ? "its entrypoint" : "its manifest"});
        }
    }
}

Items sites_of(const Published& published) {
    Items items;
    const exchange::Snapshot& snapshot = *published.snapshot;
    for (const exchange::Mount& mount : snapshot.mounts) {
        if (mount.kind != TargetKind::site) continue;
        const site::Site& site = *snapshot.sites[mount.target];
        items[mount.name + "@" + mount.version] = {site.identity(), site.options().folder};
    }
    return items;
}

void compare_upstreams(const Published& before, const Published& after, ReloadReport& report) {
    auto by_name = [](const Published& published) {
        std::map<std::string, const exchange::Mount*> mounts;
        for (const exchange::Mount& mount : published.snapshot->mounts) {
            if (mount.kind == TargetKind::upstream)
                mounts[mount.name + "@" + mount.version] = &mount;
        }
        return mounts;
    };
    auto spec_of = [](const Published& published, const exchange::Mount& mount) -> const auto& {
        return published.snapshot->upstreams[mount.target]->spec();
    };
    auto old_mounts = by_name(before);
    auto new_mounts = by_name(after);
    for (const auto& [name, mount] : old_mounts) {
        if (!new_mounts.contains(name))
            add_change(report, {Part::upstream, Kind::removed, name,
                                target_text(*before.snapshot, *mount)});
    }
    for (const auto& [name, mount] : new_mounts) {
        auto old = old_mounts.find(name);
        std::string shown = target_text(*after.snapshot, *mount);
        if (old == old_mounts.end()) {
            add_change(report, {Part::upstream, Kind::added, name, shown});
        } else if (!(spec_of(before, *old->second) == spec_of(after, *mount))) {
            std::string was = target_text(*before.snapshot, *old->second);
            add_change(report, {Part::upstream, Kind::changed, name,
                                was == shown ? "its settings" : was + " -> " + shown});
        }
    }
}

}  // namespace

void describe_changes(const Published& before, const Published& after, ReloadReport& report) {
    compare(Part::route, routes_of(before), routes_of(after), report);
    compare(Part::public_route, public_routes_of(before), public_routes_of(after), report);
    compare_plugins(before, after, report);
    compare_apps(before, after, report);
    compare(Part::site, sites_of(before), sites_of(after), report);
    compare_upstreams(before, after, report);
}

void warn_of_fixed_settings(const config::Settings& before, const config::Settings& after,
                            ReloadReport& report) {
    auto check = [&](bool same, std::string_view name) {
        if (same) return;
        report.problems.push_back({config::Severity::warning, after.config_file, 0, 0,
                                   fmt::format("`{}` has changed", name),
                                   "it takes effect when the gateway starts again"});
    };
    check(before.port == after.port && before.listen == after.listen, "listen");
    check(before.cores.count == after.cores.count && before.cores.cpus == after.cores.cpus,
          "cores");
    check(before.env == after.env, "env");
    check(before.pool_size == after.pool_size, "poolSize");
    check(before.ephemeral_concurrency == after.ephemeral_concurrency, "ephemeralConcurrency");
    check(before.data_dir == after.data_dir, "dataDir");
    check(before.access_log.kind == after.access_log.kind &&
              before.access_log.path == after.access_log.path,
          "accessLog");
    check(before.limits.connections == after.limits.connections, "limits.connections");
    check(before.timeouts.worker_ready_ms == after.timeouts.worker_ready_ms,
          "timeouts.workerReady");
}

}  // namespace ringtime::runtime
