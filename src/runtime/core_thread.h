#pragma once
// One core of the gateway: a pinned thread with its ring, reactor, connections and pools. Made and
// torn down on its own thread; the server talks to it by messages.

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "exchange/core.h"
#include "loop/reactor.h"
#include "net/io.h"
#include "ring/ring.h"
#include "upstream/pool.h"
#include "runtime/api.h"
#include "worker/supervisor.h"

namespace ringtime::runtime {

struct CoreOptions {
    unsigned index = 0;
    int cpu = -1;  ///< -1: not pinned.
    exchange::CoreSettings settings;
};

/// What all cores share, and one core's part of it.
struct CoreShared {
    exchange::AccessLog& access_log;
    const exchange::Readiness& readiness;
    worker::Supervisor& supervisor;
    hook::HookCore& hooks;
    site::Compressor& compressor;
    upstream::Handover& handover;
};

class CoreThread {
 public:
    CoreThread(const CoreOptions& options, const CoreShared& shared);
    ~CoreThread();

    /// Starts the thread and waits until its ring stands. False with the cause and the remedy
    /// otherwise.
    [[nodiscard]] bool start(std::string& problem);
    /// Calls the plugins' on_core_start on the core; what went wrong, for the operator.
    [[nodiscard]] hook::CoreStart start_plugins(hook::PluginSet& plugins);
    /// Takes connections from these sockets from now on.
    struct ListenOn {
        int fd;
        net::Preface preface;
    };
    void listen(std::vector<ListenOn> sockets);
    /// Takes connections of the admin socket.
    void listen_for_operator(int socket);
    /// Answers the API's prefix through `api`, which outlives the core.
    void serve_api(exchange::ApiService& api);
    /// What the core counts; nothing when it does not answer within `limit`.
    [[nodiscard]] std::optional<CoreReport> report(Milliseconds limit);
    /// Requests that begin from its next turn on see `snapshot`.
    void use(std::shared_ptr<const exchange::Snapshot> snapshot);
    /// Streams of the plugins that none of `others` has end.
    void end_streams(hook::PluginSet& plugins, hook::OtherSets others);
    /// Ends what the plugins that none of `others` has do on the core, then calls on_core_stop.
    void stop_plugins(hook::PluginSet& plugins, hook::OtherSets others);
    /// Closes what is kept of upstreams that are in no snapshot any more; adds to `left` those that
    /// have connections still.
    void forget(const std::vector<const upstream::Upstream*>& upstreams,
                std::vector<const upstream::Upstream*>& left);
    /// Ends a slice of the requests of a replaced snapshot that need what is ending. True when none
    /// is left.
    [[nodiscard]] bool cut(const exchange::Snapshot& snapshot, const exchange::Ending& ending);
    /// Returns when everything posted so far has run.
    void flush();
    /// Finishes what is running and ends; after `deadline_ms` cuts the rest.
    void drain(Milliseconds deadline_ms);
    /// Ends without regard to running requests.
    void abort();
    [[nodiscard]] bool finished() const noexcept { return finished_.load(); }
    /// Until here others may post to the core, even when it has finished: threads of plugins do
    /// until the plugins are shut down.
    void join();

 private:
    struct Parts;

    void run(std::promise<std::string> started);
    void loop(Parts& parts);
    void leave(Parts& parts);
    void pin_thread() const;
    /// Runs `work` on the core's thread. False: the core has ended, or takes no more messages now.
    bool post(std::function<void(Parts&)> work);
    /// The same, however full its mailbox is. False: the core has ended.
    bool post_surely(const std::function<void(Parts&)>& work);
    /// Waits until it has run. False: the core has ended without running it.
    bool call(const std::function<void(Parts&)>& work);

    CoreOptions options_;
    CoreShared shared_;
    std::thread thread_;
    std::atomic<bool> finished_{true};  ///< Nothing runs on it: not yet, or not any more.
    std::promise<void> let_go_;
    std::mutex mutex_;        ///< Guards parts_, which ends with the thread.
    Parts* parts_ = nullptr;
};

}  // namespace ringtime::runtime
