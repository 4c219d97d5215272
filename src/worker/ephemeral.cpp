// Ephemeral apps: one process, the origin, in which all is loaded and warm, forks a spare for every
// request (worker_sdk/template.c). A spare is a record like any other worker's; when its process
// has ended and its core is done with the bytes, the seat takes the next process, with the same
// regions.
#include <csignal>
#include <cstring>

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "worker/core_pool.h"
#include "worker/supervisor.h"

namespace ringtime::worker {
namespace {

// Spares asked for in the rush are let go of this long after it.
constexpr Nanoseconds kCalmAfter = 5 * kNanosecondsPerSecond;

}  // namespace

// ---- Origins ----

void Supervisor::origin_ready(Worker& origin) {
    App& app = *origin.app;
    if (app.removed) return retire_origin(origin, "its app was removed");
    // The one before it forks until the first spare of this one is there.
    app.origin = &origin;
    app.spares_wanted = std::max(app.spares_wanted, std::max(1U, app.state.spec.workers));
    set_hopeless(app, false);
    reconcile(app);
}

void Supervisor::retire_origin(Worker& origin, std::string_view why) {
    App& app = *origin.app;
    origin.phase = WorkerPhase::draining;
    origin.reason = why;
    if (app.origin == &origin) app.origin = nullptr;
    for (Worker* spare : app.members)
        if (spare->origin == &origin && (spare->phase == WorkerPhase::starting ||
                                         (spare->phase == WorkerPhase::ready &&
                                          spare->state.close_idle())))
            end_spare(*spare);
    end_origin_without_spares(origin);
}

void Supervisor::end_origin_without_spares(Worker& origin) {
    if (origin.phase != WorkerPhase::draining) return;
    bool any = std::any_of(origin.app->members.begin(), origin.app->members.end(),
                           [&](const Worker* spare) {
                               return spare->origin == &origin && !spare->exited;
                           });
    if (!any) terminate(origin);
}

// Its process group ended with it.
void Supervisor::origin_ended(Worker& origin) {
    App& app = *origin.app;
    if (app.origin == &origin) app.origin = nullptr;
    for (Worker* spare : std::vector<Worker*>(app.members)) {
        if (spare->origin != &origin) continue;
        if (!spare->exited) spare_ended(*spare, SIGKILL);
        give_seat_up(*spare);
    }
}

void Supervisor::give_seat_up(Worker& spare) {
    spare.origin = nullptr;
    spare.vacant = false;
    lose_links(spare);
    if (spare.attached == 0) release_record(spare);
}

// ---- Seats ----

Supervisor::Worker* Supervisor::vacant_seat(const App& app) const {
    for (Worker* worker : app.members)
        if (worker->vacant && worker->origin == app.origin) return worker;
    return nullptr;
}

Supervisor::Worker* Supervisor::spare_of(const Worker& origin, uint32_t seat) const {
    for (Worker* worker : origin.app->members)
        if (worker->origin == &origin && worker->seat == seat) return worker;
    return nullptr;
}

Supervisor::Worker* Supervisor::make_seat(App& app) {
    Worker& origin = *app.origin;
    if (origin.seats == RTW_SEATS_MAX) return nullptr;
    Fd doorbell(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!doorbell) return nullptr;
    Worker& spare = take_record();
    spare.channels.doorbell = std::move(doorbell);
    enlist(spare, app, WorkerRole::spare);
    spare.origin = &origin;
    spare.seat = origin.seats++;
    spare.state.concurrency = 1;
    spare.state.places.store(WorkerState::closed);
    spare.phase = WorkerPhase::dead;
    return &spare;
}

bool Supervisor::ask_to_fork(const Worker& spare) {
    rtw_control message{};
    message.kind = RTW_FORK;
    message.abi = spare.seat;
    message.region_bytes = RTW_ARENA_OFFSET + uint64_t{options_.arena_bytes};
    message.spin_ns = spare.attached_cores;
    int fds[3 * limits::cores_max + 1];
    size_t count = 0;
    fds[count++] = spare.state.doorbell;
    for (const Fd& fd : spare.memory)
        if (fd) fds[count++] = fd.get();
    return send_control(spare.origin->channels.control.get(), message, {fds, count});
}

bool Supervisor::fork_spare(App& app) {
    Worker* spare = vacant_seat(app);
    if (!spare) spare = make_seat(app);
    if (!spare) return false;
    if (!attach_all(*spare)) {
        spare->vacant = true;  // The next tick tries again.
        return false;
    }
    if (!ask_to_fork(*spare)) {
        spare->vacant = true;  // It reads no faster: the next tick tries again.
        return false;
    }
    begin_process(*spare);
    ++counters_.forked;
    return true;
}

// ---- Spares ----

void Supervisor::take_origin_word(Worker& origin, const rtw_control& message, int32_t sender) {
    Worker* spare = spare_of(origin, message.abi);
    if (!spare || spare->exited) return;
    if (message.kind == RTW_FORKED) return spare_forked(*spare, sender);
    // A process cannot declare another one of its kind dead, or the seat would have two.
    if (message.kind == RTW_ENDED && sender == origin.state.pid)
        return spare_ended(*spare, static_cast<int>(message.region_bytes));
    kill_worker(origin, "sent an unknown message");
}

void Supervisor::spare_forked(Worker& spare, int32_t pid) {
    bool starting = spare.phase == WorkerPhase::starting;
    if (!starting && !(spare.phase == WorkerPhase::ending && !spare.pidfd)) return;
    Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    // The number is the kernel's word; that it is still the origin's child is looked up behind the
    // descriptor, so that no other process can stand in its place.
    // If not, it has ended, which is reported too.
    if (!pidfd || getsid(pid) != spare.origin->state.pid) return;
    spare.pidfd = std::move(pidfd);
    spare.state.pid = pid;
    if (!starting) return end_spare(spare);
    App& app = *spare.app;
    spare.phase = WorkerPhase::ready;
    spare.phase_deadline = 0;
    spare.was_ready = true;
    app.failures = app.start_failures = 0;
    set_hopeless(app, false);
    app.state.unproven.store(0);
    app.state.ready.fetch_add(1);
    spare.state.used_at.store(now_);
    spare.state.places.store(0);
    uint64_t waiting = app.state.waiting_cores.load();
    for (unsigned core = 0; core < options_.cores; ++core)
        if (waiting >> core & 1)
            post(core, {&CorePool::on_message_serve, seats_[core]->member, app.state.index});
    if (listener_) listener_->worker_spawned(view(spare));
    for (Worker* other : app.members) {
        bool former = other->role == WorkerRole::origin && other != spare.origin;
        if (!former || other->phase != WorkerPhase::ready || app.origin != spare.origin) continue;
        ++counters_.recycled;
        return retire_origin(*other, "replaced");
    }
}

void Supervisor::spare_taken(Worker& spare) {
    if (spare.phase != WorkerPhase::ready) return;
    forget_ready(spare);
    spare.phase = WorkerPhase::draining;
    reconcile(*spare.app);
}

void Supervisor::end_spare(Worker& spare) {
    forget_ready(spare);
    spare.state.close();
    spare.phase = WorkerPhase::ending;
    spare.expected_end = true;
    spare.phase_deadline = 0;
    if (spare.pidfd) syscall(SYS_pidfd_send_signal, spare.pidfd.get(), SIGKILL, nullptr, 0);
}

void Supervisor::spare_ended(Worker& spare, int status) {
    if (spare.exited) return;
    App& app = *spare.app;
    forget_ready(spare);
    spare.exited = true;
    --alive_;
    spare.phase = WorkerPhase::dead;
    spare.wait_status = status;
    spare.pidfd.reset();
    bool inside = spare.state.close() > 0;
    uint32_t user = spare.state.user.load();
    bool taken = inside || user != WorkerState::nobody;
    if (!spare.was_ready) {
        note_spare_failure(spare, status);
    } else if (!spare.expected_end && (status != 0 || !taken)) {
        note_spare_failure(spare, status);
    }
    if (listener_ && spare.was_ready) listener_->worker_terminated(view(spare), {});
    // The core that took it has bytes of it; who is about to take it has not said so yet.
    spare.renewals = 0;
    for (unsigned core = 0; taken && core < options_.cores; ++core) {
        bool concerned = user == WorkerState::nobody || user == core;
        if (!concerned || !(spare.attached_cores >> core & 1)) continue;
        ++spare.renewals;
        post(core, {&CorePool::on_message_renew, seats_[core]->member,
                    reinterpret_cast<uint64_t>(&spare.state)});
    }
    spare.vacant = spare.renewals == 0;
    if (spare.origin) end_origin_without_spares(*spare.origin);
    reconcile(app);
}

void Supervisor::note_spare_failure(Worker& spare, int status) {
    App& app = *spare.app;
    if (spare.expected_end || stopping_) return;
    // Of those that could not be forked together one speaks for all.
    if (!spare.was_ready && now_ < app.next_start) return;
    std::string cause = describe_end(status);
    ++counters_.crashed;
    take_output(*spare.origin, Watch::err);
    log_format(LogLevel::error, "worker", "app={} worker={} pid={} {}{}{}", app.state.spec.name,
               spare.state.id, spare.state.pid, spare.reason.empty() ? "" : spare.reason + "; ",
               cause, spare.origin->err.last_words());
    if (spare.was_ready) return;
    (void)delay_next_start(app, spare);
    ++app.start_failures;
    ++counters_.start_failures;
    if (app.start_failures >= kHopelessAfter && app.state.ready.load() == 0)
        set_hopeless(app, true);
}

// ---- How many ----

// A request that finds no spare asks for one more to be kept; calm lets go of them again.
void Supervisor::reconcile_ephemeral(App& app) {
    const AppSpec& spec = app.state.spec;
    bool waiting = app.state.waiting_cores.load() != 0 || app.state.hopeless.load() != 0;
    bool asked = std::exchange(app.wants_more, false) && waiting;
    // More than twice those at work are of no use where forking cannot keep up, and the memory of
    // every seat makes the next fork slower.
    uint32_t at_work = 0;
    for (const Worker* worker : app.members) at_work += worker->state.in_flight() > 0 ? 1 : 0;
    uint32_t useful = std::min(options_.ephemeral_max, 2 + 2 * at_work);
    if (asked && app.spares_wanted < useful) {
        app.spares_wanted += 1 + app.spares_wanted / 4;
        app.spares_changed = now_;
    }
    uint32_t warm = app.removed ? 0 : std::max({1U, spec.workers, app.spares_wanted});
    warm -= std::min(warm, app.evicted);
    bool worn_out = app.origin && app.origin->worn_out;
    if ((!app.origin || worn_out) && (warm > 0 || asked)) {
        if (count(app, WorkerPhase::starting) > 0 && !app.origin) return;
        bool begun = std::any_of(app.members.begin(), app.members.end(), [](const Worker* worker) {
            return worker->role == WorkerRole::origin && worker->phase == WorkerPhase::starting;
        });
        if (!begun && (room() || (asked && make_room(app) == Room::there))) (void)start_worker(app);
        app.wants_more = asked && !begun && !room();
        if (!begun && warm > 0) prove(app);
    }
    if (!app.origin) return;
    uint32_t live = 0;
    uint32_t idle = 0;
    for (const Worker* worker : app.members) {
        if (worker->exited || worker->role != WorkerRole::spare) continue;
        ++live;
        // Those of the origin before this one end with the first of this one's.
        idle += worker->origin == app.origin && (worker->phase == WorkerPhase::starting ||
                                                 worker->phase == WorkerPhase::ready);
    }
    // Those at work and those kept for the next: how many may be at work is the gate's to say.
    uint32_t most = std::min(options_.ephemeral_max + warm, RTW_SEATS_MAX);
    // Beside many that are still ending, one is enough.
    uint32_t enough = std::min(most, warm + 2 * useful);
    while (idle < warm && live < (idle == 0 ? most : enough)) {
        if (!room() && !(asked && idle == 0 && make_room(app) == Room::there)) break;
        if (!fork_spare(app)) break;
        ++live;
        ++idle;
    }
    app.wants_more = app.wants_more || (waiting && idle == 0);
}

void Supervisor::tick_ephemeral(App& app) {
    if (now_ - app.spares_changed < kCalmAfter) return;
    uint32_t kept = std::max(1U, app.state.spec.workers);
    if (app.spares_wanted <= kept) return;
    app.spares_changed = now_;
    app.spares_wanted = std::max(kept, app.spares_wanted / 2);
    uint32_t above = app.state.ready.load();
    above -= std::min(above, app.spares_wanted);
    for (Worker* worker : app.members) {
        if (above == 0) return;
        if (worker->role != WorkerRole::spare || worker->exited ||
            worker->phase != WorkerPhase::ready || !worker->state.close_idle())
            continue;
        end_spare(*worker);
        --above;
    }
}

}  // namespace ringtime::worker
