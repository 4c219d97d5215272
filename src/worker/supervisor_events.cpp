// What reaches the supervisor, and what time brings.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/log.h"
#include "worker/core_pool.h"
#include "worker/supervisor.h"

namespace ringtime::worker {
namespace {

constexpr Nanoseconds kTick = 10 * kNanosecondsPerMillisecond;
constexpr size_t kOutputPerTurn = 64 * 1024;  // More waits in the pipe, and then the worker does.
constexpr unsigned kWordsPerTurn = 256;       // So does more in the socket.
constexpr Milliseconds kSpareEndMs = 5'000;   // From its answer to its end.

// `sender`: the process it is from, where the socket was asked to say so; else unchanged.
ssize_t receive_control(int fd, rtw_control& control, int32_t& sender) {
    iovec part{&control, sizeof control};
    alignas(cmsghdr) char space[CMSG_SPACE(sizeof(ucred))];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = space;
    message.msg_controllen = sizeof space;
    ssize_t size = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    cmsghdr* header = size > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
    if (header && header->cmsg_type == SCM_CREDENTIALS) {
        ucred credentials;
        std::memcpy(&credentials, CMSG_DATA(header), sizeof credentials);
        sender = credentials.pid;
    }
    return size;
}

}  // namespace

bool Supervisor::watch(int fd, Watch what, uint32_t worker) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = uint64_t{static_cast<uint32_t>(what)} << 32 | worker;
    return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void Supervisor::poll_once(int timeout_ms) {
    epoll_event events[64];
    int count = epoll_wait(epoll_.get(), events, 64, timeout_ms);
    now_ = monotonic_now();
    for (int i = 0; i < count; ++i) handle(events[i].data.u64);
    flush_outboxes();
    if (now_ - last_tick_ < kTick) return;
    last_tick_ = now_;
    tick();
}

void Supervisor::handle(uint64_t what) {
    auto id = static_cast<uint32_t>(what);
    switch (static_cast<Watch>(what >> 32)) {
        case Watch::zygote:
            return take_zygote_reports();
        case Watch::board:
            return take_notices();
        case Watch::control:
            if (workers_[id]->channels.control) take_control(*workers_[id]);
            return;
        case Watch::out:
            return take_output(*workers_[id], Watch::out);
        case Watch::err:
            return take_output(*workers_[id], Watch::err);
    }
}

bool Supervisor::wait_ready(Nanoseconds deadline) {
    auto waiting = [&] {
        return std::any_of(apps_.begin(), apps_.end(), [&](const auto& app) {
            uint32_t wanted = std::min(app->state.spec.workers, options_.pool_size);
            bool enough = app->state.ready.load() >= wanted;
            // Where the pool has no room left, an app starts when it is asked for.
            bool comes = room() || count(*app, WorkerPhase::starting) > 0;
            if (!comes) app->state.unproven.store(0);
            return !app->removed && !enough && comes && app->state.hopeless.load() == 0;
        });
    };
    while (waiting() && monotonic_now() < deadline) poll_once(10);
    started_ = true;
    return std::all_of(apps_.begin(), apps_.end(), [](const auto& app) {
        return app->removed || app->state.spec.workers == 0 || app->state.unproven.load() == 0;
    });
}

// ---- The zygote ----

void Supervisor::take_zygote_reports() {
    for (;;) {
        ZygoteReport report;
        Fd pidfd;
        int result = zygote_.receive(report, pidfd);
        if (result == 0) return;
        if (result < 0) return zygote_died();
        if (report.kind == ZygoteKind::hello) {
            if (report.landlock == 0 && !landlock_told_)
                log_line(
                    LogLevel::warn, "worker",
                    "this kernel has no Landlock: workers can read files outside their folder");
            landlock_told_ = true;
            continue;
        }
        if (report.worker >= workers_.size() || !workers_[report.worker]->used) continue;
        Worker& worker = *workers_[report.worker];
        if (report.kind == ZygoteKind::spawned) worker_spawned(worker, report, std::move(pidfd));
        if (report.kind == ZygoteKind::ended) worker_ended(worker, report.status);
    }
}

// Its workers die with it; a new one starts them again.
void Supervisor::zygote_died() {
    zygote_.stop();
    if (stopping_) return;
    log_line(LogLevel::error, "worker",
             "the zygote ended, and all workers with it; starting again");
    for (size_t i = 0; i < workers_.size(); ++i) {
        Worker& worker = *workers_[i];
        if (!worker.used || worker.exited) continue;
        kill_worker(worker, "the zygote ended");
        if (worker.role == WorkerRole::spare) continue;  // Its origin tells.
        worker_ended(worker, SIGKILL);
    }
    std::string problem;
    if (!start_zygote(problem)) log_line(LogLevel::error, "worker", problem);
}

// ---- Workers ----

void Supervisor::take_control(Worker& worker) {
    rtw_control message;
    for (unsigned i = 0; i < kWordsPerTurn; ++i) {
        int32_t sender = 0;
        ssize_t size = receive_control(worker.channels.control.get(), message, sender);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (size <= 0) {  // It ends, or closed the socket; the zygote tells which.
            epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, worker.channels.control.get(), nullptr);
            if (!worker.exited && worker.phase_deadline == 0)
                worker.phase_deadline = now_ + from_milliseconds(1000);
            return;
        }
        if (size == static_cast<ssize_t>(sizeof message) && worker.role == WorkerRole::origin &&
            message.kind != RTW_READY) {
            take_origin_word(worker, message, sender);
            if (!worker.channels.control) return;
            continue;
        }
        if (size != static_cast<ssize_t>(sizeof message) || message.kind != RTW_READY) {
            kill_worker(worker, "sent an unknown message");
            return;
        }
        if (message.abi != RTW_ABI_VERSION) {
            kill_worker(worker,
                        fmt::format("was built for version {} of the worker interface, this "
                                    "gateway has {}",
                                    message.abi, RTW_ABI_VERSION));
            return;
        }
        // A second one would undo what was decided since the first: that it is to end, and until
        // when; what an origin is. Who was told to end while it started may still say its first.
        if (worker.was_ready) return kill_worker(worker, "was ready twice");
        if (worker.phase != WorkerPhase::starting) continue;
        if (worker.role == WorkerRole::origin && !(message.core & RTW_CAN_FORK)) {
            worker.role = WorkerRole::worker;
            worker.app->forks = false;
        }
        worker.phase_deadline = 0;
        worker_ready(worker, message.concurrency);
    }
}

