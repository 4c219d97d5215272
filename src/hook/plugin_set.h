#pragma once
// One generation of plugins: loaded in dependency order, then immutable; a new one is built beside
// the old, published with the snapshot, and the old one shut down when no core uses it any more.
//
// The order of things:
//     load_plugins(...)                 helper thread   on_init
//     start_core(core) on each core     core's thread   on_core_start
//     chain_for(host) per mount         helper thread   compiles chains; only now is it known who
//     is down server_started()                  helper thread   on_server_start
//     ... requests ...
//     close_core(core) on each core     core's thread   timers end, fetches are cancelled
//     stop_core(core) on each core      core's thread   on_core_stop; when quiet(core), behind the
//                                                       last request and behind messages posted by
//                                                       the plugins
//     shut_down()                       helper thread   on_shutdown in reverse order, unloading

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "hook/chain.h"
#include "hook/plugin.h"

namespace ringtime::hook {

class PluginSet;

struct LoadOptions {
    Milliseconds init_limit = timeouts::plugin_init_ms;
    Milliseconds shutdown_limit = timeouts::plugin_shutdown_ms;
    /// A generation whose plugins are taken over where nothing has changed: neither manifest nor
    /// file, nor any plugin they depend on. Null: load everything.
    const PluginSet* previous = nullptr;
    /// While cores run: see Plugin::shut_down.
    Settled settled;
};

/// A plugin that goes on with another configuration, and the one it had.
struct Reconfigured {
    PluginRef plugin;
    std::string before;
};

struct LoadResult {
    std::unique_ptr<PluginSet> set;       ///< Null when a plugin that aborts the start is down.
    std::vector<PluginProblem> problems;  ///< Of isolated plugins too.
    std::vector<Reconfigured> reconfigured;
};

/// Gives them back what they had: the reload that changed them has failed.
void take_back(std::vector<Reconfigured>& all, Milliseconds limit);

/// Helper threads only. `specs`: in dependency order. `cores` outlives the set.
[[nodiscard]] LoadResult load_plugins(std::vector<PluginSpec> specs, Cores& cores,
                                      const LoadOptions& options = {});

/// What starting the plugins on a core came to.
struct CoreStart {
    std::vector<PluginProblem> problems;  ///< Of plugins that are down from here on.
    bool must_abort = false;              ///< One of them aborts the start.
};

/// Generations that still live, before or after the one in question: a plugin one of them has is
/// left alone.
using OtherSets = std::span<const PluginSet* const>;

class PluginSet {
 public:
    PluginSet(const PluginSet&) = delete;
    PluginSet& operator=(const PluginSet&) = delete;
    /// Shuts down what was not.
    ~PluginSet();

    [[nodiscard]] CoreStart start_core(unsigned core);
    /// Of those that are new here: none of `others` has them.
    void server_started(OtherSets others = {}) noexcept;
    void worker_spawned(const ringtime_worker& worker) noexcept;
    void worker_terminated(const ringtime_worker& worker) noexcept;
    /// Streams without an end of their own end, so that their clients come again: to another server
    /// or to the next generation.
    void end_streams(unsigned core, OtherSets others = {}) noexcept;
    /// Nothing new begins on the core; turn it until quiet() before stop_core().
    void close_core(unsigned core, OtherSets others = {}) noexcept;
    [[nodiscard]] bool quiet(unsigned core, OtherSets others = {}) const noexcept;
    void stop_core(unsigned core, OtherSets others = {}) noexcept;
    /// The end of the set. `settled`: see Plugin::shut_down.
    [[nodiscard]] std::vector<PluginProblem> shut_down(OtherSets others = {},
                                                       const Settled& settled = {});
    /// Only those that none of `others` has: requests that see but the rest may go on, with the
    /// chains they hold.
    [[nodiscard]] std::vector<PluginProblem> shut_down_lost(OtherSets others,
                                                            const Settled& settled);
    [[nodiscard]] bool keeps(const Plugin& plugin) const noexcept;

    /// The chain of mounts of a host: "" for any host and for requests nothing is mounted for,
    /// `*.example.com`, or an exact host. Null when no plugin can see such a request. Lives as long
    /// as the set. Helper threads only.
    [[nodiscard]] const Chain* chain_for(std::string_view mount_host);

    [[nodiscard]] const std::vector<PluginRef>& plugins() const noexcept { return plugins_; }
    /// By full or short name; null when there is none.
    [[nodiscard]] Plugin* find(std::string_view name) const noexcept;

 private:
    friend LoadResult load_plugins(std::vector<PluginSpec>, Cores&, const LoadOptions&);

    PluginSet(Cores& cores, Milliseconds shutdown_limit)
        : cores_(cores), shutdown_limit_(shutdown_limit) {}
    [[nodiscard]] PluginRef reusable(const PluginSpec& spec,
                                                   const PluginSet* previous) const;

    Cores& cores_;
    Milliseconds shutdown_limit_;
    std::vector<PluginRef> plugins_;
    // Mounts by the thousand share a handful: the key says which plugins, and which narrowed.
    std::map<std::string, std::unique_ptr<Chain>, std::less<>> chains_;
};

}  // namespace ringtime::hook
