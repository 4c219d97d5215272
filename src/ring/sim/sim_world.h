#pragma once
// A world for whole cores to run in: a virtual clock, a seeded source of chance, TCP connections
// and the scripted peers at their other ends. Linked instead of the kernel's back end (see
// ring/ring.h); every Ring opened while a world exists runs in it. One seed fixes everything that
// happens.
//
// Only sockets are simulated. Any other descriptor (files, eventfds, pipes) is the kernel's own and
// used directly, with delays, short transfers and errors added. Even a simulated socket occupies a
// real descriptor, of a socket that does nothing: set-up calls such as setsockopt(2) need no
// double.
//
// Rules of the house are checked as the world runs: one reader and one writer per socket, no use of
// a closed descriptor, no close with operations in flight, every buffer either free or held. A
// breach is recorded, and the world's end aborts when nobody asked for violations().

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "ring/op.h"
#include "ring/sim/sim_bytes.h"
#include "ring/sim/sim_link.h"
#include "ring/sim/sim_random.h"

namespace ringtime::ring {

struct RingBackend;

/// How unkind the world is. Chances are per mille and opportunity.
struct SimFaults {
    unsigned short_transfer = 0;   ///< A transfer that does less than it could.
    unsigned deferred = 0;         ///< Work that could complete now and waits for a later enter().
    unsigned multishot_end = 0;    ///< A multishot that ends together with data.
    unsigned interrupted = 0;  ///< -EINTR from operations; enter() that returns without a cause.
    unsigned would_block = 0;      ///< -EAGAIN of direct calls although they could go on.
    unsigned network_reset = 0;    ///< Per segment: both ends see a reset.
    unsigned accept_error = 0;     ///< -EMFILE, -ENFILE, -ECONNABORTED.
    unsigned out_of_descriptors = 0;  ///< -EMFILE when a socket is opened.
    unsigned connect_refused = 0;
    unsigned connect_lost = 0;     ///< No answer: -ETIMEDOUT after two minutes.
    unsigned cancel_late = 0;      ///< A cancelled operation that finishes its work nevertheless.
    unsigned stall = 0;            ///< An enter() that takes up to 60 ms.
    uint32_t segment_bytes_max = 65536;
    uint32_t window_bytes = 65536;  ///< Upper bound: each connection draws its own.
    Nanoseconds latency_max = 200'000;
    unsigned submission_entries = 1024;
    unsigned completions_per_enter = 256;

    /// A few faults frequent, most rare or absent: other ones with each seed, so that every fault
    /// also runs undisturbed by the rest.
    [[nodiscard]] static SimFaults swarm(SimRandom& random) noexcept;
};

struct SimCounters {
    uint64_t network_resets = 0;
    uint64_t accept_errors = 0;
    uint64_t connects_failed = 0;
    uint64_t enters = 0;
    uint64_t completions = 0;
};

/// The far end of a connection, played by a test. Lives as long as its world.
class SimPeer {
 public:
    SimPeer(SimWorld& world, std::shared_ptr<SimLink> link, SimLink::Side side);
    SimPeer(const SimPeer&) = delete;
    SimPeer& operator=(const SimPeer&) = delete;

    /// Queues bytes; they leave as the other end takes them.
    void send(std::string_view bytes);
    /// FIN once everything queued has left.
    void half_close();
    void reset();
    /// Like close(2): what was queued is still sent, what arrives from now on is answered by a
    /// reset.
    void close();

    void stop_reading() noexcept { reading_ = false; }
    void resume_reading();
    /// From now on at most `bytes` at a time, `pause` apart.
    void read_slowly(size_t bytes, Nanoseconds pause) noexcept;

    [[nodiscard]] const std::string& received() const noexcept { return received_; }
    void clear_received() noexcept { received_.clear(); }
    [[nodiscard]] size_t unsent() const noexcept { return outbox_.size(); }
    /// The other end's FIN was read.
    [[nodiscard]] bool ended() const noexcept { return ended_; }
    /// A reset arrived, from the other end or the network.
    [[nodiscard]] bool broken() const noexcept { return broken_; }
    [[nodiscard]] bool over() const noexcept { return ended_ || broken_ || gone_; }

    /// After bytes, FIN or a reset arrived. Scripts react here.
    std::function<void(SimPeer&)> on_change;
    /// The script's own.
    uint64_t tag = 0;

 private:
    friend class SimLink;
    void pump_soon();
    void pump();
    void arrival();
    void read();
    void tell();

    SimWorld& world_;
    std::shared_ptr<SimLink> link_;
    SimLink::Side side_;
    size_t number_;  ///< In order of appearance, for traces.
    SimBytes outbox_;
    std::string received_;
    size_t read_max_ = SIZE_MAX;
    Nanoseconds read_pause_ = 0;
    bool reading_ = true;
    bool read_scheduled_ = false;
    bool pump_scheduled_ = false;
    bool finish_wanted_ = false;
    bool close_wanted_ = false;
    bool ended_ = false;
    bool broken_ = false;
    bool gone_ = false;
};

/// What a socket's descriptor stands for.
struct SimSocket {
    enum class Kind : uint8_t { listener, fresh, connecting, stream };