void Supervisor::take_output(Worker& worker, Watch which) {
    bool error = which == Watch::err;
    Fd& fd = error ? worker.channels.err : worker.channels.out;
    OutputLines& lines = error ? worker.err : worker.out;
    auto say = [&](std::string_view line) { say_line(worker, which, line); };
    char buffer[4096];
    for (size_t taken = 0; fd && taken < kOutputPerTurn;) {
        ssize_t size = read(fd.get(), buffer, sizeof buffer);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return;
        if (size == 0) {
            lines.finish(say);
            fd.reset();
            return;
        }
        taken += static_cast<size_t>(size);
        lines.feed({buffer, static_cast<size_t>(size)}, say);
    }
}

void Supervisor::say_line(Worker& worker, Watch which, std::string_view line) {
    log_format(which == Watch::err ? LogLevel::warn : LogLevel::info, "app",
               "app={} worker={} pid={}: {}", worker.app->state.spec.name, worker.state.id,
               worker.state.pid, line);
}

// ---- Notices ----

void Supervisor::take_notices() {
    for (Notice* notice = board_.take_all(); notice;) {
        Notice* next = notice->next;  // From the exchange on it may be entered again.
        uint32_t bits = notice->bits.exchange(0, std::memory_order_acq_rel);
        switch (notice->kind) {
            case Notice::Kind::worker:
                take_worker_notice(*static_cast<Worker*>(notice->subject), bits);
                break;
            case Notice::Kind::app: {
                App& app = *static_cast<App*>(notice->subject);
                app.wants_more = true;
                app.evicted = 0;
                reconcile(app);
                break;
            }
            case Notice::Kind::core:
                take_core_notice(*static_cast<CoreSeat*>(notice->subject), bits);
                break;
        }
        notice = next;
    }
}

void Supervisor::take_worker_notice(Worker& worker, uint32_t bits) {
    if (!worker.used) return;
    if (bits & kWorkerReleased && worker.exited &&
        worker.state.released_by.load(std::memory_order_acquire) == worker.attached) {
        App& app = *worker.app;
        release_record(worker);
        reconcile(app);
        return;
    }
    if (bits & kWorkerRenewed && worker.exited && worker.origin &&
        worker.state.renewed_by.load(std::memory_order_acquire) == worker.renewals) {
        worker.vacant = true;
        return reconcile(*worker.app);
    }
    if (worker.exited) return;
    if (bits & kWorkerBare) {
        worker.bare_cores |= worker.state.bare_cores.exchange(0, std::memory_order_acquire);
        if (worker.phase == WorkerPhase::ready) (void)attach_all(worker);
    }
    if (bits & kWorkerBroken) return kill_worker(worker, "broke the protocol");
    if (bits & kWorkerHung) return kill_worker(worker, "did not answer and did not advance");
    if (bits & kWorkerStruck) doubt(worker);
    if (worker.role == WorkerRole::spare) {
        if (bits & kWorkerWornOut) spare_taken(worker);
        return;
    }
    bool ephemeral = worker.app->state.spec.ephemeral;
    if (bits & kWorkerWornOut && worker.phase == WorkerPhase::ready && !worker.worn_out) {
        worker.worn_out = worker.spent = true;
        if (ephemeral) begin_draining(worker, "served its request");
        reconcile(*worker.app);
    }
    bool empty = worker.state.places.load() == WorkerState::closed;
    if (empty && worker.phase == WorkerPhase::draining) terminate(worker);
}

