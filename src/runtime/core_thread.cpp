#include "runtime/core_thread.h"

#include <pthread.h>
#include <sched.h>

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <functional>

#include "base/log.h"
#include "exchange/http_client.h"
#include "hook/crash_note.h"
#include "hook/reactor_port.h"

namespace ringtime::runtime {
namespace {

constexpr Nanoseconds kLookAgain = 50 * kNanosecondsPerMillisecond;
// After everything was cut, the time the kernel has to give operations back.
constexpr Nanoseconds kTeardown = 2 * kNanosecondsPerSecond;
// Between two looks at a core that was asked for something: it may have ended meanwhile.
constexpr auto kAskAgain = std::chrono::milliseconds(20);

site::CacheOptions site_cache_options(site::Compressor& compressor) {
    site::CacheOptions options;
    options.compressor = &compressor;
    return options;
}

}  // namespace

struct CoreThread::Parts {
    explicit Parts(ring::Ring& kernel_ring, CoreThread& thread)
        : reactor(kernel_ring, thread.options_.index),
          io(reactor),
          upstreams(io, &thread.shared_.handover),
          workers(reactor, thread.shared_.supervisor),
          sites(reactor, site_cache_options(thread.shared_.compressor)),
          hook_port(reactor),
          client(io, upstreams, thread.shared_.hooks),
          core(io, upstreams, workers, sites, thread.shared_.hooks, thread.shared_.access_log,
               thread.shared_.readiness, thread.options_.settings) {
        thread.shared_.hooks.attach(hook_port);
    }
    ~Parts() { core.hooks.detach(); }

    loop::Reactor reactor;
    net::Io io;
    upstream::CorePool upstreams;
    worker::CorePool workers;
    site::SiteCache sites;
    hook::ReactorPort hook_port;
    exchange::HttpClient client;
    exchange::Core core;
    std::vector<hook::PluginSet*> plugins;  ///< Started here, the oldest first.
    Nanoseconds abort_at = UINT64_MAX;
    bool draining = false;
};

CoreThread::CoreThread(const CoreOptions& options, const CoreShared& shared)
    : options_(options), shared_(shared) {}

CoreThread::~CoreThread() { join(); }

void CoreThread::join() {
    if (!thread_.joinable()) return;
    let_go_.set_value();
    thread_.join();
}

bool CoreThread::start(std::string& problem) {
    std::promise<std::string> started;
    std::future<std::string> outcome = started.get_future();
    finished_.store(false);
    thread_ =
        std::thread([this, promise = std::move(started)]() mutable { run(std::move(promise)); });
    problem = outcome.get();
    return problem.empty();
}

void CoreThread::pin_thread() const {
    std::string name = fmt::format("core {}", options_.index);
    ::pthread_setname_np(::pthread_self(), name.c_str());
    if (options_.cpu < 0) return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(options_.cpu), &set);
    if (::pthread_setaffinity_np(::pthread_self(), sizeof set, &set) != 0)
        log_format(LogLevel::warn, "core", "cannot pin core {} to CPU {}", options_.index,
                   options_.cpu);
}

void CoreThread::run(std::promise<std::string> started) {
    pin_thread();
    hook::prepare_crash_note();
    std::string problem;
    std::unique_ptr<ring::Ring> kernel_ring = ring::Ring::open({}, problem);
    if (!kernel_ring) {
        finished_.store(true);
        return started.set_value(problem);
    }
    {
        Parts parts(*kernel_ring, *this);
        parts_ = &parts;
        started.set_value({});
        loop(parts);
        leave(parts);
        {
            std::lock_guard lock(mutex_);
            parts_ = nullptr;
        }
        parts.reactor.turn(0);  // Behind the last that could be posted.
        finished_.store(true);
        let_go_.get_future().wait();  // Until then threads of plugins may post to the reactor.
    }
}

void CoreThread::loop(Parts& parts) {
    auto over = [&] { return parts.core.drained() && parts.upstreams.drained(); };
    while (!parts.draining || !over()) {
        parts.reactor.turn(parts.draining ? kLookAgain : kNanosecondsPerSecond);
        Nanoseconds now = parts.reactor.now();
        if (now >= parts.abort_at) {
            log_format(LogLevel::warn, "core", "core {}: cutting what has not finished",
                       options_.index);
            parts.core.abort_all();
            parts.abort_at = UINT64_MAX;
        }
        // The last request is over: what plugins ask of other servers must not hold us up.
        if (parts.draining && parts.core.drained()) {
            for (hook::PluginSet* set : parts.plugins) set->close_core(options_.index);
        }
        if (parts.draining) parts.upstreams.drain();
    }
}

// After the last request: plugins hear of it, workers are let go of.
void CoreThread::leave(Parts& parts) {
    for (hook::PluginSet* set : parts.plugins) set->close_core(options_.index);
    auto quiet = [&] {
        return std::all_of(
            parts.plugins.begin(), parts.plugins.end(),
            [&](const hook::PluginSet* set) { return set->quiet(options_.index); });
    };
    Nanoseconds give_up = parts.reactor.now() + kTeardown;
    while (!quiet() && parts.reactor.now() < give_up) parts.reactor.turn(kLookAgain);
    for (auto set = parts.plugins.rbegin(); set != parts.plugins.rend(); ++set)
        (*set)->stop_core(options_.index);
    parts.workers.close();
    while (!parts.workers.closed()) parts.reactor.turn(kLookAgain);
    parts.upstreams.leave();
}

