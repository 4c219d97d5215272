#pragma once
// Owns the worker processes: how many there are, which state each is in, when one is started,
// replaced or ended. Lives on the main thread, beside the cores: it is asked through notices and
// answers through the cores' mailboxes, and no request ever waits for it.
//
//   Supervisor supervisor(options);
//   supervisor.start(apps, problem);      // before listening
//   supervisor.wait_ready(deadline);
//   ... cores make their CorePool; the main thread calls poll_once() in its loop ...
//   each core: pool.close(), turns until pool.closed(), while poll_once() goes on
//   supervisor.stop(grace);
//
// A worker: starting -> ready -> draining -> ending -> dead (until every core has let go of it).
// "Busy" and "idle" are ready with and without requests.

#include <atomic>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/counter.h"
#include "loop/mailbox.h"
#include "worker/cgroup.h"
#include "worker/process.h"
#include "worker/region.h"
#include "worker/shared.h"
#include "worker/spec.h"

namespace ringtime::worker {

class CorePool;

/// A worker's rings on their way to a core.
struct LinkOffer {
    CorePool* pool = nullptr;
    WorkerState* worker = nullptr;
    RegionPair region;
};

enum class WorkerPhase : uint8_t { starting, ready, draining, ending, dead };
[[nodiscard]] std::string_view phase_name(WorkerPhase phase) noexcept;

/// What a process is for. An ephemeral app has one origin, in which everything is loaded and which
/// answers nothing itself: it forks a spare for every request.
enum class WorkerRole : uint8_t { worker, origin, spare };
[[nodiscard]] std::string_view role_name(WorkerRole role) noexcept;

/// For operators and plugins.
struct WorkerView {
    uint32_t id = 0;
    int32_t pid = 0;
    uint32_t app_index = 0;
    std::string_view app;
    WorkerRole role = WorkerRole::worker;
    WorkerPhase phase = WorkerPhase::starting;
    uint32_t in_flight = 0;
    uint32_t requests = 0;
    Nanoseconds age = 0;
    int wait_status = 0;     ///< As of wait(2), when it has ended.
    uint64_t rss_bytes = 0;  ///< Only where it says so.
};

/// Counted on the main thread, read by any.
struct SupervisorCounters {
    Counter started;
    Counter ready;
    Counter crashed;  ///< Ended without being asked to.
    Counter killed;
    Counter start_failures;
    Counter recycled;
    Counter retired;  ///< Idle ones that made room.
    Counter forked;   ///< Spares of ephemeral apps; not in `started`.
};

class Supervisor {
  public:
    explicit Supervisor(SupervisorOptions options);
    Supervisor(const Supervisor&) = delete;
    Supervisor& operator=(const Supervisor&) = delete;
    ~Supervisor();

    /// Starts the zygote and the warm workers. False: `problem` names the cause and the remedy.
    [[nodiscard]] bool start(std::vector<AppSpec> apps, std::string& problem);
    /// For a new configuration, while cores run: the index is valid at once, its workers come.
    [[nodiscard]] uint32_t add(AppSpec spec);
    /// Instead of a number, when there are as many apps as the table has room for.
    static constexpr uint32_t no_app = UINT32_MAX;
    /// When no request can reach the app any more: its workers drain, and end at `deadline` (of
    /// monotonic_now()) together with the streams and tunnels they still have.
    void remove(uint32_t app, Nanoseconds deadline);
    /// Polls until every app has its first instances or `deadline` (of monotonic_now()) is over.
    /// True when all are ready.
    bool wait_ready(Nanoseconds deadline);
    /// Readable when poll_once() has something to do; it also wants to be called every 100 ms.
    [[nodiscard]] int fd() const noexcept { return epoll_.get(); }
    void poll_once(int timeout_ms);
    /// Ends all workers: asks, waits for `grace`, kills. Cores may still turn, or have closed their
    /// pools.
    void stop(Milliseconds grace);

    /// An instance takes requests, or the app has shown that it can start one when asked to.
    [[nodiscard]] bool ready(uint32_t app) const noexcept {
        const AppState& state = apps_[app]->state;
        return state.ready.load(std::memory_order_relaxed) > 0 ||
               state.unproven.load(std::memory_order_relaxed) == 0;
    }
    /// Its starts fail in a row; any thread.
    [[nodiscard]] bool hopeless(uint32_t app) const noexcept {
        return apps_[app]->state.hopeless.load(std::memory_order_relaxed) != 0;
    }
    /// Instances of an app that take requests; any thread.
    [[nodiscard]] uint32_t ready_count(uint32_t app) const noexcept {
        return apps_[app]->state.ready.load(std::memory_order_relaxed);
    }
    /// All processes, with the memory each has resident (one read of /proc for each).
    [[nodiscard]] std::vector<WorkerView> workers() const;
    /// Why the app's last start failed; empty when none did.
    [[nodiscard]] const std::string& problem_of(uint32_t app) const { return apps_[app]->problem; }
    /// Replaces the instance without losing a request. False: no such worker is ready.
    bool restart(uint32_t worker);
    /// It gets no more requests and ends with its last one; the app then has as many as its
    /// manifest keeps warm. False: no such worker is ready.
    bool drain(uint32_t worker);
    [[nodiscard]] const SupervisorCounters& counters() const noexcept { return counters_; }
    /// Last words and reasons are told here too; null: nobody. For on_worker_spawn and the like.
    struct Listener {
        virtual void worker_spawned(const WorkerView& worker) = 0;
        virtual void worker_terminated(const WorkerView& worker, std::string_view reason) = 0;