void Supervisor::take_core_notice(CoreSeat& seat, uint32_t bits) {
    if (bits & kCoreJoined) {
        seat.member = seat.pool.load(std::memory_order_acquire);
        for (auto& worker : workers_) {
            if (!worker->used || worker->exited || worker->phase != WorkerPhase::ready) continue;
            if (worker->role == WorkerRole::worker) (void)attach_all(*worker);
            // Its seats know nothing of this core, and their processes cannot learn of it.
            if (worker->role == WorkerRole::origin) worker->worn_out = true;
        }
    }
    if (!(bits & kCoreLeft)) return;
    seat.leaving = true;
    let_cores_go();
}

// ---- Time ----

void Supervisor::tick() {
    for (size_t i = 0; i < workers_.size(); ++i)
        if (workers_[i]->used && !workers_[i]->exited) tick_worker(*workers_[i]);
    cgroups_.sweep();
    serve_wanting_apps();
    for (auto& app : apps_) {
        if (app->origin) tick_ephemeral(*app);
        reconcile(*app);
    }
}

// Room goes first to those whose requests wait, then to those that shall be warm.
void Supervisor::serve_wanting_apps() {
    for (auto& app : apps_)
        if (app->wants_more) reconcile(*app);
}

void Supervisor::tick_worker(Worker& worker) {
    const AppSpec& spec = worker.app->state.spec;
    if (worker.phase_deadline != 0 && now_ >= worker.phase_deadline) {
        bool starting = worker.phase == WorkerPhase::starting;
        worker.phase_deadline = 0;
        // Nobody has said yet which process it is.
        if (starting && worker.role == WorkerRole::spare)
            return kill_worker(*worker.origin, "a process it forked did not become ready in time");
        return kill_worker(worker,
                           starting ? "did not become ready in time" : "did not end when asked to");
    }
    // A stream or a tunnel may last for ever; what a deploy has replaced does not.
    if (worker.phase == WorkerPhase::draining && !worker.cut && worker.app->removed &&
        now_ >= worker.app->drained_by)
        cut_requests(worker);
    // Its request is answered: it ends by itself, or is helped.
    if (worker.role == WorkerRole::spare && worker.phase == WorkerPhase::draining &&
        worker.phase_deadline == 0 && worker.state.in_flight() == 0)
        worker.phase_deadline = now_ + from_milliseconds(kSpareEndMs);
    if (worker.phase != WorkerPhase::ready || worker.role != WorkerRole::worker) return;
    if (worker.unlinked && now_ >= worker.offer_again) (void)attach_all(worker);
    Nanoseconds used = worker.state.used_at.load(std::memory_order_relaxed);
    Nanoseconds idle = worker.state.in_flight() == 0 && now_ > used ? now_ - used : 0;
    bool above = worker.app->state.ready.load() > spec.workers;
    if (spec.ttl_ms && above && idle > from_milliseconds(spec.ttl_ms) &&
        worker.state.close_idle()) {
        worker.reason = "idle";
        return terminate(worker);
    }
    if (idle < from_milliseconds(spec.idle_timeout_ms)) {
        worker.idle_told = false;
    } else if (!worker.idle_told) {
        tell_idle(worker);
    }
}

