#include "runtime/reload_attempt.h"

#include <fmt/core.h>

#include <algorithm>
#include <thread>
#include <tuple>
#include <unordered_map>

#include "base/log.h"
#include "runtime/changes.h"
#include "runtime/compile.h"
#include "runtime/packages.h"

namespace ringtime::runtime {
namespace {

constexpr auto kLookAgain = std::chrono::milliseconds(5);
constexpr Nanoseconds kRestWait = 2 * kNanosecondsPerSecond;
/// For the names of new upstreams; what has none then is skipped until it has, as at the start.
constexpr Nanoseconds kNamesWait = 3 * kNanosecondsPerSecond;

bool has_errors(const ReloadReport& report) {
    return std::any_of(report.problems.begin(), report.problems.end(), [](const auto& problem) {
        return problem.severity == config::Severity::error;
    });
}

bool unresolved(upstream::Upstream& upstream) {
    for (size_t i = 0; i < upstream.size(); ++i) {
        if (upstream.server(i).needs_resolving() && !upstream.server(i).addresses()) return true;
    }
    return false;
}

}  // namespace

ReloadAttempt::ReloadAttempt(const Ground& ground, ReloadReport& report)
    : ground_(ground), report_(report) {}

bool ReloadAttempt::compile() {
    config::LoadResult loaded = config::load_configuration(ground_.parts.environment);
    config::Diagnostics compiling;
    Compiled compiled;
    if (loaded.diagnostics.ok())
        compiled = compile_configuration(loaded.configuration, ground_.before.epoch + 1, compiling);
    for (const config::Diagnostics* from : {&loaded.diagnostics, &compiling})
        report_.problems.insert(report_.problems.end(), from->list().begin(), from->list().end());
    std::stable_sort(report_.problems.begin(), report_.problems.end(),
                     [](const config::Diagnostic& a, const config::Diagnostic& b) {
                         return std::tie(a.file, a.line, a.column) <
                                std::tie(b.file, b.line, b.column);
                     });
    if (!compiled.snapshot)
        return !has_errors(report_) && refuse(nullptr, "it cannot be compiled", {});
    next_ = std::make_shared<Published>();
    next_->epoch = ground_.before.epoch + 1;
    next_->configuration = std::move(loaded.configuration);
    next_->snapshot = std::move(compiled.snapshot);
    next_->apps = std::move(compiled.apps);
    describe_changes(ground_.before, *next_, report_);
    warn_of_fixed_settings(ground_.before.configuration.settings, next_->configuration.settings,
                           report_);
    carry_over();
    return true;
}

// An upstream that is the same keeps its connections and what is known of its servers, a site its
// files in memory and what is known of its releases.
void ReloadAttempt::carry_over() {
    std::unordered_map<std::string, std::shared_ptr<site::Site>> sites;
    for (const auto& site : ground_.before.snapshot->sites) sites.emplace(site->identity(), site);
    for (auto& site : next_->snapshot->sites) {
        auto same = sites.find(site->identity());
        if (same != sites.end()) site = same->second;
    }
    std::unordered_multimap<std::string, std::shared_ptr<upstream::Upstream>> known;
    for (const auto& upstream : ground_.before.snapshot->upstreams)
        known.emplace(upstream->spec().name, upstream);
    for (auto& upstream : next_->snapshot->upstreams) {
        auto [first, last] = known.equal_range(upstream->spec().name);
        auto same = std::find_if(first, last, [&](const auto& entry) {
            return entry.second->spec() == upstream->spec();
        });
        if (same != last) upstream = same->second;
    }
}

const config::Package* ReloadAttempt::package_of(std::string_view name,
                                                 config::PackageKind kind) const {
    for (const config::Package& package : next_->configuration.packages) {
        bool is_it = *package.manifest.name == name &&
                     (kind == config::PackageKind::app ? package.manifest.is_worker()
                                                       : !package.plugin_entry_file.empty());
        if (is_it) return &package;
    }
    return nullptr;
}

// Always false.
bool ReloadAttempt::refuse(const config::Package* package, std::string text, std::string remedy) {
    config::Diagnostic problem;
    problem.text = std::move(text);
    problem.remedy = std::move(remedy);
    if (package) {
        const config::Manifest& manifest = package->manifest;
        config::Position at = manifest.plugin_entry.given() ? manifest.plugin_entry.at
                              : manifest.entrypoint.given() ? manifest.entrypoint.at
                                                            : manifest.at;
        problem.file = manifest.file;
        problem.line = at.line;
        problem.column = at.column;
    }
    report_.problems.push_back(std::move(problem));
    return false;
}

// --- Plugins ---

bool ReloadAttempt::load_plugins() {
    const config::Settings& settings = next_->configuration.settings;
    hook::LoadOptions options;
    options.init_limit = settings.timeouts.plugin_init_ms;
    options.shutdown_limit = settings.timeouts.plugin_shutdown_ms;
    options.previous = ground_.before.snapshot->plugins.get();
    options.settled = [this](hook::Plugin&) { return flush_cores(); };
    hook::LoadResult loaded =
        hook::load_plugins(plugin_specs(next_->configuration), ground_.parts.hook_cores, options);
    for (const hook::PluginProblem& trouble : loaded.problems) {
        refuse(package_of(trouble.plugin, config::PackageKind::plugin),
               fmt::format("plugin {}: {}", trouble.plugin, trouble.cause), trouble.remedy);
        // With `onFailure: isolate` the rest goes on without it.
        if (loaded.set) report_.problems.back().severity = config::Severity::warning;
    }
    if (!loaded.set) return false;
    reconfigured_ = std::move(loaded.reconfigured);
    next_->snapshot->plugins = std::move(loaded.set);
    share_unchanged_set();
    return start_plugins();
}

// The same plugins in the same order are the same set, with the chains that requests hold.
void ReloadAttempt::share_unchanged_set() {
    const auto& before = ground_.before.snapshot->plugins;
    auto& mine = next_->snapshot->plugins;
    if (before->plugins() != mine->plugins()) return;
    const hook::PluginSet* keeper[] = {before.get()};
    (void)mine->shut_down(keeper);
    mine = before;
}

bool ReloadAttempt::start_plugins() {
    hook::PluginSet& set = *next_->snapshot->plugins;
    if (&set == ground_.before.snapshot->plugins.get()) return true;
    bool good = true;
    for (auto& core : ground_.parts.cores) {
        hook::CoreStart started = core->start_plugins(set);
        for (const hook::PluginProblem& trouble : started.problems) {
            refuse(package_of(trouble.plugin, config::PackageKind::plugin),
                   fmt::format("plugin {}: {}", trouble.plugin, trouble.cause), trouble.remedy);
            if (!started.must_abort) report_.problems.back().severity = config::Severity::warning;
        }
        good = good && !started.must_abort;
    }
    return good;
}

// --- Workers ---

bool ReloadAttempt::start_workers() {
    std::vector<uint32_t> numbers;
    const Published& before = ground_.before;
    ground_.parts.main.call([&] {
        for (const worker::AppSpec& spec : next_->apps) {
            auto same = std::find(before.apps.begin(), before.apps.end(), spec);
            if (same != before.apps.end()) {
                numbers.push_back(
                    before.app_numbers[static_cast<size_t>(same - before.apps.begin())]);
                continue;
            }
            uint32_t number = ground_.parts.supervisor.add(spec);
            if (number == worker::Supervisor::no_app) return;
            started_.push_back(number);
            numbers.push_back(number);
        }
    });
    if (numbers.size() < next_->apps.size())
        return refuse(nullptr, "there are too many worker apps, with those that still end",
                      "have fewer, or reload again later");
    connect_apps(numbers, *next_->snapshot);
    next_->app_numbers = std::move(numbers);
    return wait_for_workers();
}

bool ReloadAttempt::wait_for_workers() {
    worker::Supervisor& supervisor = ground_.parts.supervisor;
    uint64_t limit = next_->configuration.settings.timeouts.worker_ready_ms;
    Nanoseconds deadline = monotonic_now() + from_milliseconds(limit);
    for (uint32_t number : started_) {
        worker::AppState& app = supervisor.app(number);
        while (app.spec.workers > 0 && !supervisor.ready(number)) {
            if (ground_.stopping.load()) return refuse(nullptr, "the gateway is ending", {});
            bool hopeless = app.hopeless.load() != 0;
            if (hopeless || monotonic_now() > deadline) {
                std::string why;
                ground_.parts.main.call([&] { why = supervisor.problem_of(number); });
                if (why.empty()) why = fmt::format("it was not ready within {} ms", limit);
                return refuse(package_of(app.spec.name, config::PackageKind::app),
                              fmt::format("app {} does not start: {}", app.spec.name, why),
                              "see the lines it logged");
            }
            // tidy: allow(sleep) the poll of a word that the main thread sets, with a deadline
            std::this_thread::sleep_for(kLookAgain);
        }
    }
    wait_for_rest(std::min(deadline, monotonic_now() + kRestWait));
    return true;
}

// The others of an app that has one are worth a moment, so that the load does not fall on the
// first; where the pool has no room for them they never come.
void ReloadAttempt::wait_for_rest(Nanoseconds deadline) {
    worker::Supervisor& supervisor = ground_.parts.supervisor;
    auto complete = [&](uint32_t number) {
        worker::AppState& app = supervisor.app(number);
        return app.ready.load() >= app.spec.workers;
    };
    while (!std::all_of(started_.begin(), started_.end(), complete) && monotonic_now() < deadline &&
           !ground_.stopping.load()) {
        // tidy: allow(sleep) the poll of a word that the main thread sets, with a deadline
        std::this_thread::sleep_for(kLookAgain);
    }
}

// What a plugin that never saw a request may have posted has run; it has lent nothing.
bool ReloadAttempt::flush_cores() {
    for (auto& core : ground_.parts.cores) core->flush();
    return true;
}

// --- Publishing ---

// A request must not meet an upstream whose names nobody has looked up yet.
void ReloadAttempt::wait_for_names() {
    auto serving = ground_.before.snapshot->upstreams;
    std::sort(serving.begin(), serving.end());
    std::vector<std::shared_ptr<upstream::Upstream>> fresh;
    for (const auto& upstream : next_->snapshot->upstreams) {
        if (!std::binary_search(serving.begin(), serving.end(), upstream))
            fresh.push_back(upstream);
    }
    auto waiting = [&] {
        return std::any_of(fresh.begin(), fresh.end(),
                           [](const auto& upstream) { return unresolved(*upstream); });
    };
    if (!waiting()) return;
    auto all = fresh;
    all.insert(all.end(), serving.begin(), serving.end());
    ground_.parts.resolver.watch(std::move(all));
    Nanoseconds deadline = monotonic_now() + kNamesWait;
    while (waiting() && monotonic_now() < deadline && !ground_.stopping.load()) {
        // tidy: allow(sleep) the poll of what the resolver's thread sets, with a deadline
        std::this_thread::sleep_for(kLookAgain);
    }
}

std::shared_ptr<Published> ReloadAttempt::publish() {
    wait_for_names();
    connect_plugins(next_->configuration, *next_->snapshot, ground_.parts.counters);
    for (auto& core : ground_.parts.cores) core->use(next_->snapshot);
    for (auto& core : ground_.parts.cores) core->flush();
    published_ = true;
    ground_.parts.main.call([&] { ground_.parts.worker_hooks.use(next_->snapshot); });
    ground_.parts.resolver.watch(next_->snapshot->upstreams);
    ground_.parts.health.watch(next_->snapshot->upstreams);
    ground_.parts.upstream_metrics.watch(next_->snapshot->upstreams);
    next_->snapshot->plugins->server_started(ground_.living);
    end_replaced_streams();
    set_log_level(next_->configuration.settings.log_level);
    return std::move(next_);
}

// Who listens to a plugin that is replaced would hear nothing more, and keep it from ending.
void ReloadAttempt::end_replaced_streams() {
    const hook::PluginSet* serving[] = {next_->snapshot->plugins.get()};
    for (auto& core : ground_.parts.cores)
        core->end_streams(*ground_.before.snapshot->plugins, serving);
}

ReloadAttempt::~ReloadAttempt() {
    if (published_ || !next_) return;
    hook::take_back(reconfigured_, next_->configuration.settings.timeouts.plugin_init_ms);
    if (!started_.empty()) {
        ground_.parts.main.call([&] {
            for (uint32_t number : started_)
                ground_.parts.supervisor.remove(number, monotonic_now());  // Nobody knows them.
        });
    }
    auto& set = next_->snapshot->plugins;
    if (!set || set == ground_.before.snapshot->plugins) return;
    for (auto& core : ground_.parts.cores) core->stop_plugins(*set, ground_.living);
    auto settled = [this](hook::Plugin&) { return flush_cores(); };
    for (const hook::PluginProblem& trouble : set->shut_down(ground_.living, settled))
        log_line(LogLevel::warn, "plugin", trouble.text());
}

}  // namespace ringtime::runtime
