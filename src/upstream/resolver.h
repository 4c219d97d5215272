#pragma once
// Looks up the names of upstream servers, off the cores: one thread for the process, which asks as
// soon as it hears of a name and again when the answer's time to live is over. A name that does not
// resolve never fails the start: its servers are passed over until it does. One that resolved once
// keeps its addresses while its name server is away.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "upstream/upstream.h"

struct ares_channeldata;
struct ares_addrinfo;

namespace ringtime::upstream {

class Resolver {
 public:
    /// `name_servers`: `address` or `address:port`, separated by commas; empty: the system's, as
    /// /etc/resolv.conf names them. /etc/hosts is asked first in either case.
    explicit Resolver(std::string name_servers = {});
    ~Resolver();

    /// Replaces the upstreams to look after. Starts the thread when there are names among them; it
    /// inherits the caller's signal mask.
    // tidy: allow(data-path) the resolver is a thread of its own
    void watch(const std::vector<std::shared_ptr<Upstream>>& upstreams);

 private:
    struct Name;

    void run();
    void adopt();
    [[nodiscard]] bool open_channel();
    void close_channel();
    void follow_configuration();
    void ask(Name& name);
    static void on_answer(void* name, int status, int timeouts, ares_addrinfo* answer);
    void take_answer(Name& name, int status, const ares_addrinfo* answer);
    void take_failure(Name& name, const char* problem, Nanoseconds now);
    void wait(Nanoseconds now);

    const std::string name_servers_;
    // tidy: allow(data-path) the resolver is a thread of its own
    std::mutex mutex_;  ///< Guards what watch() hands over.
    // tidy: allow(data-path) the resolver is a thread of its own
    std::vector<std::shared_ptr<Upstream>> given_;
    bool has_given_ = false;
    bool stopping_ = false;
    Fd wake_;

    // The thread's own.
    // tidy: allow(data-path) the resolver is a thread of its own
    std::vector<std::shared_ptr<Upstream>> upstreams_;
    std::map<std::string, std::unique_ptr<Name>> names_;
    ares_channeldata* channel_ = nullptr;
    int64_t configuration_changed_ = 0;  ///< When /etc/resolv.conf was, as last seen.
    unsigned asking_ = 0;
    std::thread thread_;
};

}  // namespace ringtime::upstream
