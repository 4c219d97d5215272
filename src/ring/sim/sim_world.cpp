#include "ring/sim/sim_world.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "base/assert.h"
#include "ring/sim/sim_backend.h"

namespace ringtime::ring {
namespace {

// The back end's entry points take no world: Ring::open and the direct calls are made by code that
// knows of none. One per thread, so that worlds can run side by side.
thread_local SimWorld* current_world = nullptr;

constexpr int kFirstDescriptor = 200;
constexpr int kLastDescriptor = 900;
constexpr Nanoseconds kConnectGivesUp = 127 * kNanosecondsPerSecond;

}  // namespace

SimFaults SimFaults::swarm(SimRandom& random) noexcept {
    // Absent, rare or frequent.
    const auto draw = [&random](unsigned rare, unsigned frequent) -> unsigned {
        const uint64_t mood = random.below(4);
        return mood < 2 ? 0 : mood == 2 ? rare : frequent;
    };
    const auto pick = [&random](std::initializer_list<uint32_t> values) {
        return *(values.begin() + random.below(values.size()));
    };
    SimFaults faults;
    faults.short_transfer = draw(50, 600);
    faults.deferred = draw(50, 500);
    faults.multishot_end = draw(20, 300);
    faults.interrupted = draw(5, 100);
    faults.would_block = draw(50, 300);
    faults.network_reset = draw(1, 20);
    faults.accept_error = draw(10, 200);
    faults.out_of_descriptors = draw(5, 100);
    faults.connect_refused = draw(20, 300);
    faults.connect_lost = draw(10, 100);
    faults.cancel_late = draw(100, 800);
    faults.stall = draw(1, 10);
    faults.segment_bytes_max = pick({1, 7, 100, 1460, 65536});
    faults.window_bytes = pick({64, 4096, 65536, 1 << 20});
    faults.latency_max = pick({1'000, 50'000, 1'000'000, 40'000'000});
    faults.submission_entries = pick({1, 2, 8, 1024});
    faults.completions_per_enter = pick({1, 4, 256});
    return faults;
}

SimWorld::SimWorld(uint64_t seed, const SimFaults& faults)
    : seed_(seed),
      random_(seed),
      faults_(faults),
      now_(random_.between(1, 1000) * kNanosecondsPerSecond),
      next_descriptor_(kFirstDescriptor),
      tracing_(std::getenv("RINGTIME_SIM_TRACE") != nullptr),
      outer_(current_world) {
    current_world = this;
}

SimWorld::SimWorld(uint64_t seed) : SimWorld(seed, SimFaults{}) {
    faults_ = SimFaults::swarm(random_);
}

SimWorld::~SimWorld() {
    for (const auto& [fd, socket] : sockets_) ::close(fd);
    current_world = outer_;
    if (violations_seen_ == violations_.size()) return;
    for (const std::string& violation : violations_)
        std::fprintf(stderr, "%s\n", violation.c_str());
    ASSERT(!"a simulated world ended with breaches nobody looked at");
}

SimWorld& SimWorld::current() noexcept {
    ASSERT(current_world);
    return *current_world;
}

// --- Time ---

void SimWorld::at(Nanoseconds when, std::function<void()> action) {
    pending_.push({std::max(when, now_), events_++, std::move(action)});
}

Nanoseconds SimWorld::next_event() const noexcept {
    return pending_.empty() ? UINT64_MAX : pending_.top().when;
}

void SimWorld::advance_to(Nanoseconds when) {
    while (!pending_.empty() && pending_.top().when <= when) {
        Event event = pending_.top();
        pending_.pop();
        now_ = std::max(now_, event.when);
        ++changes_;
        event.action();
    }
    now_ = std::max(now_, when);
}

// --- Sockets ---

// A number that the code under test cannot mistake for another: it refers to a socket that was
// never connected, and it is not given out again soon.
int SimWorld::real_descriptor() {
    const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ASSERT(made >= 0);
    if (next_descriptor_ > kLastDescriptor) next_descriptor_ = kFirstDescriptor;
    int fd = ::fcntl(made, F_DUPFD_CLOEXEC, next_descriptor_);
    if (fd < 0) fd = ::fcntl(made, F_DUPFD_CLOEXEC, kFirstDescriptor);
    ::close(made);
    ASSERT(fd >= 0);
    next_descriptor_ = fd + 1;
    return fd;
}

SimSocket& SimWorld::add_socket(SimSocket::Kind kind) {
    const int fd = real_descriptor();
    SimSocket& socket = sockets_[fd];
    socket.fd = fd;
    socket.id = sockets_made_++;
    socket.kind = kind;
    return socket;
}

SimSocket* SimWorld::find(int fd) noexcept {
    const auto place = sockets_.find(fd);
    return place == sockets_.end() ? nullptr : &place->second;
}

SimSocket& SimWorld::add_stream(std::shared_ptr<SimLink> link, SimLink::Side side) {
    SimSocket& socket = add_socket(SimSocket::Kind::stream);
    socket.link = std::move(link);
    socket.side = side;
    return socket;
}

SimPeer& SimWorld::add_peer(std::shared_ptr<SimLink> link, SimLink::Side side) {
    peers_.push_back(std::make_unique<SimPeer>(*this, std::move(link), side));
    return *peers_.back();
}

int SimWorld::listen() { return add_socket(SimSocket::Kind::listener).fd; }

SimPeer& SimWorld::connect(int listener) {
    auto link = std::make_shared<SimLink>(*this);
    after(latency(), [this, listener, link] {
        SimSocket* socket = find(listener);
        if (socket && !socket->closing) {
            socket->backlog.push_back(link);
        } else {
            link->break_both();
        }
    });
    return add_peer(link, SimLink::Side::client);
}

SimWorld::Connected SimWorld::connected() {
    auto link = std::make_shared<SimLink>(*this);
    SimSocket& socket = add_stream(link, SimLink::Side::server);
    return {socket.fd, add_peer(link, SimLink::Side::client)};
}

std::pair<int, int> SimWorld::socket_pair() {
    auto link = std::make_shared<SimLink>(*this);
    const int client = add_stream(link, SimLink::Side::client).fd;
    return {client, add_stream(link, SimLink::Side::server).fd};
}

static std::string port_key(uint16_t port) { return "port " + std::to_string(port); }

std::string SimWorld::address_key(const void* address, uint32_t length) {
    const auto* generic = static_cast<const sockaddr*>(address);
    if (generic->sa_family == AF_INET)
        return port_key(ntohs(static_cast<const sockaddr_in*>(address)->sin_port));
    if (generic->sa_family == AF_INET6)
        return port_key(ntohs(static_cast<const sockaddr_in6*>(address)->sin6_port));
    ASSERT(generic->sa_family == AF_UNIX && length <= sizeof(sockaddr_un));
    return std::string("path ") + static_cast<const sockaddr_un*>(address)->sun_path;
}

void SimWorld::serve(uint16_t port, Accept accept) { servers_[port_key(port)] = std::move(accept); }

void SimWorld::serve(const std::string& unix_path, Accept accept) {
    servers_["path " + unix_path] = std::move(accept);
}

void SimWorld::stop_serving(uint16_t port) { servers_.erase(port_key(port)); }

void SimWorld::start_connect(SimSocket& socket, const void* address, uint32_t length) {
    socket.kind = SimSocket::Kind::connecting;
    const std::string key = address_key(address, length);
    const bool refused = random_.chance(faults_.connect_refused);
    const bool lost = random_.chance(faults_.connect_lost);
    after(lost ? kConnectGivesUp : latency(),
          [this, fd = socket.fd, id = socket.id, key, refused, lost] {
              SimSocket* found = find(fd);
              if (!found || found->id != id || found->connect_result != 0) return;
              const auto server = servers_.find(key);
              if (lost || refused || server == servers_.end()) {
                  ++counters_.connects_failed;
                  found->connect_result = lost ? -ETIMEDOUT : -ECONNREFUSED;
                  return;
              }
              found->link = std::make_shared<SimLink>(*this);
              found->side = SimLink::Side::client;
              found->connect_result = 1;
              SimPeer& peer = add_peer(found->link, SimLink::Side::server);
              server->second(peer);
          });
}

void SimWorld::close_socket(SimSocket& socket) {
    remember("close", socket.fd);
    if (socket.link) {
        if (socket.aborts_on_close) socket.link->abort(socket.side);
        socket.link->close(socket.side);
    }
    for (const auto& waiting : socket.backlog) waiting->break_both();
    ::close(socket.fd);
    sockets_.erase(socket.fd);
}

// --- Judgement ---

void SimWorld::leave(RingBackend& ring) noexcept {
    rings_.erase(std::remove(rings_.begin(), rings_.end(), &ring), rings_.end());
}

void SimWorld::check() {
    for (RingBackend* ring : rings_) ring->check();
}

void SimWorld::violate(std::string what) {
    // The first few tell the story; a broken component repeats itself.
    static constexpr size_t kViolationsMax = 20;
    if (violations_.size() < kViolationsMax)
        violations_.push_back("seed=" + std::to_string(seed_) + " at " + std::to_string(now_) +
                              " ns: " + what);
    remember(violations_.back());
}

const std::vector<std::string>& SimWorld::violations() noexcept {
    violations_seen_ = violations_.size();
    return violations_;
}

size_t SimWorld::in_flight() const noexcept {
    size_t count = 0;
    for (const RingBackend* ring : rings_)
        count += ring->queued.size() + ring->flights.size() + ring->completed.size();
    return count;
}

void SimWorld::remember(std::string_view event, int64_t a, int64_t b, int64_t c) {
    const auto mix = [this](uint64_t value) {
        history_ = (history_ ^ value) * 0x100000001B3U;
        history_ ^= history_ >> 29;
    };
    for (const char letter : event) mix(static_cast<unsigned char>(letter));
    for (const int64_t value : {a, b, c}) mix(static_cast<uint64_t>(value));
    mix(now_);
    if (!tracing_) return;
    std::fprintf(stderr, "%12.6f ms %.*s %ld %ld %ld\n",
                 static_cast<double>(now_ % 1'000'000'000'000) / 1e6,
                 static_cast<int>(event.size()), event.data(), a, b, c);
}

}  // namespace ringtime::ring
