#include "hook/plugin.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "hook/event_channel.h"
#include "hook/limited_call.h"
#include "hook/registry.h"
#include "hook/socket_endpoint.h"
#include "http/head.h"

namespace ringtime::hook {
namespace {

/// What every table has: the members of the first version.
constexpr size_t table_size_v1 = offsetof(ringtime_plugin_table, on_shutdown) + sizeof(void*);

constexpr std::string_view rebuild =
    "rebuild the plugin against include/ringtime/plugin.h of this version";

/// Contributions of one kind a plugin may make.
constexpr size_t contributions_max = 4096;

}  // namespace

std::string PluginProblem::text() const {
    return fmt::format("plugin {} ({}): {}; {}", plugin, file, cause, remedy);
}

bool Probe::well(const Plugin& plugin) const noexcept {
    int result = -1;
    return plugin.guarded("readiness probe", [&] { result = check(user); }) && result == 0;
}

Plugin::Plugin(PluginSpec spec, Cores& cores)
    : spec_(std::move(spec)),
      host_cores_(cores),
      number_(cores.add_name(spec_.name)),
      cores_(std::make_unique<PluginCore[]>(cores.count())),
      identity_(identify()) {
    for (unsigned i = 0; i < cores.count(); ++i) {
        cores_[i].plugin = this;
        cores_[i].core = &cores[i];
    }
    about_ = {sizeof about_,           cores.count(),
              to_slice(spec_.name),    to_slice(spec_.short_name),
              to_slice(spec_.version), spec_.base.empty() ? ringtime_slice{} : to_slice(spec_.base),
              to_slice(spec_.folder)};
}

Plugin::~Plugin() = default;

Plugin::FileIdentity Plugin::identify() const noexcept {
    struct stat info {};
    if (::stat(spec_.file.c_str(), &info) != 0) return {};
    return {info.st_dev, info.st_ino, static_cast<uint64_t>(info.st_size),
            info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec};
}

bool Plugin::file_unchanged() const noexcept { return identify() == identity_; }

bool Plugin::fail(std::string cause, std::string remedy) {
    std::lock_guard lock(lock_);
    // The first reason is the one to mend, and a thread that was left behind has no say any more.
    if (abandoned_ || down()) return false;
    problem_ = {spec_.name, spec_.file, std::move(cause), std::move(remedy)};
    down_.store(true, std::memory_order_release);
    return false;
}

bool Plugin::abandon(std::string cause, std::string remedy) {
    (void)fail(std::move(cause), std::move(remedy));
    std::lock_guard lock(lock_);
    abandoned_ = true;
    return false;
}

PluginProblem Plugin::problem() const {
    std::lock_guard lock(lock_);
    return problem_;
}

bool Plugin::load(const std::vector<PluginRef>& earlier, Milliseconds limit) {
    for (const auto& other : earlier) {
        const auto& wanted = spec_.dependencies;
        if (other->down() &&
            std::find(wanted.begin(), wanted.end(), other->spec().name) != wanted.end())
            return fail(fmt::format("it depends on {}, which is down", other->spec().name),
                        "mend that plugin first");
    }
    {
        std::lock_guard lock(lock_);
        earlier_ = earlier;
        open_for_contributions_ = true;
    }
    // The thread keeps the plugin alive should it be left behind; the result is read only if not.
    // tidy: allow(data-path) start-up, and two threads of which either may be the last
    auto good = std::make_shared<bool>(false);
    bool returned = call_with_limit(limit, [self = shared_from_this(), good] {
        *good = self->prepare() && self->open_library() && self->take_table() &&
                self->initialise() && self->build_routes();
    });
    {
        std::lock_guard lock(lock_);
        open_for_contributions_ = false;
        earlier_.clear();
    }
    if (returned) {
        if (*good) host_cores_.registry().add(shared_from_this());
        return *good;
    }
    return abandon(fmt::format("on_init did not return within {} ms", limit),
                   "let it do long work in a thread of its own, started in on_server_start");
}

bool Plugin::prepare() {
    std::string error;
    auto values = std::make_unique<ConfigValues>();
    if (!values->parse(spec_.config_json, error))
        return fail("its configuration is " + error, "correct `config` in the manifest");
    config_.store(values.get(), std::memory_order_release);
    configs_.push_back(std::move(values));
    if (!scope_.build(spec_.hosts, spec_.paths, spec_.except, error))
        return fail("`hooks` holds a pattern that cannot be used: " + error,
                    "write globs over whole paths, such as `/api/**`");
    return true;
}

bool Plugin::open_library() {
    std::string cause;
    std::string remedy;
    return library_.open(spec_.file, cause, remedy) || fail(std::move(cause), std::move(remedy));
}

bool Plugin::take_table() {
    const auto* theirs =
        static_cast<const ringtime_plugin_table*>(library_.symbol("ringtime_plugin"));
    if (!theirs)
        return fail("it exports no symbol `ringtime_plugin`",
                    "end its source with RINGTIME_PLUGIN(Type), and export the symbol");
    if (theirs->abi_version != RINGTIME_ABI_VERSION)
        return fail(fmt::format("it was built for plugin ABI {}, this gateway has {}",
                                theirs->abi_version, RINGTIME_ABI_VERSION),
                    std::string(rebuild));
    if (theirs->struct_size < table_size_v1 || theirs->struct_size > 64 * 1024)
        return fail(fmt::format("its table says it has {} bytes, the first version had {}",
                                theirs->struct_size, table_size_v1),
                    std::string(rebuild));
    size_t known = std::min<size_t>(theirs->struct_size, sizeof table_);
    std::memcpy(&table_, theirs, known);
    guards_requests_.store(table_.on_request != nullptr, std::memory_order_relaxed);
    // A hook this gateway does not know would silently never run, and a chain must not fail open.
    const char* bytes = reinterpret_cast<const char*>(theirs);
    if (std::any_of(bytes + known, bytes + theirs->struct_size, [](char c) { return c != 0; }))
        return fail("it subscribes to hooks this gateway does not have", "update the gateway");
    return true;
}

bool Plugin::initialise() {
    if (!table_.on_init) {
        initialised_ = true;
        return true;
    }
    int result = -1;
    InPlugin inside(spec_.name, "on_init");
    try {
        result =
            table_.on_init(&host_cores_.host(), reinterpret_cast<ringtime_context*>(this), &self_);
    } catch (...) {
        set_failure(exception_text());
    }
    initialised_ = result == 0;
    // Who says why he fails has failed, whatever he returns.
    if (initialised_ && failure_.empty()) return true;
    return fail(
        failure_.empty() ? "on_init failed without saying why" : "on_init failed: " + failure_,
        "see its configuration and its documentation");
}

bool Plugin::build_routes() {
    if (handlers_.empty()) return true;
    if (spec_.base.empty())
        return fail("it adds routes but has no base", "give it a `base` in its manifest");
    route::PatternRoutesBuilder builder;
    for (uint32_t i = 0; i < handlers_.size(); ++i) {
        uint16_t methods = UINT16_MAX;
        if (!handlers_[i].method.empty()) {
            http::Method method = http::intern_method(handlers_[i].method);
            methods = http::method_bit(method);
            // HEAD is GET without the content (RFC 9110 §9.3.2).
            if (method == http::Method::get) methods |= http::method_bit(http::Method::head);
        }
        builder.add(methods, handlers_[i].pattern, i);
    }
    route::PatternResult result = builder.build();
    routes_ = std::move(result.routes);
    if (routes_) return true;
    return fail(result.problems.empty() ? "its routes cannot be compiled"
                                        : "its routes: " + result.problems.front().message,
                "correct the pattern it adds in on_init");
}

bool Plugin::start_core(HookCore& core) noexcept {
    PluginCore& mine = cores_[core.index()];
    if (down() || mine.started) return !down();
    mine.started = true;
    if (!table_.on_core_start) return true;
    int result = -1;
    core.enter(make_mark(number_, Hook::core_start), 0);
    guarded("on_core_start", [&] {
        result = table_.on_core_start(self_, reinterpret_cast<ringtime_core*>(&mine), &mine.state);
    });
    core.leave();
    if (result == 0) return true;
    mine.started = false;
    mine.stop_all_timers();
    return fail(fmt::format("on_core_start failed on core {}", core.index()),
                "see the lines it logged");
}

void Plugin::end_streams(HookCore& core) noexcept {
    for (auto& channel : channels_) channel->close(core.index());
    for (auto& endpoint : endpoints_) endpoint->close(core.index());
}

void Plugin::close_core(HookCore& core) noexcept {
    PluginCore& mine = cores_[core.index()];
    if (!mine.started) return;
    mine.closing = true;
    end_streams(core);
    mine.stop_all_timers();
    if (mine.outstanding > 0 && core.fetches()) core.fetches()->cancel(mine);
}

void Plugin::stop_core(HookCore& core) noexcept {
    PluginCore& mine = cores_[core.index()];
    if (!mine.started) return;
    close_core(core);
    mine.started = false;
    if (!table_.on_core_stop) return;
    guarded("on_core_stop", [&] {
        table_.on_core_stop(self_, reinterpret_cast<ringtime_core*>(&mine), mine.state);
    });
    mine.state = nullptr;
}

void Plugin::server_started() noexcept {
    if (down() || !table_.on_server_start) return;
    guarded("on_server_start", [&] { table_.on_server_start(self_); });
}

void Plugin::call_worker_hook(const char* name, WorkerHook hook,
                              const ringtime_worker& worker) noexcept {
    if (!down() && hook) guarded(name, [&] { hook(self_, &worker); });
}

void Plugin::worker_spawned(const ringtime_worker& worker) noexcept {
    call_worker_hook("on_worker_spawn", table_.on_worker_spawn, worker);
}

void Plugin::worker_terminated(const ringtime_worker& worker) noexcept {
    call_worker_hook("on_worker_terminate", table_.on_worker_terminate, worker);
}

bool Plugin::shut_down(Milliseconds limit, const Settled& settled) {
    host_cores_.registry().remove(*this);
    host_cores_.log_taps().fetch_sub(std::exchange(taps_counted_, 0u));
    if (abandoned_) return false;  // A thread of it is still inside: unmapping pulls away its code.
    if (!door_.close(limit))
        return abandon(fmt::format("a probe, a log tap or work on a helper thread did not return "
                                   "within {} ms",
                                   limit),
                       "let it give up in time; until the gateway ends it stays in memory");
    if (initialised_ && table_.on_shutdown) {
        initialised_ = false;
        bool returned = call_with_limit(limit, [self = shared_from_this()] {
            self->guarded("on_shutdown", [&] { self->table_.on_shutdown(self->self_); });
        });
        if (!returned)
            return abandon(fmt::format("on_shutdown did not return within {} ms", limit),
                           "end its threads there; until the gateway ends it stays in memory");
    }
    if (settled && library_.loaded() && !settled(*this))
        return abandon("bytes it lent have not come back, so it stays in memory",
                       "lend bytes for no longer than the request that needs them");
    if (library_.close()) return true;
    return fail("it cannot be unloaded and stays in memory",
                "compile it with -fno-gnu-unique and without thread_local destructors");
}

bool Plugin::has_lent() const noexcept {
    return std::any_of(cores_.get(), cores_.get() + host_cores_.count(), [](const auto& core) {
        return core.lent.load(std::memory_order_acquire) != 0;
    });
}

HookTotals Plugin::totals(Hook hook) const noexcept {
    HookTotals sum;
    auto read = [](const std::atomic<uint64_t>& counter) {
        return counter.load(std::memory_order_relaxed);
    };
    for (unsigned i = 0; i < host_cores_.count(); ++i) {
        const HookCounters& counters = cores_[i].hooks[static_cast<size_t>(hook)];
        sum.calls += read(counters.calls);
        sum.sampled += read(counters.sampled);
        sum.sampled_ns += read(counters.sampled_ns);
        sum.answers += read(counters.answers);
        sum.errors += read(counters.errors);
        sum.suspensions += read(counters.suspensions);
    }
    return sum;
}

// --- Contributions ---

void Plugin::log(ringtime_log_level level, std::string_view text) const noexcept {
    LogLevel ours = level >= RINGTIME_LOG_ERROR  ? LogLevel::error
                    : level == RINGTIME_LOG_WARN ? LogLevel::warn
                    : level == RINGTIME_LOG_INFO ? LogLevel::info
                                                 : LogLevel::debug;
    log_line(ours, spec_.short_name, text);
}

void Plugin::log_exception(std::string_view what) const noexcept {
    log(RINGTIME_LOG_ERROR, fmt::format("{} threw: {}", what, exception_text()));
}

void Plugin::set_failure(std::string_view why) {
    std::lock_guard lock(lock_);
    if (open_for_contributions_ || reconfiguring_) failure_ = why;
}

ringtime_status Plugin::refuse(ringtime_status status, const std::string& why) const {
    log(RINGTIME_LOG_ERROR, why);
    return status;
}

ringtime_status Plugin::admit(std::string_view what, size_t count) const {
    if (!open_for_contributions_)
        return refuse(RINGTIME_WRONG_PHASE, fmt::format("{} can be added in on_init only", what));
    if (count == contributions_max)
        return refuse(RINGTIME_LIMIT, fmt::format("{} too many: there can be {}", what, count));
    return RINGTIME_OK;
}

ringtime_status Plugin::provide(std::string_view name, uint32_t version, void* service) {
    std::lock_guard lock(lock_);
    if (auto refused = admit("a service", services_.size()); refused != RINGTIME_OK) return refused;
    if (name.empty() || !service)
        return refuse(RINGTIME_INVALID, "a service needs a name, and something that serves");
    for (const auto& other : earlier_) {
        for (const Service& theirs : other->services()) {
            if (theirs.name == name)
                log(RINGTIME_LOG_WARN, fmt::format("provides the service \"{}\" as {} does: each "
                                                   "plugin gets that of its own dependency",
                                                   name, other->spec().name));
        }
    }
    services_.push_back({std::string(name), version, service});
    return RINGTIME_OK;
}

void* Plugin::use(std::string_view name, uint32_t version) {
    std::lock_guard lock(lock_);
    if (!open_for_contributions_) return nullptr;
    const auto& declared = spec_.dependencies;
    // The nearest provider wins: among dependencies the one loaded last.
    for (auto other = earlier_.rbegin(); other != earlier_.rend(); ++other) {
        for (const Service& theirs : (*other)->services()) {
            if (theirs.name != name) continue;
            const std::string& provider = (*other)->spec().name;
            if (std::find(declared.begin(), declared.end(), provider) == declared.end()) {
                log(RINGTIME_LOG_ERROR,
                    fmt::format("uses the service \"{}\" of {} without declaring "
                                "it: add it to `dependencies`",
                                name, provider));
            } else if (theirs.version != version) {
                log(RINGTIME_LOG_ERROR, fmt::format("wants version {} of the service \"{}\", {} "
                                                    "provides {}",
                                                    version, name, provider, theirs.version));
            } else {
                return theirs.pointer;
            }
        }
    }
    return nullptr;
}

ringtime_status Plugin::add_route(RouteHandler handler) {
    std::lock_guard lock(lock_);
    if (auto refused = admit("a route", handlers_.size()); refused != RINGTIME_OK) return refused;
    bool known =
        handler.method.empty() || http::intern_method(handler.method) != http::Method::other;
    if (!known)
        return refuse(RINGTIME_INVALID, fmt::format("the route `{}`: `{}` is no method; write one "
                                                    "in capitals, or none for all",
                                                    handler.pattern, handler.method));
    if (!handler.pattern.starts_with('/'))
        return refuse(RINGTIME_INVALID,
                      fmt::format("the route `{}`: a pattern begins with `/`", handler.pattern));
    if (!handler.function)
        return refuse(RINGTIME_INVALID,
                      fmt::format("the route `{}` has no handler", handler.pattern));
    gathers_for_routes_ = gathers_for_routes_ || handler.body_bytes_max > 0;
    handlers_.push_back(std::move(handler));
    return RINGTIME_OK;
}

const StaticAnswer* Plugin::add_static(uint16_t status, const ringtime_field_line* lines,
                                       size_t count, ringtime_slice body) {
    std::lock_guard lock(lock_);
    if (admit("a static answer", statics_.size()) != RINGTIME_OK) return nullptr;
    auto made = StaticAnswer::make(status, lines, count, body);
    if (!made) {
        ringtime_bytes kept{body, [](void*) {}, nullptr};
        log(RINGTIME_LOG_ERROR, "make_static " + refused_answer(status, lines, count, &kept));
        return nullptr;
    }
    statics_.push_back(std::move(made));
    return statics_.back().get();
}

ringtime_status Plugin::add_probe(Probe probe) {
    std::lock_guard lock(lock_);
    if (auto refused = admit("a probe", probes_.size()); refused != RINGTIME_OK) return refused;
    if (!probe.check || probe.name.empty() || probe.interval == 0)
        return refuse(RINGTIME_INVALID, "a probe needs a name, an interval and a check");
    probes_.push_back(std::move(probe));
    return RINGTIME_OK;
}

ringtime_status Plugin::add_metrics(const MetricsReader& reader) {
    std::lock_guard lock(lock_);
    if (auto refused = admit("a source of metrics", metrics_readers_.size());
        refused != RINGTIME_OK)
        return refused;
    if (!reader.collect) return refuse(RINGTIME_INVALID, "a source of metrics needs a function");
    metrics_readers_.push_back(reader);
    return RINGTIME_OK;
}

EventChannel* Plugin::make_channel(std::string_view name,
                                   const ringtime_channel_options& options) {
    std::lock_guard lock(lock_);
    if (admit("a channel", channels_.size()) != RINGTIME_OK) return nullptr;
    channels_.push_back(std::make_unique<EventChannel>(*this, std::string(name), options));
    return channels_.back().get();
}

SocketEndpoint* Plugin::make_endpoint(std::string_view name,
                                      const ringtime_endpoint_options& options) {
    std::lock_guard lock(lock_);
    if (admit("an endpoint", endpoints_.size()) != RINGTIME_OK) return nullptr;
    endpoints_.push_back(std::make_unique<SocketEndpoint>(*this, std::string(name), options));
    return endpoints_.back().get();
}

ringtime_status Plugin::tap_log(const LogTap& tap) {
    std::lock_guard lock(lock_);
    if (auto refused = admit("a tap of the log", log_taps_.size()); refused != RINGTIME_OK)
        return refused;
    if (!tap.function) return refuse(RINGTIME_INVALID, "a tap of the log needs a function");
    log_taps_.push_back(tap);
    ++taps_counted_;
    host_cores_.log_taps().fetch_add(1);
    return RINGTIME_OK;
}

}  // namespace ringtime::hook
