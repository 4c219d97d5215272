#include "worker/supervisor.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "base/log.h"
#include "base/resident.h"
#include "ring/direct.h"
#include "ringtime/worker_abi.h"
#include "worker/core_pool.h"
#include "worker/environment.h"

namespace ringtime::worker {
namespace {

constexpr size_t kAppsMax = 65536;  // At once, those that a reload replaces included; 8 B each.
constexpr Milliseconds kEndGrace = 5'000;  // From TERMINATE to SIGKILL.

}  // namespace

std::string_view phase_name(WorkerPhase phase) noexcept {
    switch (phase) {
        case WorkerPhase::starting:
            return "starting";
        case WorkerPhase::ready:
            return "ready";
        case WorkerPhase::draining:
            return "draining";
        case WorkerPhase::ending:
            return "ending";
        case WorkerPhase::dead:
            return "dead";
    }
    return "dead";
}

std::string_view role_name(WorkerRole role) noexcept {
    switch (role) {
        case WorkerRole::worker:
            return "worker";
        case WorkerRole::origin:
            return "origin";
        case WorkerRole::spare:
            return "spare";
    }
    return "worker";
}

Supervisor::Supervisor(SupervisorOptions options)
    : options_(std::move(options)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      gate_(options_.ephemeral_max) {
    ASSERT(options_.cores > 0 && options_.cores <= limits::cores_max);
    for (unsigned core = 0; core < options_.cores; ++core) {
        seats_.push_back(std::make_unique<CoreSeat>());
        seats_.back()->notice.subject = seats_.back().get();
        seats_.back()->notice.kind = Notice::Kind::core;
    }
    // What could not be opened cannot be watched.
    if (!watch(board_.fd(), Watch::board, 0)) shortage_ = errno == EBADF ? EMFILE : errno;
}

Supervisor::~Supervisor() {
    if (zygote_.running()) stop(0);
}

// A number is given again when its last owner is gone from every core: a gateway that is deployed
// to for years has as many as it needed at once. What a core may still be about to say of the
// former owner (that it wants more, that its queue may go on) does no harm to the new one.
Supervisor::App* Supervisor::vacant_app() {
    for (auto& app : apps_) {
        if (removed_ == 0) break;
        if (!app->removed || !app->members.empty()) continue;
        --removed_;
        static_cast<AppCourse&>(*app) = {};
        app->state.hopeless.store(0);
        app->state.unproven.store(1);
        return app.get();
    }
    if (apps_.size() == kAppsMax) return nullptr;
    apps_.push_back(std::make_unique<App>());
    App& app = *apps_.back();
    app.state.index = static_cast<uint32_t>(apps_.size() - 1);
    app.state.notice.subject = &app;
    app.state.notice.kind = Notice::Kind::app;
    return &app;
}

uint32_t Supervisor::add(AppSpec spec) {
    App* vacant = vacant_app();
    if (!vacant) return no_app;
    App& app = *vacant;
    app.state.spec = std::move(spec);
    if (!zygote_.running() && !options_.host_path.empty() && !start_zygote(app.problem))
        log_line(LogLevel::error, "worker", app.problem);
    reconcile(app);
    return app.state.index;
}

void Supervisor::remove(uint32_t index, Nanoseconds deadline) {
    App& app = *apps_[index];
    app.removed = true;
    app.drained_by = deadline;
    ++removed_;
    // What ends at once leaves the list meanwhile.
    for (Worker* worker : std::vector<Worker*>(app.members)) {
        if (worker->exited || worker->role == WorkerRole::spare) continue;
        if (worker->phase == WorkerPhase::starting) terminate(*worker);
        begin_draining(*worker, "its app was removed");
    }
}

bool Supervisor::start_zygote(std::string& problem) {
    if (!zygote_.start(options_.host_path, problem)) return false;
    if (watch(zygote_.fd(), Watch::zygote, 0)) return true;
    problem = fmt::format("the zygote cannot be watched: {}", std::strerror(errno));
    zygote_.stop();
    return false;
}

bool Supervisor::start(std::vector<AppSpec> apps, std::string& problem) {
    now_ = monotonic_now();
    if (shortage_ != 0) {
        problem = fmt::format("cannot watch workers: {}; raise {}", std::strerror(shortage_),
                              shortage_ == ENOSPC ? "sysctl fs.epoll.max_user_watches"
                                                  : "the limit of open files (ulimit -n)");
        return false;
    }
    apps_.reserve(kAppsMax);
    // A pure proxy has no processes beside it.
    if (!apps.empty() && !start_zygote(problem)) return false;
    for (AppSpec& spec : apps) {
        if (add(std::move(spec)) != no_app) continue;
        problem = fmt::format("more than {} worker apps", kAppsMax);
        return false;
    }
    return true;
}

// ---- The life of a worker ----

// Records are reused, never freed: a core may still be about to post a notice of the former owner.
Supervisor::Worker& Supervisor::take_record() {
    for (auto& worker : workers_)
        if (!worker->used) return *worker;
    workers_.push_back(std::make_unique<Worker>());
    workers_.back()->state.id = static_cast<uint32_t>(workers_.size() - 1);
    return *workers_.back();
}

/// The group that holds a worker to its limits, or none: none are wanted, or none can be had.
Cgroup Supervisor::limit(const AppSpec& spec, uint32_t worker) {
    if (spec.memory_bytes_max == 0 && spec.cpus_max == 0) return {};
    std::string problem;
    if (!std::exchange(cgroups_tried_, true) && !cgroups_.open(Cgroups::own_folder(), problem))
        log_format(LogLevel::warn, "worker",
                   "sandbox.cpu has no effect and sandbox.memory counts what workers reserve, not "
                   "what they use: {}",
                   problem);
    if (!cgroups_.usable()) return {};
    Cgroup group = cgroups_.make(worker, {spec.memory_bytes_max, spec.cpus_max});
    if (group.folder.empty())
        log_format(LogLevel::warn, "worker", "app={} its limits cannot be set: {}", spec.name,
                   std::strerror(errno));
    return group;
}

bool Supervisor::start_worker(App& app) {
    Worker& worker = take_record();
    const AppSpec& spec = app.state.spec;
    auto environment = make_environment(spec, options_, worker.state.id);
    ProcessChannels channels;
    worker.cgroup = limit(spec, worker.state.id);
    bool origin = spec.ephemeral && app.forks;
    // Whatever the loader puts off each of its processes would have to do for itself.
    if (origin && spec.kind == EntryKind::module) environment.emplace_back("LD_BIND_NOW=1");
    int error = zygote_.spawn(spec, options_.host_path, environment, worker.state.id,
                              worker.cgroup.folder, channels);
    if (error != 0) {
        tell_shortage(spec, "cannot start a worker", error);
        app.next_start = now_ + from_milliseconds(options_.restart_first_ms);
        return false;
    }
    worker.channels = std::move(channels);
    enlist(worker, app, origin ? WorkerRole::origin : WorkerRole::worker);
    begin_process(worker);
    int fd = worker.channels.control.get();
    int yes = 1;  // The kernel then says which process a message is from.
    if (origin) ASSERT(setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) == 0);
    ++counters_.started;
    return true;
}

/// The record is `app`'s from here on.
void Supervisor::enlist(Worker& worker, App& app, WorkerRole role) {
    worker.used = true;
    worker.app = &app;
    worker.role = role;
    worker.origin = nullptr;
    worker.seats = 0;
    worker.attached = 0;
    worker.attached_cores = worker.bare_cores = 0;
    worker.vacant = worker.unlinked = false;
    worker.exited = true;
    app.members.push_back(&worker);
    WorkerState& state = worker.state;
    state.app = &app.state;
    state.doorbell = worker.channels.doorbell.get();
    state.spare = role == WorkerRole::spare;
    state.released_by.store(0);
    state.bare_cores.store(0);
    state.handed.store(0);
    state.notice.subject = &worker;
    state.notice.kind = Notice::Kind::worker;
}

/// What a process begins with, whether it is started or forked.
void Supervisor::begin_process(Worker& worker) {
    ++alive_;
    worker.phase = WorkerPhase::starting;
    worker.worn_out = worker.spent = worker.doubted = worker.expected_end = false;
    worker.idle_told = worker.exited = worker.was_ready = worker.vacant = worker.cut = false;
    worker.started_at = now_;
    worker.phase_deadline = now_ + from_milliseconds(options_.ready_ms);
    worker.wait_status = 0;
    worker.reason.clear();
    worker.out.clear();
    worker.err.clear();
    WorkerState& state = worker.state;
    state.pid = 0;
    state.places.store(WorkerState::closed);
    state.used_at.store(now_);
    state.renewed_by.store(0);
    state.user.store(WorkerState::nobody);
}

void Supervisor::worker_spawned(Worker& worker, const ZygoteReport& report, Fd pidfd) {
    if (report.pid > 0) {
        worker.state.pid = report.pid;
        worker.pidfd = std::move(pidfd);
        // What it says itself may come first, and is heard when it is known who speaks: an origin's
        // spares are recognised by its number.
        const std::pair<Fd*, Watch> ends[] = {{&worker.channels.control, Watch::control},
                                              {&worker.channels.out, Watch::out},
                                              {&worker.channels.err, Watch::err}};
        for (auto [fd, what] : ends)
            if (*fd && !watch(fd->get(), what, worker.state.id))
                return kill_worker(worker,
                                   fmt::format("cannot be watched: {}", std::strerror(errno)));
        return;
    }
    worker.reason = fmt::format("cannot fork: {}", std::strerror(-report.pid));
    worker_ended(worker, 0);
}

void Supervisor::worker_ready(Worker& worker, uint32_t concurrency) {
    if (worker.phase != WorkerPhase::starting) return;
    App& app = *worker.app;
    uint32_t wanted = app.state.spec.concurrency;
    worker.state.concurrency = wanted == 0 ? concurrency : wanted;
    if (concurrency != 0 && concurrency < worker.state.concurrency)
        worker.state.concurrency = concurrency;
    worker.state.concurrency = std::clamp(worker.state.concurrency, 1U, RTW_SLOTS_MAX);
    worker.phase = WorkerPhase::ready;
    worker.was_ready = true;
    app.start_failures = 0;
    app.settled = true;
    ++counters_.ready;
    bool renewal = std::any_of(app.members.begin(), app.members.end(),
                               [](const Worker* other) { return other->spent; });
    log_format(renewal ? LogLevel::debug : LogLevel::info, "worker",
               "app={} worker={} pid={} ready in {} ms",
               app.state.spec.name, worker.state.id, worker.state.pid,
               (now_ - worker.started_at) / kNanosecondsPerMillisecond);
    if (worker.role == WorkerRole::origin) return origin_ready(worker);
    app.state.unproven.store(0);
    (void)attach_all(worker);
    worker.state.used_at.store(now_);
    worker.state.places.store(0);
    app.state.ready.fetch_add(1);
    set_hopeless(app, false);
    for (unsigned core = 0; core < options_.cores; ++core)
        if (CorePool* pool = seats_[core]->member)
            post(core, {&CorePool::on_message_serve, pool, app.state.index});
    if (listener_) listener_->worker_spawned(view(worker));
    for (Worker* other : app.members) {
        if (other->worn_out && other->phase == WorkerPhase::ready) {
            ++counters_.recycled;
            return begin_draining(*other, "replaced");
        }
    }
}

void Supervisor::begin_draining(Worker& worker, std::string_view why) {
    if (worker.phase != WorkerPhase::ready) return;
    if (worker.role == WorkerRole::origin) return retire_origin(worker, why);
    forget_ready(worker);
    worker.phase = WorkerPhase::draining;
    worker.reason = why;
    if (worker.state.close() == 0) return terminate(worker);
    if (worker.doubted)
        worker.phase_deadline = now_ + from_milliseconds(worker.app->state.spec.timeout_ms +
                                                         worker.app->state.spec.grace_ms);
}

// To the worker it is as if all its clients went away: streams and tunnels end, and it has time to.
void Supervisor::cut_requests(Worker& worker) {
    worker.cut = true;
    worker.reason += "; its last requests were cut";
    Nanoseconds deadline = now_ + from_milliseconds(kEndGrace);
    if (worker.phase_deadline == 0 || worker.phase_deadline > deadline)
        worker.phase_deadline = deadline;
    for (unsigned core = 0; core < options_.cores; ++core)
        if (worker.attached_cores >> core & 1)
            post(core, {&CorePool::on_message_cut, seats_[core]->member,
                        reinterpret_cast<uint64_t>(&worker.state)});
}

/// What it broke was one request's; the others it has may still end well.
void Supervisor::doubt(Worker& worker) {
    if (worker.role == WorkerRole::spare) return kill_worker(worker, "broke the protocol");
    if (worker.phase != WorkerPhase::ready || worker.worn_out) return;
    worker.worn_out = worker.doubted = true;
    (void)delay_next_start(*worker.app, worker);
    reconcile(*worker.app);
}

/// It takes no more requests from here on.
void Supervisor::forget_ready(Worker& worker) noexcept {
    if (worker.phase == WorkerPhase::ready && worker.role != WorkerRole::origin)
        worker.app->state.ready.fetch_sub(1);
}

void Supervisor::terminate(Worker& worker) {
    if (worker.role == WorkerRole::spare) return end_spare(worker);
    forget_ready(worker);
    worker.state.close();
    worker.phase = WorkerPhase::ending;
    worker.expected_end = true;
    worker.phase_deadline = now_ + from_milliseconds(kEndGrace);
    rtw_control message{};
    message.kind = RTW_TERMINATE;
    if (send(worker.channels.control.get(), &message, sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT) <
        0)
        worker.phase_deadline = now_;
}

void Supervisor::kill_worker(Worker& worker, std::string_view why) {
    if (worker.phase == WorkerPhase::dead || worker.exited) return;
    forget_ready(worker);
    if (!worker.reason.ends_with(why))
        worker.reason += (worker.reason.empty() ? "" : "; ") + std::string(why);
    worker.state.close();
    worker.phase = WorkerPhase::ending;
    worker.phase_deadline = now_ + from_milliseconds(kEndGrace);
    ++counters_.killed;
    if (worker.pidfd) {
        syscall(SYS_pidfd_send_signal, worker.pidfd.get(), SIGKILL, nullptr, 0);
    } else if (worker.state.pid > 0) {
        kill(worker.state.pid, SIGKILL);
    }
}

void Supervisor::worker_ended(Worker& worker, int status) {
    if (worker.exited || !worker.used) return;
    take_output(worker, Watch::out);
    take_output(worker, Watch::err);
    App& app = *worker.app;
    forget_ready(worker);
    worker.exited = true;
    --alive_;
    worker.wait_status = status;
    worker.state.close();
    worker.phase = WorkerPhase::dead;
    std::string cause = worker.state.pid ? describe_end(status) : "there is no process";
    if (!worker.cgroup.folder.empty()) {
        if (worker.cgroup.ran_out_of_memory()) worker.reason = "out of memory";
        cgroups_.remove(std::exchange(worker.cgroup, {}));
    }
    if (!worker.reason.empty()) cause = worker.reason + "; " + cause;
    if (worker.expected_end) {
        log_format(worker.spent && status == 0 ? LogLevel::debug : LogLevel::info, "worker",
                   "app={} worker={} pid={} {}", app.state.spec.name, worker.state.id,
                   worker.state.pid, cause);
    } else {
        if (!worker.was_ready) ++app.start_failures;
        note_failure(app, worker, cause);
    }
    if (listener_ && worker.was_ready) listener_->worker_terminated(view(worker), cause);
    if (worker.role == WorkerRole::origin) origin_ended(worker);
    lose_links(worker);
    worker.channels.control.reset();
    worker.channels.out.reset();
    worker.channels.err.reset();
    worker.pidfd.reset();
    if (worker.attached == 0) release_record(worker);
    serve_wanting_apps();
    reconcile(app);
}

void Supervisor::lose_links(Worker& worker) {
    for (unsigned core = 0; core < options_.cores; ++core)
        if (worker.attached_cores >> core & 1)
            post(core, {&CorePool::on_message_lose, seats_[core]->member,
                        reinterpret_cast<uint64_t>(&worker.state)});
}

void Supervisor::release_record(Worker& worker) {
    std::erase(worker.app->members, &worker);
    worker.memory.clear();
    worker.channels.doorbell.reset();
    worker.used = false;
}

// The first restart is immediate; each further one in a row waits twice as long.
Milliseconds Supervisor::delay_next_start(App& app, const Worker& worker) {
    if (now_ - worker.started_at >= from_milliseconds(options_.healthy_ms)) app.failures = 0;
    ++app.failures;
    Milliseconds delay = 0;
    if (app.failures > 1) {
        uint32_t doublings = std::min(app.failures - 2, 20U);
        Milliseconds longest = options_.restart_longest_ms;
        if (worker.was_ready) longest = std::min(longest, options_.restart_ready_longest_ms);
        delay = std::min(options_.restart_first_ms << doublings, longest);
    }
    app.next_start = now_ + from_milliseconds(delay);
    return delay;
}

void Supervisor::note_failure(App& app, Worker& worker, const std::string& cause) {
    ++counters_.crashed;
    Milliseconds delay = delay_next_start(app, worker);
    log_format(
        LogLevel::error, "worker", "app={} worker={} pid={} {}; starting another in {} ms{}",
        app.state.spec.name, worker.state.id, worker.state.pid, cause, delay,
        worker.err.last_words());
    if (app.start_failures == 0) return;
    app.problem = cause;
    ++counters_.start_failures;
    app.settled = true;
    if (app.start_failures >= kHopelessAfter && app.state.ready.load() == 0)
        set_hopeless(app, true);
}

void Supervisor::set_hopeless(App& app, bool hopeless) {
    if ((app.state.hopeless.load() != 0) == hopeless) return;
    app.state.hopeless.store(hopeless ? 1 : 0);
    if (!hopeless) return;
    app.state.unproven.store(1);
    log_format(LogLevel::error, "worker", "app={} does not start; its requests are answered 503",
               app.state.spec.name);
    for (unsigned core = 0; core < options_.cores; ++core)
        if (CorePool* pool = seats_[core]->member)
            post(core, {&CorePool::on_message_hopeless, pool, app.state.index});
}

// ---- Operators ----

WorkerView Supervisor::view(const Worker& worker) const {
    return {.id = worker.state.id,
            .pid = worker.state.pid,
            .app_index = worker.app->state.index,
            .app = worker.app->state.spec.name,
            .role = worker.role,
            .phase = worker.phase,
            .in_flight = worker.state.in_flight(),
            .requests = worker.state.handed.load(std::memory_order_relaxed),
            .age = now_ - worker.started_at,
            .wait_status = worker.wait_status};
}

std::vector<WorkerView> Supervisor::workers() const {
    std::vector<WorkerView> list;
    for (const auto& worker : workers_) {
        if (!worker->used || worker->exited) continue;
        list.push_back(view(*worker));
        list.back().rss_bytes = resident_bytes(worker->state.pid);
    }
    return list;
}

bool Supervisor::drain(uint32_t id) {
    if (id >= workers_.size() || !workers_[id]->used || workers_[id]->exited ||
        workers_[id]->phase != WorkerPhase::ready)
        return false;
    begin_draining(*workers_[id], "an operator drained it");
    return true;
}

bool Supervisor::restart(uint32_t id) {
    if (id >= workers_.size() || !workers_[id]->used || workers_[id]->phase != WorkerPhase::ready ||
        workers_[id]->role == WorkerRole::spare)
        return false;
    workers_[id]->worn_out = true;
    reconcile(*workers_[id]->app);
    return true;
}

}  // namespace ringtime::worker
