#include "runtime/server.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>

#include "base/log.h"
#include "config/words.h"
#include "runtime/compile.h"
#include "runtime/packages.h"
#include "runtime/readiness.h"

namespace ringtime::runtime {
namespace {

constexpr int kSuperviseMs = 100;
constexpr int kDrainPollMs = 20;
constexpr Milliseconds kWorkerGraceMs = 2000;
// A core turns within microseconds; one that is held up is reported without its figures.
constexpr Milliseconds kCoreAnswerMs = 1000;
// Beyond the drain time, for cores to take back what the kernel holds.
constexpr uint64_t kTeardownMs = 3000;

// One per core; more cores than CPUs are not pinned.
std::vector<int> choose_cpus(const config::Settings& settings) {
    std::vector<int> cpus(settings.cores.cpus.begin(), settings.cores.cpus.end());
    if (!cpus.empty()) return cpus;
    cpu_set_t set;
    CPU_ZERO(&set);
    if (::sched_getaffinity(0, sizeof set, &set) == 0) {
        for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
            if (CPU_ISSET(static_cast<unsigned>(cpu), &set)) cpus.push_back(cpu);
        }
    }
    size_t count = settings.cores.count != 0 ? settings.cores.count : cpus.size();
    cpus.resize(std::clamp<size_t>(count, 1, limits::cores_max), -1);
    return cpus;
}

sigset_t handled_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (int signal : {SIGTERM, SIGINT, SIGUSR1, SIGHUP}) sigaddset(&set, signal);
    return set;
}

void name_unready_apps(const exchange::Snapshot& snapshot, const worker::Supervisor& supervisor,
                       std::vector<Unready>& out) {
    for (const exchange::Mount& mount : snapshot.mounts) {
        if (mount.kind != exchange::TargetKind::worker || supervisor.ready(mount.target)) continue;
        std::string_view version = mount.version;
        out.push_back({.kind = "app",
                       .name = mount.name,
                       .version = version == "latest" ? "" : version,
                       .problem = supervisor.hopeless(mount.target)
                                      ? "it does not start; the log says why"
                                      : "no worker is ready"});
    }
}

}  // namespace

Server::Server(config::Environment environment, config::Configuration configuration)
    : environment_(std::move(environment)),
      configuration_(std::move(configuration)),
      access_log_(configuration_.settings.access_log),
      resolver_(config::joined(configuration_.settings.resolvers, ",")),
      keys_(keys_path(configuration_.settings.data_dir)),
      api_(*this, keys_, configuration_.settings.api_base()),
      manager_(environment_) {}

Server::~Server() = default;

std::string Server::not_ready_because(const exchange::Snapshot& snapshot, Form form) const {
    std::vector<Unready> all;
    if (!ready_.load()) all.push_back({.problem = "starting"});
    bool workers = std::all_of(snapshot.apps.begin(), snapshot.apps.end(),
                               [this](uint32_t app) { return supervisor_->ready(app); });
    if (!workers) name_unready_apps(snapshot, *supervisor_, all);
    if (const hook::Probes::Problem* problem = probes_->problem())
        all.push_back({.kind = "plugin", .name = problem->plugin, .problem = problem->text});
    return readiness_report(all, form);
}

// Growing the descriptor table later would stall a core for tens of milliseconds each time it
// doubles.
void Server::raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
    rlim_t top = limit.rlim_cur < limits::descriptors_pregrown_max
                     ? limit.rlim_cur
                     : limits::descriptors_pregrown_max;
    int highest = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, static_cast<int>(top) - 1);
    if (highest >= 0) ::close(highest);
}

// Everything that can be found wrong without starting anything.
bool Server::compile(std::string& problem) {
    config::Diagnostics diagnostics;
    Compiled compiled = compile_configuration(configuration_, 1, diagnostics);
    fmt::print(stderr, "{}", diagnostics.render());
    snapshot_ = std::move(compiled.snapshot);
    apps_ = std::move(compiled.apps);
    if (!snapshot_) problem = "the configuration has errors";
    return snapshot_ != nullptr;
}

bool Server::take_listeners(std::string& problem) {
    const auto& listen = configuration_.settings.listen;
    if (!manager_.take_sockets(listen, listeners_, problem)) return false;
    return !listeners_.empty() || bind_listeners(listen, listeners_, problem);
}

