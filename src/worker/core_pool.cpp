#include "worker/core_pool.h"

#include <algorithm>
#include <utility>

#include "worker/heads.h"
#include "worker/supervisor.h"

namespace ringtime::worker {

CorePool::CorePool(loop::Reactor& reactor, Supervisor& supervisor)
    : reactor_(reactor),
      supervisor_(supervisor),
      answers_(limits::exchanges_per_core),
      chunks_(chunks_per_core, 256),
      head_blocks_(RTW_RESPONSE_HEAD_BYTES_MAX, limits::exchanges_per_core, 4) {
    reactor_.add_poller(*this);
    supervisor_.join(*this);
}

CorePool::~CorePool() {
    ASSERT(closed());
    unlink();
    reactor_.disarm(leave_timer_);
    for (auto& queue : queues_) {
        if (queue) reactor_.disarm(queue->growth_timer);
    }
}

void CorePool::close() noexcept { supervisor_.leave(*this); }

// The message that says so is seen before its sender has finished ringing: the reactor must outlive
// that.
bool CorePool::closed() const noexcept {
    return left_ && links_.empty() && supervisor_.released(reactor_.core());
}

http::BodySource& CorePool::Overload::body() noexcept {
    struct Nothing final : http::BodySource {
        http::Pull pull(Piece&, uint32_t) noexcept override { return http::Pull::failed; }
        uint64_t length() const noexcept override { return unknown_length; }
        Error error() const noexcept override {
            return {.reason = Reason::overload, .source = Source::gateway};
        }
    };
    static Nothing source;
    return source;
}

// ---- Dispatch ----

CorePool::Queue& CorePool::queue_of(uint32_t app) noexcept {
    if (queues_.size() <= app) queues_.resize(app + 1);
    if (!queues_[app]) {
        queues_[app] = std::make_unique<Queue>();
        Queue& queue = *queues_[app];
        queue.app = &supervisor_.app(app);
        queue.pool = this;
        queue.at_gate.queue = &queue;
        queue.growth_timer.owner = &queue;
        queue.growth_timer.on_expire = &on_growth;
    }
    return *queues_[app];
}

http::Answer* CorePool::dispatch(const WorkerRequest& request, loop::Runnable& waker) noexcept {
    WorkerAnswer* answer = answers_.create(*this, request, waker);
    if (!answer) return &overload_;
    ++counters_.dispatched;
    Queue& queue = queue_of(request.app);
    if (queue.app->hopeless.load(std::memory_order_relaxed) != 0) {
        if (queue.app->spec.workers == 0) ask_for_more(queue);  // Nobody else tries again.
        answer->fail(Reason::worker_start, Source::worker);
    } else if (request_head_bytes(request) > RTW_BLOCK_BYTES) {
        answer->fail(Reason::head_too_large, Source::client);
    } else if (queue.count > 0 || !hand_over(queue, *answer)) {
        if (queue.count >= queue.app->spec.queue_max) {
            answer->fail(Reason::queue_full, Source::gateway);
        } else {
            wait_in_queue(queue, *answer);
        }
    }
    return answer;
}

// The instance with the fewest requests; of two equal ones the first, so that those nobody needs
// stay idle and can be retired. Choosing among a few taken at random would keep all of them in use.
// The search is short where some are idle, and where none is, requests wait for a place that comes
// free: then that one is tried first.
Link* CorePool::pick(Queue& queue) noexcept {
    if (Link* freed = std::exchange(queue.freed, nullptr)) {
        WorkerState& worker = freed->worker();
        if (worker.is_open() && worker.in_flight() < freed->places() && freed->usable())
            return freed;
    }
    Link* best = nullptr;
    uint32_t fewest = UINT32_MAX;
    for (Link* link : queue.links) {
        WorkerState& worker = link->worker();
        if (!worker.is_open()) continue;
        uint32_t in_flight = worker.in_flight();
        if (in_flight < fewest && in_flight < link->places() && link->usable()) {
            best = link;
            fewest = in_flight;
            if (fewest == 0) break;
        }
    }
    return best;
}

Link* CorePool::link_to(Queue& queue, const WorkerState& worker) noexcept {
    for (Link* link : queue.links)
        if (&link->worker() == &worker) return link;
    return nullptr;
}

bool CorePool::hand_over(Queue& queue, WorkerAnswer& answer) noexcept {
    const AppSpec& spec = queue.app->spec;
    Link* link = pick(queue);
    if (!link || (spec.ephemeral && !enter_gate(queue))) return false;
    for (; link; link = pick(queue)) {
        WorkerState& worker = link->worker();
        if (!worker.take_place(link->places())) continue;  // Another core was quicker.
        if (link->hand_over(answer, spec.timeout_ms)) {
            note_taken(spec, worker);
            return true;
        }
        if (worker.give_place()) tell(worker, kWorkerDrained);
        break;
    }
    if (spec.ephemeral) supervisor_.gate().leave();
    return false;
}

void CorePool::note_taken(const AppSpec& spec, WorkerState& worker) noexcept {
    worker.used_at.store(reactor_.now(), std::memory_order_relaxed);
    uint32_t handed = worker.handed.fetch_add(1, std::memory_order_relaxed) + 1;
    if (spec.ephemeral) {
        worker.user.store(reactor_.core(), std::memory_order_relaxed);
        worker.close();
        tell(worker, kWorkerWornOut);
    } else if (spec.requests_max && handed == spec.requests_max) {
        tell(worker, kWorkerWornOut);
    }
}

// ---- Queues ----

void CorePool::mark_waiting(Queue& queue, bool waiting) noexcept {
    uint64_t bit = uint64_t{1} << reactor_.core();
    if (waiting) {
        queue.app->waiting_cores.fetch_or(bit, std::memory_order_seq_cst);
    } else {
        queue.app->waiting_cores.fetch_and(~bit, std::memory_order_seq_cst);
    }
}

void CorePool::wait_in_queue(Queue& queue, WorkerAnswer& answer) noexcept {
    Nanoseconds now = reactor_.now();
    Nanoseconds deadline = now + from_milliseconds(queue.app->spec.queue_timeout_ms);
    if (answer.request().deadline) deadline = std::min(deadline, answer.request().deadline);
    ++counters_.queued;
    queue.waiting.push_back(answer);
    answer.enqueue(now, deadline);
    if (queue.count++ > 0) return;
    mark_waiting(queue, true);
    bool none = queue.app->ready.load(std::memory_order_relaxed) == 0;
    if (!queue.at_gate.linked() && (none || queue.app->spec.ephemeral)) ask_for_more(queue);
    if (!queue.growth_timer.armed()) reactor_.arm(queue.growth_timer, now + growth_after);
    serve(queue);  // A place given back before the mark was seen by nobody.
}

void CorePool::queue_again(WorkerAnswer& answer) noexcept {
    Queue& queue = queue_of(answer.request().app);
    Nanoseconds deadline = reactor_.now() + from_milliseconds(queue.app->spec.queue_timeout_ms);
    queue.waiting.push_front(answer);
    answer.enqueue(reactor_.now(), deadline);
    if (queue.count++ == 0) mark_waiting(queue, true);
    if (!queue.growth_timer.armed())
        reactor_.arm(queue.growth_timer, reactor_.now() + growth_after);
}

void CorePool::leave_queue(WorkerAnswer& answer) noexcept {
    Queue& queue = queue_of(answer.request().app);
    answer.unlink();
    if (--queue.count > 0) return;
    mark_waiting(queue, false);
    if (queue.at_gate.linked()) stand_back(queue);
}

void CorePool::serve(Queue& queue) noexcept {
    while (WorkerAnswer* answer = queue.waiting.front()) {
        if (!hand_over(queue, *answer)) return;
        leave_queue(*answer);
    }
}

void CorePool::place_given_back(Link& link) noexcept {
    WorkerState& worker = link.worker();
    bool last = worker.give_place();
    if (worker.app->spec.ephemeral) leave_gate();
    if (worker.spare) return;  // It ends by itself, and serves nobody else.
    if (last) tell(worker, kWorkerDrained);
    Queue& queue = queue_of(worker.app->index);
    uint64_t waiting = worker.app->waiting_cores.load(std::memory_order_seq_cst);
    if (waiting == 0) return;
    bool others = (waiting & ~(uint64_t{1} << reactor_.core())) != 0;
    if (others && (queue.count == 0 || ++queue.own_turns > own_turns_max)) {
        queue.own_turns = 0;
        return wake_other_core(queue);
    }
    queue.freed = &link;
    serve(queue);
    queue.freed = nullptr;
}

void CorePool::wake_other_core(Queue& queue) noexcept {
    uint64_t waiting = queue.app->waiting_cores.load(std::memory_order_relaxed);
    if (!post_to_other(waiting, {&on_message_serve, nullptr, queue.app->index})) serve(queue);
}

// To the next core, in turn, that waits; false: to none.
bool CorePool::post_to_other(uint64_t waiting, loop::Message message) noexcept {
    unsigned cores = supervisor_.cores();
    for (unsigned i = 1; i < cores; ++i) {
        unsigned core = (reactor_.core() + i) % cores;
        if (!(waiting >> core & 1)) continue;
        CorePool* pool = supervisor_.pool_of(core);
        message.context = pool;
        if (pool && pool->reactor_.post(message)) return true;
    }
    return false;
}

// ---- The gate of ephemeral apps ----

// Closed: the queue stands in line, and whoever comes out calls the line's first.
bool CorePool::enter_gate(Queue& queue) noexcept {
    Gate& gate = supervisor_.gate();
    if (gate.enter()) return true;
    if (!queue.at_gate.linked()) at_gate_.push_back(queue.at_gate);
    gate.waiting_cores.fetch_or(uint64_t{1} << reactor_.core(), std::memory_order_seq_cst);
    if (!gate.enter()) return false;
    stand_back(queue);  // Who came out meanwhile called nobody.
    return true;
}

void CorePool::stand_back(Queue& queue) noexcept {
    queue.at_gate.unlink();
    if (at_gate_.empty())
        supervisor_.gate().waiting_cores.fetch_and(~(uint64_t{1} << reactor_.core()),
                                                   std::memory_order_seq_cst);
}

void CorePool::leave_gate() noexcept {
    Gate& gate = supervisor_.gate();
    gate.leave();
    uint64_t waiting = gate.waiting_cores.load(std::memory_order_seq_cst);
    uint64_t others = waiting & ~(uint64_t{1} << reactor_.core());
    if (others && (at_gate_.empty() || ++own_gate_turns_ > own_turns_max)) {
        own_gate_turns_ = 0;
        if (post_to_other(others, {&on_message_gate, nullptr, 0})) return;
    }
    serve_line();
}

void CorePool::serve_line() noexcept {
    while (supervisor_.gate().open() && !at_gate_.empty()) {
        Queue& queue = *at_gate_.front()->queue;
        stand_back(queue);
        serve(queue);  // Who finds it closed again stands at the end of the line.
    }
}

// ---- Growth ----

void CorePool::ask_for_more(Queue& queue) noexcept {
    supervisor_.board().post(queue.app->notice, kAppWantsMore);
}

void CorePool::on_growth(loop::Timer& timer) noexcept {
    auto& queue = *static_cast<Queue*>(timer.owner);
    WorkerAnswer* oldest = queue.waiting.front();
    if (!oldest) return;
    CorePool& pool = *queue.pool;
    Nanoseconds now = pool.reactor_.now();
    if (now - oldest->queued_at() >= growth_after && !queue.at_gate.linked())
        pool.ask_for_more(queue);
    pool.serve(queue);  // A place may have come free elsewhere.
    if (queue.count > 0) pool.reactor_.arm(timer, now + growth_after);
}

void CorePool::tell(WorkerState& worker, uint32_t bits) noexcept {
    supervisor_.board().post(worker.notice, bits);
}

// ---- Polling ----

bool CorePool::poll() noexcept {
    bool found = false;
    for (Link::Active* active = active_.front(); active;) {
        Link::Active* following = active_.next(*active);
        found = active->link->drain() || found;
        active = following;
    }
    return found;
}

void CorePool::announce_sleep() noexcept {
    for (Link::Active* active = active_.front(); active; active = active_.next(*active))
        active->link->set_wants_wake(1);
}

void CorePool::announce_awake() noexcept {
    for (Link::Active* active = active_.front(); active; active = active_.next(*active))
        active->link->set_wants_wake(0);
}

// ---- Word from the supervisor ----

void CorePool::on_message_attach(void* context, uint64_t) noexcept {
    std::unique_ptr<LinkOffer> offer(static_cast<LinkOffer*>(context));
    CorePool& pool = *offer->pool;
    Queue& queue = pool.queue_of(offer->worker->app->index);
    if (Link* before = link_to(queue, *offer->worker)) {
        std::erase(queue.links, before);
        before->lose_worker(AfterLoss::end);
    }
    auto link = std::make_unique<Link>(pool, *offer->worker, std::move(offer->region));
    queue.links.push_back(link.get());
    pool.links_.push_back(std::move(link));
    pool.serve(queue);
}

void CorePool::on_message_lose(void* context, uint64_t value) noexcept {
    auto& pool = *static_cast<CorePool*>(context);
    auto* worker = reinterpret_cast<WorkerState*>(value);
    Queue& queue = pool.queue_of(worker->app->index);
    if (Link* link = link_to(queue, *worker)) {
        std::erase(queue.links, link);
        link->lose_worker(AfterLoss::end);
    }
    pool.serve(queue);
}

void CorePool::on_message_cut(void* context, uint64_t value) noexcept {
    auto& pool = *static_cast<CorePool*>(context);
    auto* worker = reinterpret_cast<WorkerState*>(value);
    if (Link* link = link_to(pool.queue_of(worker->app->index), *worker)) link->cut();
}

// The process of an ephemeral app has ended; its regions serve the next one.
void CorePool::on_message_renew(void* context, uint64_t value) noexcept {
    auto& pool = *static_cast<CorePool*>(context);
    auto* worker = reinterpret_cast<WorkerState*>(value);
    if (Link* link = link_to(pool.queue_of(worker->app->index), *worker))
        link->lose_worker(AfterLoss::renew);
}

// The worker is idle. What large requests have touched of the memory for them is sealed, and pages
// of it cannot be given back: the supervisor is asked for another pair of regions.
void CorePool::on_message_slim(void* context, uint64_t value) noexcept {
    auto& pool = *static_cast<CorePool*>(context);
    auto* worker = reinterpret_cast<WorkerState*>(value);
    Link* link = link_to(pool.queue_of(worker->app->index), *worker);
    if (!link || !link->rest_if_swollen(pool.supervisor_.options().arena_kept_bytes)) return;
    worker->bare_cores.fetch_or(uint64_t{1} << pool.reactor_.core(), std::memory_order_release);
    pool.tell(*worker, kWorkerBare);
}

void CorePool::on_message_serve(void* context, uint64_t value) noexcept {
    auto& pool = *static_cast<CorePool*>(context);
    pool.serve(pool.queue_of(static_cast<uint32_t>(value)));
}

void CorePool::on_message_gate(void* context, uint64_t) noexcept {
    static_cast<CorePool*>(context)->serve_line();
}

// The app keeps failing to start: nobody is kept waiting for it.
void CorePool::on_message_hopeless(void* context, uint64_t value) noexcept {
    auto& pool = *static_cast<CorePool*>(context);
    Queue& queue = pool.queue_of(static_cast<uint32_t>(value));
    if (queue.app->hopeless.load() == 0) return;  // Of another app, which had this number before.
    while (WorkerAnswer* answer = queue.waiting.front())
        answer->fail(Reason::worker_start, Source::worker);
}

void CorePool::on_message_left(void* context, uint64_t) noexcept {
    auto& pool = *static_cast<CorePool*>(context);
    pool.left_ = true;
    pool.leave_timer_.on_expire = [](loop::Timer&) noexcept {};
    pool.reactor_.arm(pool.leave_timer_, pool.reactor_.now() + loop::TimerWheel::tick);
}

// Something that kept a lost link alive is gone.
void CorePool::link_changed(Link& link) noexcept {
    if (!link.finished()) return;
    WorkerState& worker = link.worker();
    if (link.renews()) {
        link.renew();
        worker.renewed_by.fetch_add(1, std::memory_order_acq_rel);
        return tell(worker, kWorkerRenewed);
    }
    auto found = std::find_if(links_.begin(), links_.end(), [&](const std::unique_ptr<Link>& each) {
        return each.get() == &link;
    });
    ASSERT(found != links_.end());
    std::swap(*found, links_.back());
    links_.pop_back();
    worker.released_by.fetch_add(1, std::memory_order_acq_rel);
    tell(worker, kWorkerReleased);
}

}  // namespace ringtime::worker