      protected:
        ~Listener() = default;
    };
    void set_listener(Listener* listener) noexcept { listener_ = listener; }

    // For cores; any thread. The table of apps never moves, so an index that was handed on is safe
    // to use.
    [[nodiscard]] AppState& app(uint32_t index) noexcept { return apps_[index]->state; }
    [[nodiscard]] uint32_t app_count() const noexcept {
        return static_cast<uint32_t>(apps_.size());
    }
    [[nodiscard]] unsigned cores() const noexcept { return options_.cores; }
    [[nodiscard]] Gate& gate() noexcept { return gate_; }
    [[nodiscard]] const SupervisorOptions& options() const noexcept { return options_; }
    [[nodiscard]] CorePool* pool_of(unsigned core) noexcept {
        return seats_[core]->pool.load(std::memory_order_acquire);
    }
    [[nodiscard]] NoticeBoard& board() noexcept { return board_; }
    void join(CorePool& pool) noexcept;
    void leave(CorePool& pool) noexcept;
    [[nodiscard]] bool released(unsigned core) const noexcept {
        return seats_[core]->released.load(std::memory_order_acquire);
    }

  private:
    struct Worker;
    struct AppCourse {
        Worker* origin = nullptr;      ///< Of an ephemeral app: forks its spares.
        bool forks = true;             ///< False: an ephemeral app whose process cannot.
        uint32_t spares_wanted = 0;
        Nanoseconds spares_changed = 0;
        uint32_t failures = 0;        ///< Ends that nobody asked for, in a row.
        uint32_t start_failures = 0;  ///< Of those, before ready.
        Nanoseconds next_start = 0;
        uint32_t evicted = 0;  ///< Warm instances that made room and wait to be asked for again.
        bool wants_more = false;
        bool removed = false;
        Nanoseconds drained_by = 0;  ///< Of a removed one.
        std::string problem;   ///< Why nothing could be started for it, or its last start failed.
        bool settled = false;  ///< First instances are ready or have failed.
    };
    struct App : AppCourse {
        AppState state;
        std::vector<Worker*> members;  ///< Its records, of processes and of empty seats.
    };
    struct Worker {
        WorkerState state;
        App* app = nullptr;
        WorkerPhase phase = WorkerPhase::dead;
        bool used = false;      ///< This record belongs to a process.
        bool worn_out = false;  ///< To be replaced; ends when its replacement is ready.
        bool spent = false;     ///< For having served as many as one may: nothing to tell anybody.
        bool doubted = false;   ///< It may have lost a request: its end is not waited for.
        bool expected_end = false;
        bool idle_told = false;
        bool cut = false;  ///< What it still had when its drain time was over.
        bool was_ready = false;
        bool exited = false;    ///< Or an empty seat.
        bool unlinked = false;  ///< A core has no link to it, for lack of descriptors or memory.
        Nanoseconds offer_again = 0;  ///< It did not take a link: not before this.
        WorkerRole role = WorkerRole::worker;
        Worker* origin = nullptr;     ///< Of a spare.
        uint32_t seat = 0;            ///< Of a spare, at its origin.
        uint32_t seats = 0;           ///< Of an origin: how many it was given.
        bool vacant = false;          ///< A seat that waits for its next process.
        uint32_t renewals = 0;        ///< Cores that have to renew their link before that.
        int wait_status = 0;
        uint32_t attached = 0;  ///< Links to it that cores were given; each is released once.
        uint64_t attached_cores = 0;
        uint64_t bare_cores = 0;  ///< Of those: where it is to get other memory.
        std::vector<Fd> memory;  ///< Of a spare: what FORK passes on, three for each core.
        Nanoseconds started_at = 0;
        Nanoseconds phase_deadline = 0;
        std::string reason;  ///< Why we ended it.
        Cgroup cgroup;
        ProcessChannels channels;
        Fd pidfd;
        OutputLines out;
        OutputLines err;
    };
    struct CoreSeat {
        Notice notice;
        std::atomic<CorePool*> pool{nullptr};
        CorePool* member = nullptr;  ///< As the supervisor knows it.
        bool leaving = false;
        std::atomic<bool> released{false};  ///< Nobody here touches the core's reactor any more.
        std::deque<std::pair<CorePool*, loop::Message>> outbox;
    };
    enum class Watch : uint32_t { zygote, board, control, out, err };
    static constexpr uint32_t kHopelessAfter = 5;  ///< Failed starts in a row.

