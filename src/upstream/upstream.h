#pragma once
// An upstream: the servers behind one mount, as configured, and what all cores know of them.
// Immutable but for the addresses, which the resolver publishes; lives in the snapshot.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/limits.h"
#include "net/address.h"

namespace ringtime::upstream {

struct ServerSpec {
    std::string host;       ///< Name or literal address; empty with a unix path.
    uint16_t port = 80;
    std::string unix_path;
    std::string authority;  ///< Host field when it is rewritten.
    unsigned weight = 1;
    bool backup = false;

    friend bool operator==(const ServerSpec&, const ServerSpec&) = default;
};

enum class Balance : uint8_t { least_inflight, round_robin, random_two };
enum class HostField : uint8_t { keep, rewrite };
enum class BasePath : uint8_t { strip, keep };

struct UpstreamSpec {
    std::string name;
    std::vector<ServerSpec> servers;
    Balance balance = Balance::least_inflight;
    HostField host = HostField::keep;
    BasePath base_path = BasePath::strip;
    Milliseconds connect_timeout = timeouts::upstream_connect_ms;
    Milliseconds head_timeout = timeouts::upstream_head_ms;
    Milliseconds idle_timeout = timeouts::upstream_idle_ms;
    size_t idle_max = limits::upstream_idle_default;  ///< Kept connections per core and server.
    unsigned retries = 1;
    bool upgrades = true;  ///< `websocket`: an offered upgrade is passed on.
    std::vector<std::pair<std::string, std::string>> set_fields;
    std::vector<std::pair<std::string, std::string>> add_fields;
    std::vector<std::string> remove_fields;

    /// Equal specs mean the same upstream: a reload keeps its connections and what is known of it.
    friend bool operator==(const UpstreamSpec&, const UpstreamSpec&) = default;
};

/// The addresses a server's name stood for when it was last looked up. Never empty.
struct AddressSet {
    std::vector<net::Endpoint> endpoints;
};

/// One server. Addresses are replaced by the resolver's thread; cores only load a pointer.
class Server {
 public:
    explicit Server(ServerSpec spec);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    [[nodiscard]] const ServerSpec& spec() const noexcept { return spec_; }
    /// Null as long as the name has not been resolved. Valid for the upstream's life.
    [[nodiscard]] const AddressSet* addresses() const noexcept {
        return current_.load(std::memory_order_acquire);
    }
    /// True for names: literal addresses and unix paths need no resolver.
    [[nodiscard]] bool needs_resolving() const noexcept { return needs_resolving_; }
    /// The resolver's thread. Publishes only what differs from the current set.
    void publish(std::vector<net::Endpoint> endpoints);

 private:
    ServerSpec spec_;
    bool needs_resolving_ = false;
    std::atomic<const AddressSet*> current_{nullptr};
    std::vector<std::unique_ptr<const AddressSet>> published_;
};

class Upstream {
 public:
    explicit Upstream(UpstreamSpec spec);

    [[nodiscard]] const UpstreamSpec& spec() const noexcept { return spec_; }
    [[nodiscard]] size_t size() const noexcept { return servers_.size(); }
    [[nodiscard]] Server& server(size_t index) noexcept { return *servers_[index]; }

 private:
    UpstreamSpec spec_;
    std::vector<std::unique_ptr<Server>> servers_;
};

}  // namespace ringtime::upstream