    int fd = -1;
    uint64_t id = 0;  ///< Tells apart those that had the same descriptor.
    Kind kind = Kind::fresh;
    SimLink::Side side = SimLink::Side::client;
    bool closing = false;
    bool aborts_on_close = false;
    int connect_result = 0;  ///< Of a connecting socket: 0 while undecided, 1 on success, -errno.
    std::shared_ptr<SimLink> link;
    std::deque<std::shared_ptr<SimLink>> backlog;
    const Op* reader = nullptr;
    const Op* writer = nullptr;
};

class SimWorld {
 public:
    /// Draws its faults from the seed.
    explicit SimWorld(uint64_t seed);
    SimWorld(uint64_t seed, const SimFaults& faults);
    ~SimWorld();
    SimWorld(const SimWorld&) = delete;
    SimWorld& operator=(const SimWorld&) = delete;

    /// This thread's world. Precondition: there is one.
    [[nodiscard]] static SimWorld& current() noexcept;

    [[nodiscard]] uint64_t seed() const noexcept { return seed_; }
    [[nodiscard]] SimRandom& random() noexcept { return random_; }
    [[nodiscard]] SimFaults& faults() noexcept { return faults_; }
    [[nodiscard]] SimCounters& counters() noexcept { return counters_; }

    // --- Time ---
    [[nodiscard]] Nanoseconds now() const noexcept { return now_; }
    void at(Nanoseconds when, std::function<void()> action);
    void after(Nanoseconds delay, std::function<void()> action) {
        at(now_ + delay, std::move(action));
    }
    /// Moves the clock, running what falls due. enter() does this by itself while it waits.
    void advance_to(Nanoseconds when);
    /// When something is due next; UINT64_MAX when nothing is.
    [[nodiscard]] Nanoseconds next_event() const noexcept;
    /// How long something takes to cross the network this time.
    [[nodiscard]] Nanoseconds latency() noexcept { return random_.between(1, faults_.latency_max); }

    // --- Sockets ---
    [[nodiscard]] int listen();
    /// A client that connects to a listener of the code under test.
    SimPeer& connect(int listener);
    /// A connected socket for the code under test, and the peer at its other end.
    struct Connected {
        int fd;
        SimPeer& peer;
    };
    [[nodiscard]] Connected connected();
    /// Two connected sockets for the code under test.
    [[nodiscard]] std::pair<int, int> socket_pair();
    /// Servers for outbound connects: any IP address with this port, or a Unix path.
    using Accept = std::function<void(SimPeer&)>;
    void serve(uint16_t port, Accept accept);
    void serve(const std::string& unix_path, Accept accept);
    /// Connects to it are refused from now on.
    void stop_serving(uint16_t port);

    // --- Judgement ---
    /// Checks what must hold between any two steps; enter() calls it.
    void check();
    /// Records a breach, with the seed.
    void violate(std::string what);
    /// Every breach so far. Asking counts as having dealt with them.
    [[nodiscard]] const std::vector<std::string>& violations() noexcept;
    [[nodiscard]] size_t open_sockets() const noexcept { return sockets_.size(); }
    /// Operations of all rings that have not completed.
    [[nodiscard]] size_t in_flight() const noexcept;
    /// Depends on everything that happened: equal for equal seeds.
    [[nodiscard]] uint64_t history() const noexcept { return history_; }
    [[nodiscard]] const std::vector<std::unique_ptr<SimPeer>>& peers() const noexcept {
        return peers_;
    }

    // --- For the back end ---
    /// Counts whatever may let a waiting operation go on: without a change none needs to be tried
    /// again.
    [[nodiscard]] uint64_t changes() const noexcept { return changes_; }
    void changed() noexcept { ++changes_; }
    void remember(std::string_view event, int64_t a = 0, int64_t b = 0, int64_t c = 0);
    [[nodiscard]] SimSocket* find(int fd) noexcept;
    [[nodiscard]] SimSocket& add_socket(SimSocket::Kind kind);
    [[nodiscard]] SimSocket& add_stream(std::shared_ptr<SimLink> link, SimLink::Side side);
    void start_connect(SimSocket& socket, const void* address, uint32_t length);
    void close_socket(SimSocket& socket);
    void join(RingBackend& ring) { rings_.push_back(&ring); }
    void leave(RingBackend& ring) noexcept;
    [[nodiscard]] const std::vector<RingBackend*>& rings() const noexcept { return rings_; }

 private:
    struct Event {
        Nanoseconds when;
        uint64_t order;
        std::function<void()> action;
    };
    struct Later {
        bool operator()(const Event& a, const Event& b) const noexcept {
            return a.when != b.when ? a.when > b.when : a.order > b.order;
        }
    };

    [[nodiscard]] int real_descriptor();
    [[nodiscard]] static std::string address_key(const void* address, uint32_t length);
    SimPeer& add_peer(std::shared_ptr<SimLink> link, SimLink::Side side);

    uint64_t seed_;
    SimRandom random_;
    SimFaults faults_;
    SimCounters counters_;
    Nanoseconds now_;
    uint64_t events_ = 0;
    uint64_t changes_ = 1;
    uint64_t sockets_made_ = 0;
    int next_descriptor_;
    std::priority_queue<Event, std::vector<Event>, Later> pending_;
    std::map<int, SimSocket> sockets_;
    std::map<std::string, Accept> servers_;
    std::vector<std::unique_ptr<SimPeer>> peers_;
    std::vector<RingBackend*> rings_;
    std::vector<std::string> violations_;
    size_t violations_seen_ = 0;
    bool tracing_ = false;
    uint64_t history_ = 0;
    SimWorld* outer_ = nullptr;
};

}  // namespace ringtime::ring