hook::CoreStart CoreThread::start_plugins(hook::PluginSet& plugins) {
    hook::CoreStart started;
    bool ran = call([&](Parts& parts) {
        parts.plugins.push_back(&plugins);
        started = plugins.start_core(options_.index);
    });
    started.must_abort = started.must_abort || !ran;
    return started;
}

void CoreThread::end_streams(hook::PluginSet& plugins, hook::OtherSets others) {
    call([&](Parts&) { plugins.end_streams(options_.index, others); });
}

// What the plugins have under way comes back to the core first, as far as it comes in time.
void CoreThread::stop_plugins(hook::PluginSet& plugins, hook::OtherSets others) {
    if (!call([&](Parts&) { plugins.close_core(options_.index, others); })) return;
    Nanoseconds give_up = monotonic_now() + kTeardown;
    auto quiet = [&] {
        bool is_quiet = true;
        call([&](Parts&) { is_quiet = plugins.quiet(options_.index, others); });
        return is_quiet;
    };
    while (!quiet() && monotonic_now() < give_up) {
        // tidy: allow(sleep) the poll of what a core counts, with a deadline
        std::this_thread::sleep_for(kAskAgain);
    }
    call([&](Parts& parts) {
        plugins.stop_core(options_.index, others);
        std::erase(parts.plugins, &plugins);
    });
}

void CoreThread::forget(const std::vector<const upstream::Upstream*>& upstreams,
                        std::vector<const upstream::Upstream*>& left) {
    call([&](Parts& parts) {
        for (const upstream::Upstream* upstream : upstreams) {
            if (!parts.upstreams.forget(*upstream)) left.push_back(upstream);
        }
    });
}

bool CoreThread::cut(const exchange::Snapshot& snapshot, const exchange::Ending& ending) {
    bool none = true;
    call([&](Parts& parts) { none = parts.core.cut(snapshot, ending); });
    return none;
}

void CoreThread::flush() {
    call([](Parts&) {});
}

bool CoreThread::post_surely(const std::function<void(Parts&)>& work) {
    while (!post(work)) {
        if (finished()) return false;
        // tidy: allow(sleep) a full mailbox is emptied by nothing we could wait for
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
}

bool CoreThread::call(const std::function<void(Parts&)>& work) {
    // Shared: the core may set it after we have given up on a core that ends.
    auto done = std::make_shared<std::promise<void>>();
    std::future<void> outcome = done->get_future();
    bool posted = post_surely([&work, done](Parts& parts) {
        work(parts);
        done->set_value();
    });
    if (!posted) return false;
    while (outcome.wait_for(kAskAgain) != std::future_status::ready) {
        // A core that has ended runs nothing any more; what it ran, it ran before it said so.
        if (finished())
            return outcome.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    }
    return true;
}

bool CoreThread::post(std::function<void(Parts&)> work) {
    struct Task {
        Parts* parts;
        std::function<void(Parts&)> work;
    };
    std::lock_guard lock(mutex_);
    if (!parts_) return false;
    auto* task = new Task{parts_, std::move(work)};
    loop::Message message;
    message.context = task;
    message.function = [](void* context, uint64_t) noexcept {
        std::unique_ptr<Task> owned(static_cast<Task*>(context));
        owned->work(*owned->parts);
    };
    if (parts_->reactor.post(message)) return true;
    delete task;
    return false;
}

void CoreThread::listen(std::vector<ListenOn> sockets) {
    post_surely([sockets = std::move(sockets)](Parts& parts) {
        for (const ListenOn& socket : sockets) parts.core.add_listener(socket.fd, socket.preface);
    });
}

void CoreThread::listen_for_operator(int socket) {
    post([socket](Parts& parts) { parts.core.add_admin_listener(socket); });
}

void CoreThread::serve_api(exchange::ApiService& api) {
    post([&api](Parts& parts) { parts.core.api = &api; });
}

std::optional<CoreReport> CoreThread::report(Milliseconds limit) {
    auto answer = std::make_shared<std::promise<CoreReport>>();
    std::future<CoreReport> outcome = answer->get_future();
    post([answer = std::move(answer)](Parts& parts) {
        answer->set_value({parts.reactor.core(), parts.core.connection_count(),
                           parts.core.counters.totals(), parts.reactor.counters()});
    });
    if (outcome.wait_for(std::chrono::milliseconds(limit)) != std::future_status::ready) return {};
    try {
        return outcome.get();
    } catch (const std::future_error&) {
        return {};  // The core has ended: nobody will ever answer.
    }
}

void CoreThread::use(std::shared_ptr<const exchange::Snapshot> snapshot) {
    post_surely([snapshot = std::move(snapshot)](Parts& parts) { parts.core.use(snapshot); });
}

void CoreThread::drain(Milliseconds deadline_ms) {
    post_surely([deadline_ms](Parts& parts) {
        parts.draining = true;
        parts.abort_at = parts.reactor.now() + from_milliseconds(deadline_ms);
        parts.core.drain();
        for (hook::PluginSet* set : parts.plugins) set->end_streams(parts.core.hooks.index());
    });
}

void CoreThread::abort() { drain(0); }

}  // namespace ringtime::runtime
