#include "upstream/look_up.h"

#include <netdb.h>

#include <cstring>

#include "base/log.h"

namespace ringtime::upstream {

void look_up(Server& server) {
    const ServerSpec& spec = server.spec();
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    int error = ::getaddrinfo(spec.host.c_str(), nullptr, &hints, &found);
    if (error != 0) {
        if (!server.addresses())
            log_format(LogLevel::warn, "upstream", "cannot resolve {}: {}", spec.host,
                       ::gai_strerror(error));
        return;
    }
    std::vector<net::Endpoint> endpoints;
    for (addrinfo* entry = found; entry && endpoints.size() < limits::upstream_addresses_max;
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
    if (!endpoints.empty()) (void)server.publish(std::move(endpoints));
}

}  // namespace ringtime::upstream