    // supervisor.cpp: processes
    [[nodiscard]] App* vacant_app();
    [[nodiscard]] bool start_zygote(std::string& problem);
    bool start_worker(App& app);
    Worker& take_record();
    void enlist(Worker& worker, App& app, WorkerRole role);
    void begin_process(Worker& worker);
    void lose_links(Worker& worker);
    void worker_spawned(Worker& worker, const ZygoteReport& report, Fd pidfd);
    void worker_ready(Worker& worker, uint32_t concurrency);
    void worker_ended(Worker& worker, int status);
    void release_record(Worker& worker);
    void begin_draining(Worker& worker, std::string_view why);
    void cut_requests(Worker& worker);
    void terminate(Worker& worker);
    void kill_worker(Worker& worker, std::string_view why);
    void note_failure(App& app, Worker& worker, const std::string& cause);
    [[nodiscard]] Cgroup limit(const AppSpec& spec, uint32_t worker);
    Milliseconds delay_next_start(App& app, const Worker& worker);
    void doubt(Worker& worker);
    // tidy: allow(bool-parameter) the state to be set
    void set_hopeless(App& app, bool hopeless);
    // supervisor_events.cpp: what arrives, and time
    /// False: errno says why.
    [[nodiscard]] bool watch(int fd, Watch what, uint32_t worker);
    void handle(uint64_t what);
    void take_zygote_reports();
    void zygote_died();
    void take_control(Worker& worker);
    void take_output(Worker& worker, Watch which);
    void say_line(Worker& worker, Watch which, std::string_view line);
    void take_notices();
    void take_worker_notice(Worker& worker, uint32_t bits);
    void take_core_notice(CoreSeat& seat, uint32_t bits);
    void tick();
    void tick_worker(Worker& worker);
    void tell_idle(Worker& worker);
    void reconcile(App& app);
    void serve_wanting_apps();
    void drain_worn_out(App& app);
    enum class Room { there, comes, none };
    [[nodiscard]] Room make_room(const App& app);
    void prove(App& app);
    [[nodiscard]] bool room() const noexcept { return alive_ < options_.pool_size; }
    [[nodiscard]] uint32_t count(const App& app, WorkerPhase phase) const;
    // ephemeral.cpp: origins and their spares
    void reconcile_ephemeral(App& app);
    void origin_ready(Worker& origin);
    void origin_ended(Worker& origin);
    void retire_origin(Worker& origin, std::string_view why);
    void end_origin_without_spares(Worker& origin);
    void tick_ephemeral(App& app);
    [[nodiscard]] bool fork_spare(App& app);
    [[nodiscard]] bool ask_to_fork(const Worker& spare);
    [[nodiscard]] Worker* vacant_seat(const App& app) const;
    [[nodiscard]] Worker* make_seat(App& app);
    [[nodiscard]] Worker* spare_of(const Worker& origin, uint32_t seat) const;
    void take_origin_word(Worker& origin, const rtw_control& message, int32_t sender);
    void spare_forked(Worker& spare, int32_t pid);
    void spare_taken(Worker& spare);
    void spare_ended(Worker& spare, int status);
    void note_spare_failure(Worker& spare, int status);
    void end_spare(Worker& spare);
    void give_seat_up(Worker& spare);
    // supervisor_cores.cpp
    bool attach(Worker& worker, unsigned core);
    /// Never waits; false: not now, or the process is gone.
    [[nodiscard]] static bool send_control(int socket, const rtw_control& control,
                                           std::span<const int> fds);
    [[nodiscard]] bool attach_all(Worker& worker);
    void tell_shortage(const AppSpec& spec, std::string_view what, int error);
    void forget_ready(Worker& worker) noexcept;
    void let_cores_go();
    void post(unsigned core, const loop::Message& message);
    void flush_outboxes();
    [[nodiscard]] WorkerView view(const Worker& worker) const;

    SupervisorOptions options_;
    int shortage_ = 0;  ///< Why nothing can be watched: an errno, told by start(). 0: it can.
    Fd epoll_;
    NoticeBoard board_;
    ZygoteClient zygote_;
    std::vector<std::unique_ptr<App>> apps_;
    std::vector<std::unique_ptr<Worker>> workers_;
    std::vector<std::unique_ptr<CoreSeat>> seats_;
    SupervisorCounters counters_;
    Gate gate_;
    uint32_t alive_ = 0;    ///< Processes.
    uint32_t removed_ = 0;  ///< Apps whose number nobody has taken over yet.
    Listener* listener_ = nullptr;
    Nanoseconds now_ = 0;
    Nanoseconds last_tick_ = 0;
    Nanoseconds shortage_told_ = 0;
    bool stopping_ = false;
    bool started_ = false;  ///< What is added from here on came by a reload.
    bool landlock_told_ = false;
    Cgroups cgroups_;
    bool cgroups_tried_ = false;
};

}  // namespace ringtime::worker
