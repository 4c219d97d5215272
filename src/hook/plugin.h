#pragma once
// One loaded plugin: its library, its table, what it contributed at init, and its part of every
// core. Made and initialised on a helper thread, then immutable but for the per-core parts, each of
// which belongs to its core. Shared by the generations that carry it over (decided by PluginSet).

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <vector>

#include "base/list.h"
#include "hook/abi.h"
#include "hook/answer.h"
#include "hook/config_values.h"
#include "hook/core.h"
#include "hook/crash_note.h"
#include "hook/door.h"
#include "hook/library.h"
#include "hook/scope.h"
#include "route/pattern_routes.h"

namespace ringtime::hook {

enum class OnFailure : uint8_t { abort, isolate };

/// What the manifest says, validated; in dependency order.
struct PluginSpec {
    std::string name;        ///< `@scope/plugin-x`
    std::string short_name;  ///< `x`
    std::string version;
    std::string folder;
    std::string file;  ///< Absolute path of the shared object.
    std::string base;  ///< Empty for a plugin without one.
    std::vector<std::string> hosts;
    std::string config_json;
    std::vector<std::string> dependencies;  ///< Names: required ones, and optional ones that exist.
    std::vector<std::string> paths;         ///< hooks: {paths, except}
    std::vector<std::string> except;
    OnFailure on_failure = OnFailure::abort;

    friend bool operator==(const PluginSpec&, const PluginSpec&) = default;
};

/// Why a plugin is not usable, for the operator.
struct PluginProblem {
    std::string plugin;
    std::string file;
    std::string cause;
    std::string remedy;

    /// One line: `plugin x (file): cause; remedy`.
    [[nodiscard]] std::string text() const;
};

/// Written by one core, read by any thread. Time is that of one call in 64.
struct HookCounters {
    std::atomic<uint64_t> calls{0};
    std::atomic<uint64_t> sampled{0};
    std::atomic<uint64_t> sampled_ns{0};
    std::atomic<uint64_t> answers{0};
    std::atomic<uint64_t> errors{0};
    std::atomic<uint64_t> suspensions{0};

    static void add(std::atomic<uint64_t>& counter, uint64_t amount = 1) noexcept {
        // One writer: no locked instruction is needed.
        counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
    }
};

/// The sum over cores, as the API shows it.
struct HookTotals {
    uint64_t calls = 0;
    uint64_t sampled = 0;
    uint64_t sampled_ns = 0;
    uint64_t answers = 0;
    uint64_t errors = 0;
    uint64_t suspensions = 0;
};

class Plugin;
/// Asked on the helper thread between on_shutdown and unmapping, while cores still run: waits until
/// they have run what the plugin posted, and says whether they have given back what it lent.
using Settled = std::function<bool(Plugin&)>;  // tidy: allow(data-path) unloading, never a core
/// Shared by the generations that carry a plugin over, and by a thread that is left behind in it.
using PluginRef = std::shared_ptr<Plugin>;  // tidy: allow(data-path) chains hold plain pointers

/// A timer of a plugin on one core (ringtime_timer).
struct PluginTimer : ListNode {
    loop::Timer timer;
    struct PluginCore* core = nullptr;
    void (*function)(void*) = nullptr;
    void* user = nullptr;
    uint32_t every_ms = 0;
    bool firing = false;   ///< Inside function().
    bool stopped = false;  ///< stop_timer() was called inside function().
};

/// Why a request ends with 500 although nothing was thrown.
enum class Fault : uint8_t { no_answer, no_pause, no_verdict, not_resumed, not_replaced, refused };
inline constexpr size_t fault_count = static_cast<size_t>(Fault::refused) + 1;

/// Timers of one plugin on one core.
inline constexpr unsigned plugin_timers_max = 256;

/// A plugin on one core (ringtime_core).
struct alignas(128) PluginCore {
    Plugin* plugin = nullptr;
    HookCore* core = nullptr;
    void* state = nullptr;
    bool started = false;
    std::atomic<bool> closing{false};  ///< It stops: nothing new may begin. Helpers ask as well.
    unsigned outstanding = 0;  ///< Helpers' work and fetches that will call back.
    unsigned timer_count = 0;
    List<PluginTimer> timers;
    HookCounters hooks[hook_count];
    /// Pieces of bytes it lent that have not come back: while there are any its code stays mapped.
    std::atomic<uint32_t> lent{0};
    Nanoseconds quiet_until[fault_count] = {};

