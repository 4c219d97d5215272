#include "hook/plugin_set.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/log.h"

namespace ringtime::hook {
namespace {

bool kept_by(OtherSets others, const Plugin& plugin) noexcept {
    return std::any_of(others.begin(), others.end(),
                       [&](const PluginSet* other) { return other->keeps(plugin); });
}

struct Pending {
    PluginRef plugin;
    std::string json;
};

// After everything that is new has started, so that as little as possible is ever taken back.
bool reconfigure(std::vector<Pending>& all, Milliseconds limit, LoadResult& result) {
    for (Pending& pending : all) {
        const PluginSpec& spec = pending.plugin->spec();
        std::string before = spec.config_json;
        std::string why;
        if (!pending.plugin->reconfigure(pending.json, limit, why)) {
            result.problems.push_back({spec.name, spec.file, std::move(why),
                                       "correct its configuration, or restart the gateway"});
            take_back(result.reconfigured, limit);
            return false;
        }
        result.reconfigured.push_back({std::move(pending.plugin), std::move(before)});
    }
    return true;
}

}  // namespace

void take_back(std::vector<Reconfigured>& all, Milliseconds limit) {
    for (auto& [plugin, before] : all) {
        std::string why;
        if (!plugin->reconfigure(before, limit, why))
            log_line(LogLevel::error, "plugin",
                     fmt::format("{}: it does not take back the configuration it had: {}",
                                 plugin->spec().name, why));
    }
    all.clear();
}

LoadResult load_plugins(std::vector<PluginSpec> specs, Cores& cores, const LoadOptions& options) {
    LoadResult result;
    std::unique_ptr<PluginSet> set(new PluginSet(cores, options.shutdown_limit));
    std::vector<Pending> pending;
    bool must_abort = false;
    if (!specs.empty()) cores.helpers().start();
    for (PluginSpec& spec : specs) {
        if (set->plugins_.size() == limits::hooks_per_chain_max) {
            result.problems.push_back(
                {spec.name, spec.file,
                 fmt::format("{} plugins are loaded already", limits::hooks_per_chain_max),
                 "disable one that is not needed"});
            must_abort = true;
            break;
        }
        PluginRef plugin = set->reusable(spec, options.previous);
        if (plugin && plugin->spec().config_json != spec.config_json)
            pending.push_back({plugin, std::move(spec.config_json)});
        if (!plugin) {
            plugin = PluginRef(new Plugin(std::move(spec), cores));
            if (!plugin->load(set->plugins_, options.init_limit)) {
                result.problems.push_back(plugin->problem());
                must_abort = plugin->spec().on_failure == OnFailure::abort;
            }
        }
        set->plugins_.push_back(std::move(plugin));
        if (must_abort) break;
    }
    if (!must_abort && reconfigure(pending, options.init_limit, result)) {
        result.set = std::move(set);
        return result;
    }
    OtherSets previous(&options.previous, options.previous ? 1 : 0);
    for (PluginProblem& problem : set->shut_down(previous, options.settled)) {
        // That a plugin which failed stays in memory is a consequence, not a second cause.
        if (result.problems.back().plugin != problem.plugin)
            result.problems.push_back(std::move(problem));
    }
    return result;
}

PluginSet::~PluginSet() {
    if (!plugins_.empty()) (void)shut_down();
}

PluginRef PluginSet::reusable(const PluginSpec& spec,
                                            const PluginSet* previous) const {
    if (!previous) return nullptr;
    auto same = std::find_if(previous->plugins_.begin(), previous->plugins_.end(),
                             [&](const auto& plugin) { return plugin->can_become(spec); });
    if (same == previous->plugins_.end() || (*same)->down() || !(*same)->file_unchanged())
        return nullptr;
    // A dependency that is loaded anew offers new pointers: its dependents load again as well.
    for (const auto& plugin : plugins_) {
        bool needed = std::find(spec.dependencies.begin(), spec.dependencies.end(),
                                plugin->spec().name) != spec.dependencies.end();
        if (needed && !previous->keeps(*plugin)) return nullptr;
    }
    return *same;
}

bool PluginSet::keeps(const Plugin& plugin) const noexcept {
    return std::any_of(plugins_.begin(), plugins_.end(),
                       [&](const auto& mine) { return mine.get() == &plugin; });
}

CoreStart PluginSet::start_core(unsigned core) {
    CoreStart result;
    for (const auto& plugin : plugins_) {
        if (plugin->down() || plugin->start_core(cores_[core])) continue;
        result.problems.push_back(plugin->problem());
        result.must_abort |= plugin->spec().on_failure == OnFailure::abort;
    }
    return result;
}

void PluginSet::server_started(OtherSets others) noexcept {
    for (const auto& plugin : plugins_) {
        if (!kept_by(others, *plugin)) plugin->server_started();
    }
}

void PluginSet::worker_spawned(const ringtime_worker& worker) noexcept {
    for (const auto& plugin : plugins_) plugin->worker_spawned(worker);
}

void PluginSet::worker_terminated(const ringtime_worker& worker) noexcept {
    for (const auto& plugin : plugins_) plugin->worker_terminated(worker);
}

void PluginSet::end_streams(unsigned core, OtherSets others) noexcept {
    for (const auto& plugin : plugins_) {
        if (!kept_by(others, *plugin)) plugin->end_streams(cores_[core]);
    }
}

void PluginSet::close_core(unsigned core, OtherSets others) noexcept {
    for (const auto& plugin : plugins_) {
        if (!kept_by(others, *plugin)) plugin->close_core(cores_[core]);
    }
}

bool PluginSet::quiet(unsigned core, OtherSets others) const noexcept {
    return std::all_of(plugins_.begin(), plugins_.end(), [&](const PluginRef& plugin) {
        return kept_by(others, *plugin) || plugin->quiet(cores_[core]);
    });
}

void PluginSet::stop_core(unsigned core, OtherSets others) noexcept {
    for (auto plugin = plugins_.rbegin(); plugin != plugins_.rend(); ++plugin) {
        if (!kept_by(others, **plugin)) (*plugin)->stop_core(cores_[core]);
    }
}

std::vector<PluginProblem> PluginSet::shut_down(OtherSets others, const Settled& settled) {
    std::vector<PluginProblem> problems = shut_down_lost(others, settled);
    plugins_.clear();
    return problems;
}

std::vector<PluginProblem> PluginSet::shut_down_lost(OtherSets others, const Settled& settled) {
    std::vector<PluginProblem> problems;
    for (size_t left = plugins_.size(); left-- > 0;) {
        if (kept_by(others, *plugins_[left])) continue;
        PluginRef plugin = std::move(plugins_[left]);
        plugins_.erase(plugins_.begin() + static_cast<ptrdiff_t>(left));
        if (plugin->shut_down(shutdown_limit_, settled)) continue;
        problems.push_back(plugin->problem());
        cores_.leave_behind(std::move(plugin));
    }
    return problems;
}

const Chain* PluginSet::chain_for(std::string_view mount_host) {
    std::vector<Plugin*> plugins;
    std::vector<bool> narrowed;
    std::string key;
    for (const auto& plugin : plugins_) {
        Scope::Relation relation = plugin->scope().relate(mount_host);
        key.push_back(static_cast<char>('0' + static_cast<int>(relation)));
        if (relation == Scope::Relation::never) continue;
        plugins.push_back(plugin.get());
        narrowed.push_back(relation == Scope::Relation::depends || plugin->scope().narrows_paths());
    }
    if (plugins.empty()) return nullptr;
    auto found = chains_.find(key);
    if (found == chains_.end())
        found = chains_.emplace(key, std::make_unique<Chain>(std::move(plugins), narrowed)).first;
    return found->second.get();
}

Plugin* PluginSet::find(std::string_view name) const noexcept {
    for (const auto& plugin : plugins_) {
        if (plugin->spec().name == name || plugin->spec().short_name == name) return plugin.get();
    }
    return nullptr;
}

}  // namespace ringtime::hook
