#include "runtime/retirement.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <unordered_set>
#include <utility>

#include "base/log.h"

namespace ringtime::runtime {
namespace {

// Most generations are free a moment after the next one is in force; one with a long download or
// tunnel is asked about less often.
constexpr Milliseconds kPauseFirst = 10;
constexpr Milliseconds kPauseLater = 250;
constexpr Nanoseconds kSoon = kNanosecondsPerSecond;
// After on_shutdown, for connections to give back what the plugin lent them.
constexpr Nanoseconds kLentWait = 5 * kNanosecondsPerSecond;
constexpr auto kLentPause = std::chrono::milliseconds(5);
constexpr size_t kForgottenAtOnce = 64;

using Generations = std::vector<const Published*>;

std::vector<const hook::PluginSet*> sets_of(const Generations& generations) {
    std::vector<const hook::PluginSet*> sets;
    for (const Published* each : generations) sets.push_back(each->snapshot->plugins.get());
    return sets;
}

bool have_app(const Generations& generations, uint32_t app) {
    return std::any_of(generations.begin(), generations.end(), [&](const Published* each) {
        const auto& list = each->app_numbers;
        return std::find(list.begin(), list.end(), app) != list.end();
    });
}

bool have_plugin(const std::vector<const hook::PluginSet*>& sets, const hook::Plugin& plugin) {
    return std::any_of(sets.begin(), sets.end(),
                       [&](const hook::PluginSet* set) { return set->keeps(plugin); });
}

// What of `generation` ends when only `staying` go on.
exchange::Ending ending_of(const Published& generation, const Generations& staying) {
    const exchange::Snapshot& snapshot = *generation.snapshot;
    std::vector<const hook::PluginSet*> sets = sets_of(staying);
    auto plugin_ends = [&](const hook::Plugin* plugin) {
        return plugin && !have_plugin(sets, *plugin);
    };
    auto chain_ends = [&](const hook::Chain* chain) {
        return chain && std::any_of(chain->plugins().begin(), chain->plugins().end(), plugin_ends);
    };
    exchange::Ending ending;
    ending.unrouted = chain_ends(snapshot.unrouted_chain);
    for (const exchange::Mount& mount : snapshot.mounts) {
        bool app_ends =
            mount.kind == exchange::TargetKind::worker && !have_app(staying, mount.target);
        ending.mounts.push_back(app_ends || plugin_ends(mount.plugin) || chain_ends(mount.chain));
    }
    return ending;
}

Nanoseconds patience(const Published& current) {
    return from_milliseconds(current.configuration.settings.drain_ms);
}

bool any(const exchange::Ending& ending) {
    return ending.unrouted ||
           std::find(ending.mounts.begin(), ending.mounts.end(), true) != ending.mounts.end();
}

}  // namespace

void Retirement::add(std::shared_ptr<Published> generation) {
    retiring_.push_back({std::move(generation), monotonic_now()});
    // What the newest one no longer has may be something an older one waits with.
    for (Retiring& each : retiring_) each.parts_ended = false;
}

Milliseconds Retirement::pause() const noexcept {
    Nanoseconds now = monotonic_now();
    bool soon = std::any_of(retiring_.begin(), retiring_.end(),
                            [&](const Retiring& each) { return now - each.since < kSoon; });
    return soon ? kPauseFirst : kPauseLater;
}

std::vector<const hook::PluginSet*> Retirement::living(const Published& current) const {
    Generations all{&current};
    for (const Retiring& each : retiring_) all.push_back(each.generation.get());
    return sets_of(all);
}

std::vector<std::shared_ptr<Published>> Retirement::take_all() {
    std::vector<std::shared_ptr<Published>> all;
    for (Retiring& each : retiring_) all.push_back(std::move(each.generation));
    retiring_.clear();
    return all;
}

void Retirement::tend(const Published& current) {
    let_go_of_free(current);
    end_overdue(current);
    forget_upstreams();
}

void Retirement::let_go_of_free(const Published& current) {
    for (size_t i = 0; i < retiring_.size();) {
        Published& generation = *retiring_[i].generation;
        // One reference of each is ours. The admin API may be looking at what a generation lists.
        bool free =
            retiring_[i].generation.use_count() == 1 && generation.snapshot.use_count() == 1;
        if (!free) {
            ++i;
            continue;
        }
        // A core gives its reference up with a release; what it did before is seen from here on.
        std::atomic_thread_fence(std::memory_order_acquire);
        Generations others{&current};
        for (const Retiring& each : retiring_) {
            if (each.generation.get() != &generation) others.push_back(each.generation.get());
        }
        end_parts(generation, others, Rest::dropped, retiring_[i].since + patience(current));
        collect_upstreams(generation, others);
        log_format(LogLevel::debug, "reload", "generation {} is gone", generation.epoch);
        retiring_.erase(retiring_.begin() + static_cast<ptrdiff_t>(i));
    }
}

// All that are overdue together: two of them must not keep each other's plugins alive.
void Retirement::end_overdue(const Published& current) {
    Generations staying{&current};
    bool due = false;
    for (Retiring& each : retiring_) {
        bool watched = each.generation.use_count() > 1;
        each.overdue = !watched && monotonic_now() - each.since > patience(current);
        if (!each.overdue) staying.push_back(each.generation.get());
        due = due || (each.overdue && !each.parts_ended);
    }
    if (!due) return;
    bool none = true;
    for (const Retiring& each : retiring_) {
        if (each.overdue) none = cut(*each.generation, staying) && none;
    }
    if (!none) return;
    for (Retiring& each : retiring_) {
        if (!each.overdue) continue;
        end_parts(*each.generation, staying, Rest::kept, each.since + patience(current));
        each.parts_ended = true;
    }
}

// True when nothing that needs what ends is left on any core.
bool Retirement::cut(const Published& generation, const Generations& staying) {
    exchange::Ending ending = ending_of(generation, staying);
    if (!any(ending)) return true;
    bool none = true;
    for (auto& core : parts_.cores) none = core->cut(*generation.snapshot, ending) && none;
    return none;
}

void Retirement::end_parts(Published& generation, const Generations& others, Rest rest,
                           Nanoseconds deadline) {
    end_plugins(generation, others, rest);
    remove_apps(generation, others, deadline);
}

void Retirement::end_plugins(Published& generation, const Generations& others, Rest rest) {
    hook::PluginSet& set = *generation.snapshot->plugins;
    std::vector<const hook::PluginSet*> sets = sets_of(others);
    if (std::find(sets.begin(), sets.end(), &set) != sets.end()) return;
    for (auto& core : parts_.cores) core->stop_plugins(set, sets);
    auto settled = [&](hook::Plugin& plugin) {
        Nanoseconds until = monotonic_now() + kLentWait;
        for (;;) {
            for (auto& core : parts_.cores) core->flush();
            if (!plugin.has_lent() || monotonic_now() > until) return !plugin.has_lent();
            // tidy: allow(sleep) what is lent comes back without a word
            std::this_thread::sleep_for(kLentPause);
        }
    };
    auto troubles =
        rest == Rest::dropped ? set.shut_down(sets, settled) : set.shut_down_lost(sets, settled);
    for (const hook::PluginProblem& trouble : troubles)
        log_line(LogLevel::warn, "plugin", trouble.text());
}

void Retirement::remove_apps(Published& generation, const Generations& others,
                             Nanoseconds deadline) {
    std::vector<uint32_t> leaving;
    for (uint32_t& app : generation.app_numbers) {
        // The number may be given to another app from here on.
        if (app != Published::no_app && !have_app(others, app))
            leaving.push_back(std::exchange(app, Published::no_app));
    }
    if (leaving.empty()) return;
    parts_.main.call([&] {
        for (uint32_t app : leaving) parts_.supervisor.remove(app, deadline);
    });
}

void Retirement::collect_upstreams(const Published& generation, const Generations& others) {
    std::unordered_set<const upstream::Upstream*> living;
    for (const Published* other : others) {
        for (const auto& upstream : other->snapshot->upstreams) living.insert(upstream.get());
    }
    for (const auto& upstream : generation.snapshot->upstreams) {
        if (!living.contains(upstream.get())) upstreams_.push_back(upstream);
    }
}

// A slice at a time, so that a core is not held up by a thousand connections closing at once.
void Retirement::forget_upstreams() {
    for (size_t at = 0; at < upstreams_.size(); at += kForgottenAtOnce) {
        std::vector<const upstream::Upstream*> slice;
        for (size_t i = at; i < std::min(upstreams_.size(), at + kForgottenAtOnce); ++i)
            slice.push_back(upstreams_[i].get());
        std::vector<const upstream::Upstream*> left;
        for (auto& core : parts_.cores) core->forget(slice, left);
        for (size_t i = 0; i < slice.size(); ++i) {
            if (std::find(left.begin(), left.end(), slice[i]) == left.end())
                upstreams_[at + i].reset();
        }
    }
    std::erase(upstreams_, nullptr);
}

}  // namespace ringtime::runtime