    /// Says in the log what the plugin did wrong. One that is wrong is so for every request, so
    /// each kind of it is said once a second; `what`, a text or what makes one, is asked for only
    /// then.
    template <typename What>
    void complain(Fault fault, Hook hook, const What& what) noexcept {
        if (!may_complain(fault)) return;
        if constexpr (std::is_invocable_v<const What&>) {
            say_complaint(hook, what());
        } else {
            say_complaint(hook, what);
        }
    }
    [[nodiscard]] PluginTimer* start_timer(uint32_t after_ms, uint32_t every_ms,
                                           void (*function)(void*), void* user) noexcept;
    void stop_timer(PluginTimer& timer) noexcept;
    void stop_all_timers() noexcept;
    /// See ringtime_host.
    [[nodiscard]] ringtime_status run_helper(void (*work)(void*), void (*done)(void*),
                                             void* argument) noexcept;
    [[nodiscard]] ringtime_status fetch(const ringtime_fetch& request, ringtime_fetched answered,
                                        void* user) noexcept;
    /// Calls into the plugin outside of a chain: counted, watched, nothing is thrown through it.
    template <typename Call>
    void call(Hook hook, Call&& function) noexcept {
        uint64_t outer = enter(hook);
        try {
            function();
        } catch (...) {
            note_exception(hook);
        }
        core->back_to(outer);
    }

 private:
    [[nodiscard]] bool may_complain(Fault fault) noexcept;
    void say_complaint(Hook hook, std::string_view what) noexcept;
    [[nodiscard]] uint64_t enter(Hook hook) noexcept;
    void note_exception(Hook hook) noexcept;
    static void on_expire(loop::Timer& timer) noexcept;
    void free_timer(PluginTimer& timer) noexcept;
};

struct Service {
    std::string name;
    uint32_t version = 0;
    void* pointer = nullptr;
};

struct RouteHandler {
    ringtime_handler function = nullptr;
    void* user = nullptr;
    std::string method;  ///< Empty for every method.
    std::string pattern;
    uint64_t body_bytes_max = 0;  ///< The body is complete when it is called; 0: it is not read.
};

struct MetricsReader {
    void (*collect)(void* user, ringtime_visit_metric visit, void* visitor) = nullptr;
    void* user = nullptr;
};

struct LogTap {
    ringtime_log_tap function = nullptr;
    void* user = nullptr;
};

struct Probe {
    std::string name;
    bool critical = false;
    Milliseconds interval = 0;
    int (*check)(void*) = nullptr;
    void* user = nullptr;

    /// Helper threads only. False when it is not well, or throws.
    [[nodiscard]] bool well(const Plugin& plugin) const noexcept;
};

class EventChannel;
class SocketEndpoint;

class Plugin : public std::enable_shared_from_this<Plugin> {
 public:
    Plugin(PluginSpec spec, Cores& cores);
    Plugin(const Plugin&) = delete;
    Plugin& operator=(const Plugin&) = delete;
    ~Plugin();

    /// Opens, checks and initialises it within `limit`. `earlier`: the plugins loaded before it.
    /// False: it is down, see problem(). Helper threads only.
    [[nodiscard]] bool load(const std::vector<PluginRef>& earlier,
                            Milliseconds limit);
    /// On the core's thread, once. False: it is down.
    [[nodiscard]] bool start_core(HookCore& core) noexcept;
    /// On the core's thread: streams of events and WebSockets end; their clients come again
    /// elsewhere.
    void end_streams(HookCore& core) noexcept;
    /// On the core's thread: nothing new begins, what is on its way comes to its end. Idempotent.
    void close_core(HookCore& core) noexcept;
    /// Whether everything that was to call back there has.
    [[nodiscard]] bool quiet(HookCore& core) const noexcept {
        return cores_[core.index()].outstanding == 0;
    }
    void stop_core(HookCore& core) noexcept;
    void server_started() noexcept;
    void worker_spawned(const ringtime_worker& worker) noexcept;
    void worker_terminated(const ringtime_worker& worker) noexcept;
    /// Calls on_shutdown and unloads. False, with problem() saying why, when it did not return in
    /// time or stays mapped. Helper threads only; no core uses it any more. Without `settled` the
    /// cores have ended.
    [[nodiscard]] bool shut_down(Milliseconds limit, const Settled& settled = {});

