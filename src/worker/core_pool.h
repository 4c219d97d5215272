#pragma once
// The worker pool as one core sees it: links to workers, a bounded queue per app, the choice of an
// instance. Single-threaded but for what shared.h holds. Made on its core; close() and turn until
// closed() before it is destroyed.

#include <cstdint>
#include <memory>
#include <vector>

#include "base/slab.h"
#include "http/body.h"
#include "loop/reactor.h"
#include "worker/answer.h"
#include "worker/link.h"
#include "worker/shared.h"
#include "worker/spec.h"

namespace ringtime::worker {

class Supervisor;

struct CorePoolCounters {
    uint64_t dispatched = 0;
    uint64_t queued = 0;
    uint64_t retried = 0;
    uint64_t recalled = 0;
    uint64_t failed = 0;
    uint64_t strikes = 0;
    uint64_t doorbells = 0;
};

class CorePool final : public loop::Poller {
  public:
    /// `supervisor` outlives it and knows the reactor's core from its options.
    CorePool(loop::Reactor& reactor, Supervisor& supervisor);
    CorePool(const CorePool&) = delete;
    CorePool& operator=(const CorePool&) = delete;
    ~CorePool();

    /// Never fails at once: what is wrong shows as the answer's phase. `waker` runs whenever the
    /// answer could go on, and outlives it.
    [[nodiscard]] http::Answer* dispatch(const WorkerRequest& request,
                                         loop::Runnable& waker) noexcept;

    /// Lets go of all workers; no exchange may be open. Needs turns of the reactor and of the
    /// supervisor.
    void close() noexcept;
    [[nodiscard]] bool closed() const noexcept;

    [[nodiscard]] const CorePoolCounters& counters() const noexcept { return counters_; }
    /// Answers, pieces of bodies and large heads in use: none when no exchange is open.
    [[nodiscard]] size_t in_use() const noexcept {
        return answers_.used() + chunks_.used() + head_blocks_.used();
    }

    // loop::Poller
    bool poll() noexcept override;
    void announce_sleep() noexcept override;
    void announce_awake() noexcept override;

    // For answers and links
    [[nodiscard]] loop::Reactor& reactor() noexcept { return reactor_; }
    [[nodiscard]] CorePoolCounters& counters() noexcept { return counters_; }
    [[nodiscard]] Slab<Chunk>& chunks() noexcept { return chunks_; }
    [[nodiscard]] SlabMemory& head_blocks() noexcept { return head_blocks_; }
    void destroy(WorkerAnswer& answer) noexcept { answers_.destroy(&answer); }
    void leave_queue(WorkerAnswer& answer) noexcept;
    void queue_again(WorkerAnswer& answer) noexcept;
    void link_became_active(Link& link) noexcept { active_.push_back(link.active); }
    void place_given_back(Link& link) noexcept;
    /// A request of an ephemeral app has ended: another may run.
    void leave_gate() noexcept;
    void tell(WorkerState& worker, uint32_t bits) noexcept;
    void link_changed(Link& link) noexcept;

    // Word from whoever has the processes, as messages to this core: `context` is the pool, but for
    // a worker that comes, with which it is the offer; `value` a WorkerState or an app's number.
    static void on_message_attach(void* context, uint64_t value) noexcept;
    static void on_message_lose(void* context, uint64_t value) noexcept;
    static void on_message_cut(void* context, uint64_t value) noexcept;
    static void on_message_renew(void* context, uint64_t value) noexcept;
    static void on_message_slim(void* context, uint64_t value) noexcept;
    static void on_message_serve(void* context, uint64_t value) noexcept;
    static void on_message_gate(void* context, uint64_t value) noexcept;
    static void on_message_hopeless(void* context, uint64_t value) noexcept;
    static void on_message_left(void* context, uint64_t value) noexcept;

  private:
    struct Queue {
        AppState* app = nullptr;
        List<WorkerAnswer> waiting;
        uint32_t count = 0;
        uint32_t own_turns = 0;
        std::vector<Link*> links;
        Link* freed = nullptr;  ///< Whose place came free just now: where the next one goes.
        struct AtGate : ListNode {
            Queue* queue = nullptr;
        } at_gate;  ///< In line: the gate of ephemeral apps was closed.
        CorePool* pool = nullptr;
        loop::Timer growth_timer;
    };
    /// Stands for every request when the slab is empty.
    struct Overload final : http::Answer {
        http::ResponseHead nothing;
        Phase advance() noexcept override { return Phase::failed; }
        const http::ResponseHead& head() const noexcept override { return nothing; }
        http::BodySource& body() noexcept override;
        http::BodySink* request_body() noexcept override { return nullptr; }
        Error error() const noexcept override {
            return {.reason = Reason::overload, .source = Source::gateway};
        }
        void release() noexcept override {}
    };

    [[nodiscard]] Queue& queue_of(uint32_t app) noexcept;
    [[nodiscard]] Link* pick(Queue& queue) noexcept;
    [[nodiscard]] static Link* link_to(Queue& queue, const WorkerState& worker) noexcept;
    void note_taken(const AppSpec& spec, WorkerState& worker) noexcept;
    [[nodiscard]] bool hand_over(Queue& queue, WorkerAnswer& answer) noexcept;
    void wait_in_queue(Queue& queue, WorkerAnswer& answer) noexcept;
    void serve(Queue& queue) noexcept;
    void wake_other_core(Queue& queue) noexcept;
    [[nodiscard]] bool post_to_other(uint64_t waiting, loop::Message message) noexcept;
    [[nodiscard]] bool enter_gate(Queue& queue) noexcept;
    void stand_back(Queue& queue) noexcept;
    void serve_line() noexcept;
    void ask_for_more(Queue& queue) noexcept;
    // tidy: allow(bool-parameter) the state to be set
    void mark_waiting(Queue& queue, bool waiting) noexcept;
    static void on_growth(loop::Timer& timer) noexcept;

    loop::Reactor& reactor_;
    Supervisor& supervisor_;
    List<Link::Active> active_;
    List<Queue::AtGate> at_gate_;
    uint32_t own_gate_turns_ = 0;
    std::vector<std::unique_ptr<Link>> links_;
    std::vector<std::unique_ptr<Queue>> queues_;  ///< By app.
    Slab<WorkerAnswer> answers_;
    Slab<Chunk> chunks_;
    SlabMemory head_blocks_;
    Overload overload_;
    loop::Timer
        leave_timer_;  ///< Turns the loop once more when the supervisor has left the mailbox.
    CorePoolCounters counters_;
    bool left_ = false;
};

}  // namespace ringtime::worker
