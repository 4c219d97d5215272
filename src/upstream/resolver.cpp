#include "upstream/resolver.h"

#include <ares.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <mutex>

#include "base/log.h"

namespace ringtime::upstream {
namespace {

// What a name server says is believed within these bounds, in seconds. /etc/hosts says nothing,
// which reads as 0: looked at again soon, because it is a file.
constexpr int kTtlLeast = 1;
constexpr int kTtlMost = 3600;
constexpr int kTtlUnknown = 5;
constexpr Nanoseconds kRetryFirst = kNanosecondsPerSecond;
constexpr Nanoseconds kRetryMost = 30 * kNanosecondsPerSecond;
// Questions on their way at once.
constexpr unsigned kAskingMax = 64;
constexpr int kQueryTimeoutMs = 2000;
constexpr int kQueryTries = 2;
constexpr const char* kConfiguration = "/etc/resolv.conf";

int64_t changed_at(const char* path) {
    struct stat status {};
    if (::stat(path, &status) != 0) return 0;
    return status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec;
}

std::vector<net::Endpoint> endpoints_of(const ares_addrinfo& answer, uint16_t port) {
    std::vector<net::Endpoint> endpoints;
    for (const ares_addrinfo_node* node = answer.nodes; node; node = node->ai_next) {
        net::Endpoint endpoint;
        if (net::Endpoint::from_resolved(*node->ai_addr, port, endpoint))
            endpoints.push_back(endpoint);
    }
    return endpoints;
}

Nanoseconds time_to_live(const ares_addrinfo& answer) {
    int least = kTtlMost;
    for (const ares_addrinfo_node* node = answer.nodes; node; node = node->ai_next)
        least = std::min(least, node->ai_ttl);
    int seconds = least <= 0 ? kTtlUnknown : std::max(least, kTtlLeast);
    return static_cast<Nanoseconds>(seconds) * kNanosecondsPerSecond;
}

}  // namespace

struct Resolver::Name {
    Resolver* resolver;
    std::string host;
    std::vector<Server*> servers;
    Nanoseconds due = 0;
    Nanoseconds retry = kRetryFirst;
    bool asking = false;
    bool failing = false;
};

Resolver::Resolver(std::string name_servers)
    : name_servers_(std::move(name_servers)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Resolver::~Resolver() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    (void)::eventfd_write(wake_.get(), 1);
    if (thread_.joinable()) thread_.join();
}

// tidy: allow(data-path) the resolver is a thread of its own
void Resolver::watch(const std::vector<std::shared_ptr<Upstream>>& upstreams) {
    bool names = false;
    for (const auto& upstream : upstreams) {
        for (size_t i = 0; i < upstream->size(); ++i)
            names = names || upstream->server(i).needs_resolving();
    }
    if (!names && !thread_.joinable()) return;
    {
        std::lock_guard lock(mutex_);
        given_ = upstreams;
        has_given_ = true;
    }
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    (void)::eventfd_write(wake_.get(), 1);
}

// --- The thread ---

void Resolver::run() {
    ::pthread_setname_np(::pthread_self(), "resolver");
    static std::once_flag once;
    std::call_once(once, [] { ::ares_library_init(ARES_LIB_INIT_ALL); });
    if (!open_channel()) return;
    for (;;) {
        {
            std::lock_guard lock(mutex_);
            if (stopping_) break;
            if (has_given_) adopt();
        }
        follow_configuration();
        Nanoseconds now = monotonic_now();
        for (auto& [host, name] : names_) {
            if (!name->asking && now >= name->due && asking_ < kAskingMax) ask(*name);
        }
        wait(now);
    }
    close_channel();
}

void Resolver::adopt() {
    has_given_ = false;
    // Servers of upstreams that go are not written to any more: their questions are called off.
    if (asking_ > 0) ::ares_cancel(channel_);
    upstreams_ = std::move(given_);
    for (auto& [host, name] : names_) name->servers.clear();
    for (auto& upstream : upstreams_) {
        for (size_t i = 0; i < upstream->size(); ++i) {
            Server& server = upstream->server(i);
            if (!server.needs_resolving()) continue;
            auto& name = names_[server.spec().host];
            if (!name) {
                name = std::make_unique<Name>();
                name->resolver = this;
                name->host = server.spec().host;
            }
            name->servers.push_back(&server);
            // A new server of a known name cannot wait until the next look-up is due.
            if (!server.addresses()) name->due = 0;
        }
    }
    std::erase_if(names_, [](const auto& entry) { return entry.second->servers.empty(); });
}

bool Resolver::open_channel() {
    ares_options options{};
    options.timeout = kQueryTimeoutMs;
    options.tries = kQueryTries;
    int status =
        ::ares_init_options(&channel_, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
    if (status == ARES_SUCCESS && !name_servers_.empty())
        status = ::ares_set_servers_ports_csv(channel_, name_servers_.c_str());
    configuration_changed_ = changed_at(kConfiguration);
    if (status == ARES_SUCCESS) return true;
    log_format(LogLevel::error, "upstream", "names cannot be resolved: {}",
               ::ares_strerror(status));
    close_channel();
    return false;
}

void Resolver::close_channel() {
    if (channel_) ::ares_destroy(channel_);
    channel_ = nullptr;
}

// Other name servers, as DHCP brings them: the library reads its configuration only once.
void Resolver::follow_configuration() {
    if (!name_servers_.empty() || asking_ > 0) return;
    if (channel_ && changed_at(kConfiguration) == configuration_changed_) return;
    close_channel();
    (void)open_channel();
}

void Resolver::ask(Name& name) {
    ares_addrinfo_hints hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    name.asking = true;
    ++asking_;
    if (!channel_) return take_answer(name, ARES_ENOTINITIALIZED, nullptr);
    ::ares_getaddrinfo(channel_, name.host.c_str(), nullptr, &hints, &on_answer, &name);
}

void Resolver::on_answer(void* context, int status, int, ares_addrinfo* answer) {
    auto& name = *static_cast<Name*>(context);
    name.resolver->take_answer(name, status, answer);
    if (answer) ::ares_freeaddrinfo(answer);
}

void Resolver::take_answer(Name& name, int status, const ares_addrinfo* answer) {
    name.asking = false;
    --asking_;
    Nanoseconds now = monotonic_now();
    if (status == ARES_ECANCELLED || status == ARES_EDESTRUCTION) {
        name.due = now;
        return;
    }
    if (status != ARES_SUCCESS) return take_failure(name, ::ares_strerror(status), now);
    if (endpoints_of(*answer, 0).empty()) return take_failure(name, "it has no address", now);
    if (name.failing) log_format(LogLevel::info, "upstream", "{} resolves again", name.host);
    name.failing = false;
    name.retry = kRetryFirst;
    name.due = now + time_to_live(*answer);
    for (Server* server : name.servers) {
        bool first = !server->addresses();
        if (!server->publish(endpoints_of(*answer, server->spec().port)) || first) continue;
        const std::vector<net::Endpoint>& now_used = server->addresses()->endpoints;
        log_format(LogLevel::info, "upstream", "{} has other addresses now, {} in all; one: {}",
                   name.host, now_used.size(), now_used.front().text());
    }
}

void Resolver::take_failure(Name& name, const char* problem, Nanoseconds now) {
    if (!name.failing)
        log_format(LogLevel::warn, "upstream", "cannot resolve {}: {}; trying again", name.host,
                   problem);
    name.failing = true;
    name.due = now + name.retry;
    name.retry = std::min(2 * name.retry, kRetryMost);
}

void Resolver::wait(Nanoseconds now) {
    ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
    pollfd polled[ARES_GETSOCK_MAXNUM + 1];
    unsigned count = 0;
    polled[count++] = {wake_.get(), POLLIN, 0};
    int bits = channel_ ? ::ares_getsock(channel_, sockets, ARES_GETSOCK_MAXNUM) : 0;
    for (unsigned i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
        short events = 0;
        if (ARES_GETSOCK_READABLE(bits, i)) events |= POLLIN;
        if (ARES_GETSOCK_WRITABLE(bits, i)) events |= POLLOUT;
        if (events != 0) polled[count++] = {sockets[i], events, 0};
    }
    Nanoseconds next = UINT64_MAX;
    for (const auto& [host, name] : names_) {
        if (!name->asking && asking_ < kAskingMax) next = std::min(next, name->due);
    }
    int timeout = -1;
    if (next != UINT64_MAX)
        timeout = next <= now ? 0 : static_cast<int>((next - now) / kNanosecondsPerMillisecond + 1);
    timeval most{3600, 0};
    timeval left{};
    if (asking_ > 0 && channel_) {
        const timeval* until = ::ares_timeout(channel_, &most, &left);
        auto ms = static_cast<int>(until->tv_sec * 1000 + until->tv_usec / 1000 + 1);
        timeout = timeout < 0 ? ms : std::min(timeout, ms);
    }
    (void)::poll(polled, count, timeout);
    eventfd_t ignored = 0;
    if (polled[0].revents != 0) (void)::eventfd_read(wake_.get(), &ignored);
    if (!channel_) return;
    for (unsigned i = 1; i < count; ++i) {
        bool readable = (polled[i].revents & (POLLIN | POLLERR | POLLHUP)) != 0;
        bool writable = (polled[i].revents & POLLOUT) != 0;
        if (readable || writable)
            ::ares_process_fd(channel_, readable ? polled[i].fd : ARES_SOCKET_BAD,
                              writable ? polled[i].fd : ARES_SOCKET_BAD);
    }
    ::ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

}  // namespace ringtime::upstream
