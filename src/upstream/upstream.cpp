#include "upstream/upstream.h"

#include <cstring>

namespace ringtime::upstream {
namespace {

bool same(const std::vector<net::Endpoint>& a, const std::vector<net::Endpoint>& b) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i) {
        if (a[i].size != b[i].size || std::memcmp(&a[i].storage, &b[i].storage, a[i].size) != 0)
            return false;
    }
    return true;
}

}  // namespace

Server::Server(ServerSpec spec) : spec_(std::move(spec)) {
    net::Endpoint endpoint;
    if (!spec_.unix_path.empty()) {
        if (net::Endpoint::from_unix_path(spec_.unix_path, endpoint)) publish({endpoint});
    } else if (net::Endpoint::from_ip(spec_.host, spec_.port, endpoint)) {
        publish({endpoint});
    } else {
        needs_resolving_ = true;
    }
}

void Server::publish(std::vector<net::Endpoint> endpoints) {
    if (endpoints.empty()) return;
    if (!published_.empty() && same(published_.back()->endpoints, endpoints)) return;
    // Older sets stay: a core may be connecting by one. A name changes its addresses seldom, and a
    // reload drops them all.
    published_.push_back(std::make_unique<const AddressSet>(AddressSet{std::move(endpoints)}));
    current_.store(published_.back().get(), std::memory_order_release);
}

Upstream::Upstream(UpstreamSpec spec) : spec_(std::move(spec)) {
    for (const ServerSpec& server : spec_.servers)
        servers_.push_back(std::make_unique<Server>(server));
}

}  // namespace ringtime::upstream
