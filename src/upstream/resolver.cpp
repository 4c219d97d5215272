#include "upstream/resolver.h"

#include <netdb.h>
#include <pthread.h>

#include <chrono>
#include <cstring>

#include "base/log.h"

namespace ringtime::upstream {
namespace {

// The C library does not tell the time to live; half a minute is what name servers of clusters use.
constexpr auto kLookUpAgain = std::chrono::seconds(30);
constexpr auto kRetryUnresolved = std::chrono::seconds(2);
constexpr size_t kAddressesMax = 16;

}  // namespace

Resolver::~Resolver() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

// tidy: allow(data-path) the resolver is a thread of its own
void Resolver::watch(std::vector<std::shared_ptr<Upstream>> upstreams) {
    {
        std::lock_guard lock(mutex_);
        upstreams_ = std::move(upstreams);
        ++generation_;
    }
    if (!thread_.joinable()) {
        thread_ = std::thread([this] { run(); });
        ::pthread_setname_np(thread_.native_handle(), "resolver");
    }
    changed_.notify_all();
}

void Resolver::resolve(Server& server) {
    const ServerSpec& spec = server.spec();
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    int error = ::getaddrinfo(spec.host.c_str(), nullptr, &hints, &found);
    if (error != 0) {
        if (!server.addresses())
            log_format(LogLevel::warn, "upstream", "cannot resolve {}: {}; trying again", spec.host,
                       ::gai_strerror(error));
        return;
    }
    std::vector<net::Endpoint> endpoints;
    for (addrinfo* entry = found; entry && endpoints.size() < kAddressesMax;
         entry = entry->ai_next) {
        net::Endpoint endpoint;
        std::memcpy(&endpoint.storage, entry->ai_addr, entry->ai_addrlen);
        endpoint.size = entry->ai_addrlen;
        uint16_t port = htons(spec.port);
        if (entry->ai_family == AF_INET) {
            reinterpret_cast<sockaddr_in*>(&endpoint.storage)->sin_port = port;
        } else if (entry->ai_family == AF_INET6) {
            reinterpret_cast<sockaddr_in6*>(&endpoint.storage)->sin6_port = port;
        } else {
            continue;
        }
        endpoints.push_back(endpoint);
    }
    ::freeaddrinfo(found);
    server.publish(std::move(endpoints));
}

void Resolver::run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        // tidy: allow(data-path) the resolver is a thread of its own
        std::vector<std::shared_ptr<Upstream>> upstreams = upstreams_;
        uint64_t generation = generation_;
        lock.unlock();
        bool unresolved = false;
        for (auto& upstream : upstreams) {
            for (size_t i = 0; i < upstream->size(); ++i) {
                Server& server = upstream->server(i);
                if (!server.needs_resolving()) continue;
                resolve(server);
                unresolved = unresolved || !server.addresses();
            }
        }
        upstreams.clear();
        lock.lock();
        auto again = [&] { return stopping_ || generation_ != generation; };
        if (unresolved) {
            changed_.wait_for(lock, kRetryUnresolved, again);
        } else {
            changed_.wait_for(lock, kLookUpAgain, again);
        }
    }
}

}  // namespace ringtime::upstream