void Supervisor::tell_idle(Worker& worker) {
    worker.idle_told = true;
    rtw_control message{};
    message.kind = RTW_IDLE;
    if (send(worker.channels.control.get(), &message, sizeof message,
             MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        // It is about to end; the zygote will say so.
    }
    for (unsigned core = 0; core < options_.cores; ++core)
        if (worker.attached_cores >> core & 1)
            post(core, {&CorePool::on_message_slim, seats_[core]->member,
                        reinterpret_cast<uint64_t>(&worker.state)});
}

uint32_t Supervisor::count(const App& app, WorkerPhase phase) const {
    return static_cast<uint32_t>(
        std::count_if(app.members.begin(), app.members.end(), [&](const Worker* worker) {
            return worker->phase == phase && !worker->worn_out;
        }));
}

// The least recently used idle worker of all apps makes room; busy ones never do.
Supervisor::Room Supervisor::make_room(const App& app) {
    if (room()) return Room::there;
    Worker* oldest = nullptr;
    for (auto& worker : workers_) {
        bool candidate = worker->used && !worker->exited && worker->phase == WorkerPhase::ready &&
                         worker->state.in_flight() == 0;
        // An idle one of the app that asks is about to get what waits.
        bool needed = worker->app == &app || (worker->role == WorkerRole::origin &&
                                              worker->app->state.ready.load() > 0);
        if (!candidate || needed) continue;
        if (!oldest || worker->state.used_at.load() < oldest->state.used_at.load())
            oldest = worker.get();
    }
    // One that made room a moment ago is still ending.
    bool ending = std::any_of(workers_.begin(), workers_.end(), [](const auto& worker) {
        return worker->used && !worker->exited && worker->phase == WorkerPhase::ending;
    });
    if (ending) return Room::comes;
    if (!oldest) return Room::none;
    bool origin = oldest->role == WorkerRole::origin;
    if (!origin && !oldest->state.close_idle()) return Room::none;
    ++counters_.retired;
    ++oldest->app->evicted;
    oldest->reason = "made room for another app";
    if (origin) {
        retire_origin(*oldest, oldest->reason);
    } else {
        terminate(*oldest);
    }
    return Room::comes;
}

// What a reload brings has to show that it starts: an idle one of another app makes room for it.
// Where all are busy it starts when it is asked for, as where the pool is too small from the start.
void Supervisor::prove(App& app) {
    bool unproven = app.state.unproven.load() != 0 && app.state.hopeless.load() == 0;
    if (started_ && unproven && make_room(app) == Room::none) app.state.unproven.store(0);
}

// Brings an app towards what it should have. Called whenever something changed, and each tick.
void Supervisor::reconcile(App& app) {
    if (stopping_ || !zygote_.running() || now_ < app.next_start) return;
    const AppSpec& spec = app.state.spec;
    if (spec.ephemeral && app.forks) return reconcile_ephemeral(app);
    uint32_t starting = count(app, WorkerPhase::starting);
    uint32_t live = starting + count(app, WorkerPhase::ready);
    uint32_t most =
        std::min(spec.workers_max ? spec.workers_max : options_.pool_size, options_.pool_size);
    uint32_t warm = app.removed ? 0 : spec.workers - std::min(spec.workers, app.evicted);
    while (live < std::min(warm, most) && room()) {
        // A failing app is tried with one at a time.
        if ((app.failures > 0 && starting > 0) || !start_worker(app)) break;
        ++live;
        ++starting;
    }
    if (live == 0 && warm > 0) prove(app);
    bool replaced = count(app, WorkerPhase::ready) >= std::max(1U, std::min(warm, most));
    // Without room for a replacement, and none that an end is about to make.
    bool ends = std::any_of(app.members.begin(), app.members.end(), [](const Worker* worker) {
        return worker->phase == WorkerPhase::ending;
    });
    bool stuck = !room() && starting == 0 && !ends;
    if (replaced || stuck) drain_worn_out(app);
    bool waiting = app.state.waiting_cores.load() != 0 || app.state.hopeless.load() != 0;
    bool more = app.wants_more && waiting && starting == 0 && live < most;
    app.wants_more = more && !room();
    if (more && make_room(app) == Room::there) {
        app.wants_more = false;
        start_worker(app);
    }
}

// Where there are enough others, or no room for a replacement, the worn-out instance goes first.
void Supervisor::drain_worn_out(App& app) {
    for (Worker* worker : app.members) {
        if (!worker->worn_out || worker->phase != WorkerPhase::ready) continue;
        ++counters_.recycled;
        return begin_draining(*worker, "worn out");
    }
}

void Supervisor::stop(Milliseconds grace) {
    stopping_ = true;
    now_ = monotonic_now();
    for (size_t i = 0; i < workers_.size(); ++i) {
        Worker& worker = *workers_[i];
        if (worker.used && !worker.exited && worker.phase != WorkerPhase::ending) terminate(worker);
    }
    Nanoseconds deadline = now_ + from_milliseconds(grace);
    while (zygote_.running() && alive_ > 0 && now_ < deadline) poll_once(5);
    zygote_.stop();
    for (size_t i = 0; i < workers_.size(); ++i) {
        Worker& worker = *workers_[i];
        if (!worker.used || worker.exited) continue;
        worker.expected_end = true;
        if (worker.role == WorkerRole::spare) {
            spare_ended(worker, SIGKILL);
        } else {
            worker_ended(worker, SIGKILL);
        }
    }
    flush_outboxes();
}

}  // namespace ringtime::worker
