#include "runtime/server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "runtime/snapshot_builder.h"

namespace ringtime::runtime {
namespace {

constexpr int kPollMs = 50;
// Beyond the drain time, for cores to take back what the kernel holds.
constexpr uint64_t kTeardownMs = 3000;

// The CPUs this process may run on.
std::vector<int> allowed_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    std::vector<int> cpus;
    if (::sched_getaffinity(0, sizeof set, &set) == 0) {
        for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
            if (CPU_ISSET(static_cast<unsigned>(cpu), &set)) cpus.push_back(cpu);
        }
    }
    return cpus;
}

sigset_t handled_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (int signal : {SIGTERM, SIGINT, SIGUSR1, SIGHUP}) sigaddset(&set, signal);
    return set;
}

}  // namespace

Server::Server(config::Configuration configuration)
    : configuration_(std::move(configuration)), access_log_(configuration_.settings.access_log) {}

Server::~Server() = default;

std::string_view Server::not_ready_because() const noexcept {
    return ready_.load() ? std::string_view{} : std::string_view("starting\n");
}

// Growing the descriptor table later would stall a core for tens of milliseconds each time it doubles.
void Server::raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
    rlim_t top = limit.rlim_cur < limits::descriptors_pregrown_max ? limit.rlim_cur
                                                                   : limits::descriptors_pregrown_max;
    int highest = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, static_cast<int>(top) - 1);
    if (highest >= 0) ::close(highest);
}

bool Server::start_cores(std::string& problem) {
    const config::Settings& settings = configuration_.settings;
    std::vector<int> cpus = allowed_cpus();
    if (!settings.cores.cpus.empty()) cpus.assign(settings.cores.cpus.begin(), settings.cores.cpus.end());
    size_t count = settings.cores.count != 0 ? settings.cores.count : cpus.size();
    if (!settings.cores.cpus.empty()) count = cpus.size();
    if (count > limits::cores_max) count = limits::cores_max;
    for (size_t i = 0; i < count; ++i) {
        CoreOptions options;
        options.index = static_cast<unsigned>(i);
        options.cpu = i < cpus.size() ? cpus[i] : -1;
        options.settings.connections_max = settings.limits.connections;
        options.settings.access_log = settings.access_log.kind != config::AccessLog::Kind::off;
        cores_.push_back(std::make_unique<CoreThread>(options, access_log_.add_core(), *this));
    }
    for (auto& core : cores_) {
        if (!core->start(snapshot_, problem)) return false;
    }
    return true;
}

bool Server::start(std::string& problem) {
    raise_descriptor_limit();
    config::Diagnostics diagnostics;
    snapshot_ = build_snapshot(configuration_, 1, diagnostics);
    for (const config::Diagnostic& diagnostic : diagnostics.list())
        fmt::print(stderr, "{}\n", config::render(diagnostic));
    if (!snapshot_) {
        problem = "the configuration has errors";
        return false;
    }
    if (!open_listeners(configuration_.settings.listen, listeners_, problem)) return false;
    if (!access_log_.open(problem)) return false;
    resolver_.watch(snapshot_->upstreams);
    if (!start_cores(problem)) return false;
    access_log_.start();
    std::vector<int> sockets;
    for (const ListenSocket& listener : listeners_) sockets.push_back(listener.fd.get());
    for (auto& core : cores_) core->listen(sockets);
    ready_.store(true);
    for (const ListenSocket& listener : listeners_)
        log_format(LogLevel::info, "server", "listening on {} with {} core{}", listener.text,
                   cores_.size(), cores_.size() == 1 ? "" : "s");
    return true;
}

int Server::run() {
    // Before any thread: all of them inherit the mask, so that signals arrive here only.
    sigset_t set = handled_signals();
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    std::string problem;
    int result = 1;
    if (start(problem)) {
        result = wait_for_signals();
    } else {
        log_line(LogLevel::error, "server", problem);
    }
    stop_everything();
    return result;
}

int Server::wait_for_signals() {
    sigset_t set = handled_signals();
    Fd signals(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    for (;;) {
        pollfd ready{signals.get(), POLLIN, 0};
        if (::poll(&ready, 1, -1) <= 0) continue;
        signalfd_siginfo info{};
        if (::read(signals.get(), &info, sizeof info) != sizeof info) continue;
        switch (static_cast<int>(info.ssi_signo)) {
            case SIGUSR1: access_log_.reopen(); break;
            case SIGHUP:
                log_line(LogLevel::warn, "server", "reloading is not available; restart to apply changes");
                break;
            default: return drain(signals.get());
        }
    }
}

// Finishes what is running. A second signal ends without waiting, with exit code 2.
int Server::drain(int signals) {
    uint64_t time = configuration_.settings.drain_ms;
    log_format(LogLevel::info, "server", "draining for up to {} ms; a second signal forces the end", time);
    ready_.store(false);
    for (auto& core : cores_) core->drain(time);
    Nanoseconds give_up = monotonic_now() + from_milliseconds(time + kTeardownMs);
    for (;;) {
        bool finished = true;
        for (auto& core : cores_) finished = finished && core->finished();
        if (finished) return 0;
        pollfd ready{signals, POLLIN, 0};
        signalfd_siginfo info{};
        if (::poll(&ready, 1, kPollMs) > 0 && ::read(signals, &info, sizeof info) == sizeof info &&
            (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)) {
            log_line(LogLevel::warn, "server", "forced: requests in progress are cut");
            for (auto& core : cores_) core->abort();
            for (auto& core : cores_) core->join();
            return 2;
        }
        if (monotonic_now() > give_up) {
            log_line(LogLevel::error, "server", "cores did not finish; ending the process");
            ::_exit(2);
        }
    }
}

void Server::stop_everything() {
    for (auto& core : cores_) {
        if (!core->finished()) core->abort();
    }
    for (auto& core : cores_) core->join();
    cores_.clear();
    access_log_.stop();
}

}  // namespace ringtime::runtime