    [[nodiscard]] const PluginSpec& spec() const noexcept { return spec_; }
    [[nodiscard]] const ringtime_plugin_table& table() const noexcept { return table_; }
    [[nodiscard]] void* self() const noexcept { return self_; }
    [[nodiscard]] bool down() const noexcept { return down_.load(std::memory_order_acquire); }
    /// Why it is down. By value: a second core may be failing as well.
    [[nodiscard]] PluginProblem problem() const;
    /// Whether it has an on_request, as far as is known: a plugin that never got so far as to show
    /// its table must be taken to have one, or the chain would fail open.
    [[nodiscard]] bool guards_requests() const noexcept {
        return guards_requests_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] const Scope& scope() const noexcept { return scope_; }
    [[nodiscard]] uint32_t number() const noexcept { return number_; }
    [[nodiscard]] PluginCore* cores() const noexcept { return cores_.get(); }
    /// Null without routes.
    [[nodiscard]] const route::PatternRoutes* routes() const noexcept { return routes_.get(); }
    [[nodiscard]] const std::vector<RouteHandler>& handlers() const noexcept { return handlers_; }
    /// Whether some route wants the body first.
    [[nodiscard]] bool gathers_for_routes() const noexcept { return gathers_for_routes_; }
    [[nodiscard]] const std::vector<Probe>& probes() const noexcept { return probes_; }
    [[nodiscard]] const std::vector<Service>& services() const noexcept { return services_; }
    [[nodiscard]] const std::vector<MetricsReader>& metrics_readers() const noexcept {
        return metrics_readers_;
    }
    [[nodiscard]] const std::vector<std::unique_ptr<EventChannel>>& channels() const noexcept {
        return channels_;
    }
    [[nodiscard]] const std::vector<std::unique_ptr<SocketEndpoint>>& endpoints() const noexcept {
        return endpoints_;
    }
    [[nodiscard]] const std::vector<LogTap>& log_taps() const noexcept { return log_taps_; }
    /// For threads that are not a core's at work.
    [[nodiscard]] Door& door() noexcept { return door_; }
    [[nodiscard]] Cores& host_cores() noexcept { return host_cores_; }
    [[nodiscard]] HookTotals totals(Hook hook) const noexcept;
    /// Whether it can be what `spec` says and go on: nothing differs, or only the configuration,
    /// and it takes that.
    [[nodiscard]] bool can_become(const PluginSpec& spec) const;
    /// Tells it another configuration. False, with `why`: it could not apply it and keeps what it
    /// had. The reload's thread only.
    [[nodiscard]] bool reconfigure(const std::string& json, Milliseconds limit, std::string& why);
    /// Any thread: whether a core still holds bytes of it.
    [[nodiscard]] bool has_lent() const noexcept;
    /// Whether the file on disk is still the one that was loaded.
    [[nodiscard]] bool file_unchanged() const noexcept;