bool Server::start_workers(std::string& problem) {
    worker::SupervisorOptions options;
    options.host_path = find_worker_host();
    options.cores = static_cast<unsigned>(cpus_.size());
    options.pool_size = static_cast<uint32_t>(configuration_.settings.pool_size);
    options.ephemeral_max =
        static_cast<uint32_t>(configuration_.settings.ephemeral_concurrency);
    options.ready_ms = configuration_.settings.timeouts.worker_ready_ms;
    options.environment = worker_environment(configuration_.settings);
    supervisor_ = std::make_unique<worker::Supervisor>(std::move(options));
    if (!supervisor_->start(apps_, problem)) return false;
    std::vector<uint32_t> numbers(apps_.size());
    std::iota(numbers.begin(), numbers.end(), 0);
    connect_apps(numbers, *snapshot_);
    return true;
}

// What counts and what is shown to plugins, before there are any.
void Server::watch_everything() {
    auto cores = static_cast<unsigned>(cpus_.size());
    hook_cores_ = std::make_unique<hook::Cores>(cores);
    crash_note_ = std::make_unique<hook::CrashNote>(*hook_cores_);
    counters_ = std::make_unique<exchange::RequestCounters>(cores);
    watchdog_ = std::make_unique<hook::Watchdog>(*hook_cores_);
    log_feed_ = std::make_unique<hook::LogFeed>(*hook_cores_);
    probes_ = std::make_unique<hook::Probes>(*hook_cores_);
    metrics_ = std::make_unique<GatewayMetrics>(access_log_, watchdog_.get(), cores);
    hook_cores_->add_metrics(*metrics_);
    hook_cores_->add_metrics(*counters_);
    hook_cores_->add_metrics(upstream_metrics_);
    hook_cores_->add_metrics(*probes_);
    worker_metrics_ = std::make_unique<WorkerMetrics>(*supervisor_);
    hook_cores_->add_metrics(*worker_metrics_);
    log_feed_->start();
    access_log_.show_to(*log_feed_);
}

bool Server::load_plugins(std::string& problem) {
    hook::LoadOptions options;
    options.init_limit = configuration_.settings.timeouts.plugin_init_ms;
    options.shutdown_limit = configuration_.settings.timeouts.plugin_shutdown_ms;
    hook::LoadResult loaded =
        hook::load_plugins(plugin_specs(configuration_), *hook_cores_, options);
    for (const hook::PluginProblem& trouble : loaded.problems)
        log_line(LogLevel::error, "plugin", trouble.text());
    if (!loaded.set) problem = "a plugin cannot be used; see above";
    snapshot_->plugins = std::move(loaded.set);
    return snapshot_->plugins != nullptr;
}

// The kernel serves the cores in turn, and one that is full does not ask: the shares add up.
size_t Server::connections_of_a_core() const noexcept {
    size_t in_all = configuration_.settings.limits.connections;
    if (in_all == 0) return limits::connections_per_core;
    return (in_all + cpus_.size() - 1) / cpus_.size();
}

bool Server::start_cores(std::string& problem) {
    // One core needs no second copy of what it has had compressed.
    size_t kept_bytes = cpus_.size() > 1 ? site::limits::compressed_kept_bytes : 0;
    compressor_ = std::make_unique<site::Compressor>(kept_bytes);
    handover_ = std::make_unique<upstream::Handover>(static_cast<unsigned>(cpus_.size()));
    for (size_t i = 0; i < cpus_.size(); ++i) {
        CoreOptions options;
        options.index = static_cast<unsigned>(i);
        options.cpu = cpus_[i];
        options.settings.connections_max = connections_of_a_core();
        options.settings.peers = &peers_;
        options.settings.counters = &counters_->core(options.index);
        CoreShared shared{access_log_.add_core(), *this, *supervisor_,
                          (*hook_cores_)[options.index], *compressor_, *handover_};
        cores_.push_back(std::make_unique<CoreThread>(options, shared));
    }
    for (auto& core : cores_) {
        if (!core->start(problem)) return false;
    }
    return true;
}

