#pragma once
// Worker processes of a simulated world, and who starts and ends them in the supervisor's place.
// They sit behind the real regions and speak worker_abi.h as written here, apart from the SDK, so
// that the two can disagree. The query of a request says what its worker does: id (of the bodies),
// size (of the answer), upload, how (its framing) and fault. An honest one checks what the gateway
// says; when it takes something in, begins, frees and sleeps is the seed's.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core_rig.h"

namespace ringtime::sim {

enum class WorkerFault : uint8_t {
    none,
    interim,      ///< Not a fault: 103 before the answer.
    early,        ///< Not a fault: answers before it has read the request's body.
    gives_up,     ///< ABORT instead of a head.
    cut,          ///< ABORT in the middle of the body.
    silence,      ///< Never answers, until it is told to give up.
    forgets,      ///< Not even then.
    hangs,        ///< Its loop stands still.
    crash,        ///< The process ends when it begins the request.
    crash_later,  ///< In the middle of the answer.
    no_head,      ///< END without a head.
    bad_head,     ///< A field that is the gateway's own.
    too_much,     ///< More than its head announced.
    garbage,      ///< Descriptors of any content.
    lost_place,   ///< Its positions in the rings jump.
    count_,
};

/// From the query of a request.
struct WorkerTask {
    uint64_t id = 0;
    size_t size = 0;
    size_t upload = 0;
    bool known_length = false;
    WorkerFault fault = WorkerFault::none;
};

class SimWorkers;

class SimWorker {
 public:
    /// A process that has just become ready.
    SimWorker(SimWorkers& all, uint32_t id);
    SimWorker(const SimWorker&) = delete;
    SimWorker& operator=(const SimWorker&) = delete;
    ~SimWorker();

    worker::WorkerState state;
    bool ended = false;     ///< The process is gone.
    uint32_t links = 0;     ///< That the gateway was given.
    /// The gateway has let go of all its memory as well.
    [[nodiscard]] bool released() const { return state.released_by.load() == links; }
    /// Gets another pair of regions, and hears of it in a while.
    void share_memory();

 private:
    struct Request {
        uint32_t exchange = 0;
        WorkerTask task;
        bool idempotent = true;
        bool bodyless = false;  ///< HEAD.
        bool begun = false;
        bool complete = false;  ///< Its body.
        bool aborted = false;
        bool warned = false;    ///< 103 was sent.
        bool headed = false;
        uint32_t unfreed = 0;
        size_t received = 0;
        size_t sent = 0;
        std::string expected;   ///< Its body.
        std::string answer;
        std::deque<rtw_desc> body;  ///< Not read yet.
    };
    struct Slab {
        uint32_t units = 0;
        uint32_t bytes = 0;  ///< That were lent.
        uint32_t left = 0;   ///< Of those, not given back.
    };

    void step();
    void sleep_or_go_on(bool busy);
    [[nodiscard]] bool woken();
    [[nodiscard]] bool hear();
    void take(const rtw_desc& desc);
    void take_request(const rtw_desc& desc);
    void take_free(const rtw_desc& desc);
    /// False when it waits for news.
    [[nodiscard]] bool work_on(Request& request);
    [[nodiscard]] bool begin(Request& request);
    [[nodiscard]] bool misbehave(Request& request);
    void read_body(Request& request);
    [[nodiscard]] bool answer(Request& request);
    [[nodiscard]] bool send_head(Request& request, unsigned status, std::string_view field);
    /// May end it.
    [[nodiscard]] bool start_answer(Request& request);
    [[nodiscard]] bool send_body(Request& request);
    void spew_garbage(uint32_t exchange);
    [[nodiscard]] bool lend(Request& request, uint8_t kind, uint8_t flags, std::string_view bytes);
    [[nodiscard]] bool has_room();
    void say(uint8_t kind, uint8_t flags, uint32_t exchange, uint32_t offset = 0,
             uint32_t length = 0);
    void end(Request& request, uint8_t kind, uint8_t flags = 0);
    void forget(Request& request);
    void publish();
    void complain(const std::string& what);

    /// A pair of regions as the worker sees it.
    struct Memory {
        size_t bytes = 0;  ///< Of each.
        const rtw_region* incoming = nullptr;
        rtw_region* outgoing = nullptr;
        int bell = -1;  ///< The gateway's.
    };
    void use_memory(const Memory& memory);
    static void let_go(const Memory& memory);

    SimWorkers& all_;
    ring::SimRandom& random_;
    std::deque<Memory> memory_;  ///< The first one is in use, the others are on their way.
    const rtw_region* incoming_ = nullptr;
    rtw_region* outgoing_ = nullptr;
    rtw_producer producer_{};
    rtw_consumer consumer_{};
    rtw_arena arena_{};
    std::map<uint32_t, Slab> slabs_;      ///< By first unit.
    std::map<uint32_t, Request> requests_;  ///< By exchange, until it has ended them.
    std::deque<uint32_t> waiting_;          ///< Exchanges not begun, in order.
    unsigned open_ = 0;                     ///< Begun and not ended.
    bool ring_full_ = false;  ///< Nobody tells when there is room again.
    bool short_of_memory_ = false;
    bool asleep_ = false;
    bool hangs_ = false;
    bool honest_ = true;  ///< What it hears can be held against the gateway.
};

struct SimWorkersSpec {
    worker::AppSpec app;
    uint32_t concurrency = 1;  ///< Of each.
    uint32_t most = 2;         ///< At once.
    uint32_t arena_bytes = 1 << 20;
    bool kind = false;  ///< Nobody ends a worker, and no doorbell is lost.
    uint32_t slims_per_mille = 0;  ///< Of the turns: an idle worker's memory is replaced.
};

class SimWorkers {
 public:
    SimWorkers(ring::SimWorld& world, CoreRig& rig, const SimWorkersSpec& spec);
    ~SimWorkers();

    /// What the supervisor does when something has happened. With every turn.
    void tend();
    /// Ends all of them; false while the gateway has not let go of their memory.
    [[nodiscard]] bool closed();
    /// What the real supervisor has to hear in the end.
    void hand_notices_on();

    void crash(SimWorker& worker);
    /// A request is begun: nobody may find his done twice.
    void note_begun(uint64_t id, bool idempotent);
    [[nodiscard]] uint64_t begun() const noexcept { return begun_count_; }
    [[nodiscard]] uint64_t started() const noexcept { return workers_.size(); }
    /// Pairs of regions, by others.
    [[nodiscard]] uint64_t replaced() const noexcept { return replaced_; }

    ring::SimWorld& world;
    CoreRig& rig;
    const SimWorkersSpec spec;

 private:
    void start();
    void hear(SimWorker& worker, uint32_t bits);
    /// Gets no more requests; ends with its last one, or after the time that one may take.
    void retire(SimWorker& worker);
    [[nodiscard]] uint32_t alive() const;

    worker::AppState& app_;
    std::vector<std::unique_ptr<SimWorker>> workers_;  ///< Their records stay.
    std::map<uint64_t, unsigned> begun_;
    uint64_t begun_count_ = 0;
    uint64_t replaced_ = 0;
    bool closing_ = false;
    bool starting_ = false;
    worker::Notice* core_notice_ = nullptr;
    uint32_t core_bits_ = 0;
};

}  // namespace ringtime::sim