    // --- What host calls with a ringtime_context reach ---
    [[nodiscard]] const ringtime_about& about() const noexcept { return about_; }
    [[nodiscard]] const ConfigValues& config() const noexcept {
        return *config_.load(std::memory_order_acquire);
    }
    void log(ringtime_log_level level, std::string_view text) const noexcept;
    /// Runs its code outside of a core's hooks: named should the process die of it, and what it
    /// throws is logged. False: it threw.
    template <typename Call>
    bool guarded(const char* what, Call&& call) const noexcept {
        InPlugin inside(spec_.name, what);
        try {
            call();
            return true;
        } catch (...) {
            log_exception(what);
            return false;
        }
    }
    /// Within a catch only.
    void log_exception(std::string_view what) const noexcept;
    void set_failure(std::string_view why);
    [[nodiscard]] ringtime_status provide(std::string_view name, uint32_t version, void* service);
    [[nodiscard]] void* use(std::string_view name, uint32_t version);
    [[nodiscard]] ringtime_status add_route(RouteHandler handler);
    [[nodiscard]] const StaticAnswer* add_static(uint16_t status, const ringtime_field_line* lines,
                                                 size_t count, ringtime_slice body);
    [[nodiscard]] ringtime_status add_probe(Probe probe);
    [[nodiscard]] ringtime_status add_metrics(const MetricsReader& reader);
    [[nodiscard]] ringtime_status tap_log(const LogTap& tap);
    /// Null at a limit, or after init.
    [[nodiscard]] EventChannel* make_channel(std::string_view name,
                                             const ringtime_channel_options& options);
    [[nodiscard]] SocketEndpoint* make_endpoint(std::string_view name,
                                                const ringtime_endpoint_options& options);

 private:
    using WorkerHook = void (*)(void*, const ringtime_worker*);
    void call_worker_hook(const char* name, WorkerHook hook,
                          const ringtime_worker& worker) noexcept;
    bool prepare();
    bool open_library();
    bool take_table();
    bool initialise();
    /// Whether one more of `what` may be contributed; the log says why not.
    [[nodiscard]] ringtime_status admit(std::string_view what, size_t count) const;
    [[nodiscard]] ringtime_status refuse(ringtime_status status, const std::string& why) const;
    bool build_routes();
    /// Puts it down; always false.
    bool fail(std::string cause, std::string remedy);
    /// The same for a plugin in which a thread was left behind: it is never called or unmapped
    /// again.
    bool abandon(std::string cause, std::string remedy);

    PluginSpec spec_;
    Cores& host_cores_;
    uint32_t number_;
    Library library_;
    ringtime_plugin_table table_{};
    void* self_ = nullptr;
    std::atomic<bool> down_{false};
    std::atomic<bool> guards_requests_{true};
    bool initialised_ = false;
    bool gathers_for_routes_ = false;
    PluginProblem problem_;
    ringtime_about about_{};
    // What was told stays valid as long as the plugin, so earlier ones are kept, up to a number.
    static constexpr size_t configs_max = 256;
    std::vector<std::unique_ptr<const ConfigValues>> configs_;
    std::atomic<const ConfigValues*> config_{nullptr};
    Scope scope_;
    std::unique_ptr<PluginCore[]> cores_;
    struct FileIdentity {
        uint64_t device = 0;
        uint64_t inode = 0;
        uint64_t size = 0;
        int64_t modified_ns = 0;
        friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
    };
    [[nodiscard]] FileIdentity identify() const noexcept;
    FileIdentity identity_;

    // Contributions are taken during on_init only. A plugin that overran its limit may still be in
    // there, on the thread that was left behind: the lock and the flags keep it out.
    mutable std::mutex lock_;  // tidy: allow(data-path) start-up; no hook takes it
    std::atomic<bool> abandoned_{false};
    bool open_for_contributions_ = false;
    bool reconfiguring_ = false;
    std::vector<PluginRef> earlier_;
    std::string failure_;
    std::vector<Service> services_;
    std::vector<RouteHandler> handlers_;
    std::vector<Probe> probes_;
    std::vector<MetricsReader> metrics_readers_;
    std::vector<LogTap> log_taps_;
    unsigned taps_counted_ = 0;  ///< Of them, in what Cores counts.
    std::vector<std::unique_ptr<EventChannel>> channels_;
    std::vector<std::unique_ptr<SocketEndpoint>> endpoints_;
    Door door_;
    std::vector<std::unique_ptr<StaticAnswer>> statics_;
    std::unique_ptr<const route::PatternRoutes> routes_;
};

}  // namespace ringtime::hook