bool Server::start_plugins(std::string& problem) {
    for (auto& core : cores_) {
        hook::CoreStart started = core->start_plugins(*snapshot_->plugins);
        for (const hook::PluginProblem& trouble : started.problems)
            log_line(LogLevel::error, "plugin", trouble.text());
        if (started.must_abort) {
            problem = "a plugin failed to start on a core; see above";
            return false;
        }
    }
    connect_plugins(configuration_, *snapshot_, *counters_);
    worker_hooks_.use(snapshot_);
    supervisor_->set_listener(&worker_hooks_);
    watchdog_->start();
    probes_->start();
    return true;
}

// Administration is no condition for serving: what is missing is said, and the rest goes on.
void Server::open_api() {
    std::string data_dir = live()->configuration.settings.data_dir;
    std::string problem;
    bool good = make_data_dir(data_dir, problem);
    if (good && !keys_.load(problem)) log_line(LogLevel::error, "api", problem);
    good = good && admin_socket_.open(admin_socket_path(data_dir), problem);
    if (!good) log_line(LogLevel::warn, "api", problem);
    api_.start();
    for (auto& core : cores_) core->serve_api(api_);
    if (good) cores_.front()->listen_for_operator(admin_socket_.fd());
}

std::vector<CoreReport> Server::core_reports() {
    std::vector<CoreReport> reports;
    for (auto& core : cores_) {
        if (auto report = core->report(kCoreAnswerMs)) reports.push_back(std::move(*report));
    }
    return reports;
}

bool Server::serve(std::string& problem) {
    access_log_.start();
    Nanoseconds latest =
        monotonic_now() + from_milliseconds(configuration_.settings.timeouts.worker_ready_ms);
    if (!apps_.empty() && !supervisor_->wait_ready(latest)) {
        std::vector<std::string_view> names;
        for (uint32_t app = 0; app < apps_.size(); ++app)
            if (!supervisor_->ready(app)) names.push_back(apps_[app].name);
        log_format(LogLevel::warn, "server", "not ready, and answered 503 until then: {}",
                   config::joined(names, ", "));
    }
    for (auto& core : cores_) core->use(snapshot_);
    std::shared_ptr<hook::PluginSet> plugins = snapshot_->plugins;
    begin_reloads();
    open_api();
    if (!start_listening(listeners_, problem)) return false;
    std::vector<CoreThread::ListenOn> sockets;
    for (const ListenSocket& listener : listeners_)
        sockets.push_back({listener.fd.get(), listener.preface});
    for (auto& core : cores_) core->listen(sockets);
    ready_.store(true);
    for (const ListenSocket& listener : listeners_)
        log_format(LogLevel::info, "server", "listening on {} with {} core{}", listener.text,
                   cores_.size(), cores_.size() == 1 ? "" : "s");
    plugins->server_started();
    manager_.ready();
    return true;
}

void Server::begin_reloads() {
    auto first = std::make_shared<Published>();
    first->epoch = snapshot_->epoch;
    first->configuration = std::move(configuration_);
    first->snapshot = std::move(snapshot_);
    first->apps = std::move(apps_);
    first->app_numbers = first->snapshot->apps;
    reloader_ = std::make_unique<Reloader>(ReloadParts{environment_, cores_, *supervisor_,
                                                       main_tasks_, worker_hooks_, resolver_,
                                                       health_, upstream_metrics_, *hook_cores_,
                                                       *counters_, manager_});
    reloader_->start(std::move(first));
    worker_metrics_->use(reloader_.get());
}

bool Server::start(std::string& problem) {
    raise_descriptor_limit();
    cpus_ = choose_cpus(configuration_.settings);
    if (!compile(problem)) return false;
    if (!take_listeners(problem)) return false;
    if (!access_log_.open(problem)) return false;
    // Worker processes begin before there are threads; requests come when everything stands.
    if (!start_workers(problem)) return false;
    watch_everything();
    if (!load_plugins(problem)) return false;
    resolver_.watch(snapshot_->upstreams);
    health_.watch(snapshot_->upstreams);
    upstream_metrics_.watch(snapshot_->upstreams);
    return start_cores(problem) && start_plugins(problem) && serve(problem);
}

