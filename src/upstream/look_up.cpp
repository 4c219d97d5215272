#include "upstream/look_up.h"

#include <netdb.h>

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
    for (addrinfo* entry = found; entry; entry = entry->ai_next) {
        net::Endpoint endpoint;
        if (net::Endpoint::from_resolved(*entry->ai_addr, spec.port, endpoint))
            endpoints.push_back(endpoint);
    }
    ::freeaddrinfo(found);
    (void)server.publish(std::move(endpoints));
}

}  // namespace ringtime::upstream
