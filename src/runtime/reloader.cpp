#include "runtime/reloader.h"

#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <utility>

#include "base/log.h"
#include "runtime/reload_attempt.h"

namespace ringtime::runtime {
namespace {

// Below the cores: compiling must not cost a request anything (Linux: nice is per thread).
constexpr int kNice = 10;
constexpr size_t kProblemsLogged = 50;

ReloadReport refusal(ReloadKind kind, std::string text, std::string remedy) {
    ReloadReport report;
    report.kind = kind;
    config::Diagnostic problem;
    problem.file = "reload";
    problem.text = std::move(text);
    problem.remedy = std::move(remedy);
    report.problems.push_back(std::move(problem));
    return report;
}

}  // namespace

Reloader::Reloader(const ReloadParts& parts)
    : parts_(parts), retirement_({parts.cores, parts.supervisor, parts.main}) {}

Reloader::~Reloader() {
    stop();
    if (thread_.joinable()) thread_.join();
}

void Reloader::start(std::shared_ptr<Published> first) {
    current_ = std::move(first);
    stopped_.store(false);
    thread_ = std::thread([this] { run(); });
}

void Reloader::stop() {
    {
        std::lock_guard lock(mutex_);
        stopping_.store(true);
    }
    changed_.notify_all();
}

void Reloader::request(ReloadKind kind, Done done) {
    std::string_view why;
    {
        std::lock_guard lock(mutex_);
        if (stopping_.load() || !current_) {
            why = current_ ? "the gateway is ending" : "the gateway is starting";
        } else if (waiting_.size() == waiting_max) {
            why = "too many reloads wait already";
        } else {
            waiting_.push_back({kind, std::move(done)});
        }
    }
    if (!why.empty()) return done(refusal(kind, std::string(why), "ask again later"));
    changed_.notify_all();
}

ReloadReport Reloader::reload(ReloadKind kind) {
    std::promise<ReloadReport> answer;
    request(kind, [&](const ReloadReport& report) { answer.set_value(report); });
    return answer.get_future().get();
}

std::shared_ptr<const Published> Reloader::current() const {
    std::lock_guard lock(mutex_);
    return current_;
}

void Reloader::run() {
    ::pthread_setname_np(::pthread_self(), "control");
    ::setpriority(PRIO_PROCESS, 0, kNice);
    std::unique_lock lock(mutex_);
    auto something = [&] { return stopping_.load() || !waiting_.empty(); };
    while (!stopping_.load()) {
        if (retirement_.empty()) {
            changed_.wait(lock, something);
        } else {
            changed_.wait_for(lock, std::chrono::milliseconds(retirement_.pause()), something);
        }
        if (stopping_.load()) break;
        std::vector<Request> served;
        if (!waiting_.empty()) {
            ReloadKind kind = waiting_.front().kind;
            auto other = std::stable_partition(waiting_.begin(), waiting_.end(),
                                               [&](const Request& r) { return r.kind == kind; });
            std::move(waiting_.begin(), other, std::back_inserter(served));
            waiting_.erase(waiting_.begin(), other);
        }
        lock.unlock();
        if (!served.empty()) {
            bool applies = served.front().kind == ReloadKind::apply;
            if (applies) parts_.manager.reloading();
            ReloadReport report = work(served.front().kind);
            if (applies && !stopping_.load()) parts_.manager.ready();
            for (Request& request : served) request.done(report);
        }
        retirement_.tend(*current_);
        lock.lock();
    }
    std::deque<Request> left = std::move(waiting_);
    lock.unlock();
    for (Request& request : left)
        request.done(refusal(request.kind, "the gateway is ending", {}));
    stopped_.store(true);
}

ReloadReport Reloader::work(ReloadKind kind) {
    Nanoseconds began = monotonic_now();
    ReloadReport report;
    report.kind = kind;
    // Only this thread changes what is in force.
    Published& before = *current_;
    {
        ReloadAttempt attempt({parts_, before, retirement_.living(before), stopping_},
                              report);
        bool good = attempt.compile();
        if (kind == ReloadKind::dry_run) {
            report.ok = good;
        } else if (good && attempt.load_plugins() && attempt.start_workers() && !stopping_.load()) {
            publish(attempt.publish());
            report.ok = true;
        }
    }
    report.epoch = current_->epoch;
    report.duration_ms = (monotonic_now() - began) / kNanosecondsPerMillisecond;
    log_outcome(report);
    return report;
}

// Who reloads by a signal reads the log.
void Reloader::log_outcome(const ReloadReport& report) {
    std::string_view prefix = report.kind == ReloadKind::dry_run ? "dry run: " : "";
    size_t lines = std::min(report.problems.size(), kProblemsLogged);
    bool first = true;
    for (size_t i = 0; i < lines; ++i) {
        const config::Diagnostic& problem = report.problems[i];
        bool error = problem.severity == config::Severity::error;
        // The summary says the first error.
        if (error && !report.ok && std::exchange(first, false)) continue;
        log_line(error ? LogLevel::error : LogLevel::warn, "reload", config::render(problem));
    }
    log_format(report.ok ? LogLevel::info : LogLevel::error, "reload", "{}{}", prefix,
               report.summary());
}

void Reloader::publish(std::shared_ptr<Published> next) {
    std::shared_ptr<Published> old;
    {
        std::lock_guard lock(mutex_);
        old = std::exchange(current_, std::move(next));
    }
    retirement_.add(std::move(old));
}

void Reloader::shut_down() {
    if (thread_.joinable()) thread_.join();
    std::vector<std::shared_ptr<Published>> all = retirement_.take_all();
    if (current_) all.push_back(current_);
    // Nobody calls them any more: each of them is shut down once, whoever shares it.
    for (auto generation = all.rbegin(); generation != all.rend(); ++generation) {
        for (const hook::PluginProblem& trouble : (*generation)->snapshot->plugins->shut_down())
            log_line(LogLevel::warn, "plugin", trouble.text());
    }
}

}  // namespace ringtime::runtime