int Server::run() {
    // Before any thread: all of them inherit the mask, so that signals arrive here only.
    sigset_t set = handled_signals();
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    std::string problem;
    int result = 1;
    if (start(problem)) {
        result = wait_for_signals();
    } else {
        log_line(LogLevel::error, "server", problem);
    }
    stop_everything();
    return result;
}

int Server::wait_for_signals() {
    sigset_t set = handled_signals();
    Fd signals(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    for (;;) {
        pollfd ready[3] = {{signals.get(), POLLIN, 0},
                           {main_tasks_.fd(), POLLIN, 0},
                           {supervisor_->fd(), POLLIN, 0}};
        bool supervises = supervisor_->app_count() > 0;
        (void)::poll(ready, supervises ? 3 : 2, supervises ? kSuperviseMs : -1);
        main_tasks_.run_all();
        if (supervises) supervisor_->poll_once(0);
        signalfd_siginfo info{};
        if (::read(signals.get(), &info, sizeof info) != sizeof info) continue;
        switch (static_cast<int>(info.ssi_signo)) {
            case SIGUSR1: access_log_.reopen(); break;
            case SIGHUP:
                reloader_->request(ReloadKind::apply, [](const ReloadReport&) {});
                break;
            default: return drain(signals.get());
        }
    }
}

// Finishes what is running. A second signal ends without waiting, with exit code 2.
int Server::drain(int signals) {
    uint64_t time = reloader_->current()->configuration.settings.drain_ms;
    log_format(LogLevel::info, "server", "draining for up to {} ms; a second signal forces the end",
               time);
    ready_.store(false);
    manager_.stopping();
    reloader_->stop();
    for (auto& core : cores_) core->drain(time);
    // From here on clients are refused, and try another server, instead of waiting in a backlog.
    for (const ListenSocket& listener : listeners_) ::shutdown(listener.fd.get(), SHUT_RDWR);
    Nanoseconds give_up = monotonic_now() + from_milliseconds(time + kTeardownMs);
    int result = 0;
    while (!all_finished()) {
        main_tasks_.run_all();
        supervisor_->poll_once(0);
        pollfd ready{signals, POLLIN, 0};
        signalfd_siginfo info{};
        if (::poll(&ready, 1, kDrainPollMs) > 0 &&
            ::read(signals, &info, sizeof info) == sizeof info &&
            (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)) {
            log_line(LogLevel::warn, "server", "forced: requests in progress are cut");
            for (auto& core : cores_) core->abort();
            give_up = monotonic_now() + from_milliseconds(kTeardownMs);
            result = 2;
        }
        if (monotonic_now() > give_up) {
            log_line(LogLevel::error, "server", "cores did not finish; ending the process");
            ::_exit(2);
        }
    }
    return result;
}

bool Server::all_finished() const {
    for (const auto& core : cores_) {
        if (!core->finished()) return false;
    }
    return true;
}

void Server::stop_everything() {
    for (auto& core : cores_) {
        if (!core->finished()) core->abort();
    }
    if (reloader_) reloader_->stop();
    api_.begin_stop();
    auto helpers_ended = [&] {
        return api_.stopped() && (!reloader_ || reloader_->stopped());
    };
    while (!all_finished() || !helpers_ended()) {
        main_tasks_.run_all();
        supervisor_->poll_once(kDrainPollMs);
    }
    api_.stop();
    if (watchdog_) watchdog_->stop();
    if (probes_) probes_->stop();
    // Plugins hear of the end of every worker before their own.
    if (supervisor_ && supervisor_->app_count() > 0) supervisor_->stop(kWorkerGraceMs);
    worker_hooks_.use(nullptr);
    if (reloader_) reloader_->shut_down();
    if (snapshot_ && snapshot_->plugins) {
        for (const hook::PluginProblem& trouble : snapshot_->plugins->shut_down())
            log_line(LogLevel::warn, "plugin", trouble.text());
    }
    for (auto& core : cores_) core->join();
    if (worker_metrics_) worker_metrics_->use(nullptr);
    reloader_.reset();
    cores_.clear();
    access_log_.stop();
    if (log_feed_) log_feed_->stop();
    // A thread that is left in a plugin reaches them until the process has ended.
    if (hook_cores_ && hook_cores_->left_any_behind()) {
        [[maybe_unused]] static hook::Cores* const kept = hook_cores_.release();
    }
}

}  // namespace ringtime::runtime
