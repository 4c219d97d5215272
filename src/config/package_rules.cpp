// Rules between packages: each looks at all of them and names both places of a conflict.

#include <fmt/core.h>

#include <algorithm>
#include <queue>
#include <unordered_map>

#include "config/package_parts.h"
#include "config/words.h"

namespace ringtime::config {
namespace {

std::string place_text(const Package& package, Position at) {
    return fmt::format("{}:{}:{}", package.manifest.file, at.line, at.column);
}

Position base_position(const Package& package) noexcept {
    return package.manifest.base.given() ? package.manifest.base.at : package_position(package);
}

// --- Names ---

/// Plugins and mounts have one instance; apps one per version.
void check_names(const std::vector<Package>& packages, Diagnostics& diagnostics) {
    std::unordered_map<std::string, const Package*> by_name;
    std::unordered_map<std::string, const Package*> by_version;
    auto report = [&](const Package& package, const Package& other, std::string_view what) {
        diagnostics.error(
            package.manifest.file, package_position(package), std::string(what),
            fmt::format("the other is {}", place_text(other, package_position(other))));
    };
    for (const Package& package : packages) {
        const Manifest& manifest = package.manifest;
        if (manifest.short_name.empty()) continue;
        auto [named, is_new] = by_name.try_emplace(*manifest.name, &package);
        const Package& other = *named->second;
        bool both_apps = package.kind == PackageKind::app && other.kind == PackageKind::app;
        if (!is_new && !both_apps) {
            report(package, other, fmt::format("name: {} is taken", quote(*manifest.name)));
            continue;
        }
        if (package.kind != PackageKind::app) continue;
        std::string key = *manifest.name + "@" + version_text(*manifest.version);
        auto [versioned, is_first] = by_version.try_emplace(key, &package);
        if (!is_first)
            report(package, *versioned->second, fmt::format("{} is there twice", quote(key)));
    }
}

// --- Bases ---

void check_reserved(const Package& package, const Settings& settings, Diagnostics& diagnostics) {
    const std::string& base = *package.manifest.base;
    if (base.empty()) return;
    const std::string api = settings.api_base();
    for (std::string_view reserved :
         {std::string_view(api), std::string_view("/health"), std::string_view("/ready"),
          std::string_view("/.well-known/ringtime")}) {
        if (!is_under(base, reserved)) continue;
        std::string remedy = reserved == api
                                 ? "choose another, or move the API with RUNTIME_API_PREFIX"
                                 : "choose another";
        diagnostics.error(
            package.manifest.file, base_position(package),
            fmt::format("base: {} is reserved for the gateway ({})", quote(base), reserved),
            std::move(remedy));
        return;
    }
}

/// One host and base has one package; versions of one app share theirs.
void check_bases(const std::vector<Package>& packages, Diagnostics& diagnostics) {
    std::unordered_map<std::string, const Package*> taken;
    taken.reserve(packages.size());
    for (const Package& package : packages) {
        const Manifest& manifest = package.manifest;
        if (manifest.base->empty()) continue;
        static const std::vector<Located<std::string>> every_host(1);
        for (const auto& host : manifest.hosts.empty() ? every_host : manifest.hosts) {
            auto [entry, is_new] = taken.try_emplace(*host + *manifest.base, &package);
            const Package& other = *entry->second;
            bool one_app = package.kind == PackageKind::app && other.kind == PackageKind::app &&
                           *manifest.name == *other.manifest.name;
            if (is_new || one_app) continue;
            std::string where =
                host->empty() ? std::string{} : fmt::format(" of host {}", quote(*host));
            diagnostics.error(
                manifest.file, base_position(package),
                fmt::format("base: {}{} is taken by {}", quote(*manifest.base), where,
                            quote(*other.manifest.name)),
                fmt::format("the other is {}", place_text(other, base_position(other))));
        }
    }
}

// --- What the operator must allow ---

void check_public_routes(const Package& package, const Settings& settings,
                         Diagnostics& diagnostics) {
    // An app's globs are below its base by their form; a mount is the operator's own word.
    if (package.kind != PackageKind::plugin) return;
    const Manifest& manifest = package.manifest;
    auto grant = settings.public_routes.find(*manifest.name);
    for (const PublicRoute& route : manifest.public_routes) {
        const std::string& glob = *route.glob;
        bool inside =
            *manifest.base == "/" || (!manifest.base->empty() && is_under(glob, *manifest.base));
        if (inside) continue;
        bool granted = grant != settings.public_routes.end() &&
                       std::any_of(grant->second.globs.begin(), grant->second.globs.end(),
                                   [&](const std::string& g) { return g == glob || g == "**"; });
        if (granted) continue;
        diagnostics.error(manifest.file, route.glob.at,
                          fmt::format("publicRoutes: {} is outside the plugin's base", quote(glob)),
                          fmt::format("allow it in RUNTIME_CONFIG: allowPublicRoutes: {{{}: [{}]}}",
                                      quote(*manifest.name), quote(glob)));
    }
}

void apply_grants(Package& package, const Settings& settings, Diagnostics& diagnostics) {
    Manifest& manifest = package.manifest;
    auto grant = settings.apps.find(*manifest.name);
    if (grant != settings.apps.end()) {
        for (const auto& [name, value] : grant->second.env) {
            auto same_name = [&name = name](const auto& variable) {
                return variable.first == name;
            };
            std::erase_if(manifest.env, same_name);
            manifest.env.emplace_back(name, value);
            std::erase(manifest.env_blocked, name);
        }
    }
    // A site has no worker, and its page sees PUBLIC_* and VITE_* only.
    if (manifest.env_blocked.empty() || !manifest.is_worker()) return;
    std::string names;
    for (const std::string& name : manifest.env_blocked)
        names += (names.empty() ? "" : ", ") + name;
    diagnostics.warning(
        manifest.file, manifest.env_at,
        fmt::format("env: kept from the worker, they look like secrets: {}", names),
        fmt::format("allow them in RUNTIME_CONFIG under apps: {}: env:", quote(*manifest.name)));
}

/// Instances that are to be kept warm and never will be. What ephemeral apps keep is left out: it
/// gives way to others.
void check_pool(const std::vector<Package>& packages, const Settings& settings,
                Diagnostics& diagnostics) {
    uint64_t wanted = 0;
    const Package* most = nullptr;
    for (const Package& package : packages) {
        const WorkerOptions& worker = package.manifest.worker;
        if (!package.manifest.is_worker() || worker.ephemeral()) continue;
        wanted += std::max<uint64_t>(*worker.workers, 1);  // `auto` is known on the machine only.
        if (!most || *worker.workers > *most->manifest.worker.workers) most = &package;
    }
    if (wanted <= settings.pool_size) return;
    const Located<uint64_t>& workers = most->manifest.worker.workers;
    diagnostics.warning(
        most->manifest.file, workers.given() ? workers.at : package_position(*most),
        fmt::format("workers: all apps together keep {} processes, and RUNTIME_POOL_SIZE is {}",
                    wanted, settings.pool_size),
        "no more than that are started: raise it, or keep fewer");
}

/// A grant for a name nobody has is most likely a slip of the pen.
template <typename Grants>
void check_grant_names(const Grants& grants, std::string_view key,
                       const std::vector<Package>& packages, const std::vector<Package>& disabled,
                       const Settings& settings, Diagnostics& diagnostics) {
    if (grants.empty()) return;
    std::vector<std::string_view> names;
    for (const auto* list : {&packages, &disabled}) {
        for (const Package& package : *list) names.push_back(*package.manifest.name);
    }
    for (const auto& [name, grant] : grants) {
        if (std::find(names.begin(), names.end(), name) != names.end()) continue;
        std::string_view closest = closest_word(name, names);
        diagnostics.warning(
            settings.config_file, grant.at,
            fmt::format("{}: there is no package {}", key, quote(name)),
            closest.empty() ? std::string{} : fmt::format("did you mean \"{}\"?", closest));
    }
}

// --- Order ---

/// The graph of dependencies over packages that are sorted by folder and name already.
class DependencyOrder {
  public:
    DependencyOrder(const std::vector<Package>& packages, const std::vector<Package>& disabled,
                    Diagnostics& diagnostics)
        : packages_(packages),
          disabled_(disabled),
          diagnostics_(diagnostics),
          needed_by_(packages.size()),
          needs_(packages.size()) {
        for (size_t i = 0; i < packages.size(); ++i) {
            const Manifest& manifest = packages[i].manifest;
            by_name_[*manifest.name].push_back(i);
        }
        for (size_t i = 0; i < packages.size(); ++i) {
            add_edges(i, packages[i].manifest.dependencies, Required::yes);
            add_edges(i, packages[i].manifest.optional_dependencies, Required::no);
        }
    }

    /// Kahn's algorithm; of those that are free the first in folder order goes first.
    [[nodiscard]] std::vector<size_t> sorted() {
        std::vector<size_t> missing(packages_.size());
        std::priority_queue<size_t, std::vector<size_t>, std::greater<>> free;
        for (size_t i = 0; i < packages_.size(); ++i) {
            missing[i] = needs_[i].size();
            if (missing[i] == 0) free.push(i);
        }
        std::vector<size_t> order;
        order.reserve(packages_.size());
        while (!free.empty()) {
            size_t next = free.top();
            free.pop();
            order.push_back(next);
            for (size_t dependent : needed_by_[next]) {
                if (--missing[dependent] == 0) free.push(dependent);
            }
        }
        if (order.size() != packages_.size()) report_cycles(missing);
        return order;
    }

  private:
    enum class Required : uint8_t { no, yes };
    struct Edge {
        size_t target;
        Position at;
    };

    void add_edges(size_t from, const std::vector<Located<std::string>>& names, Required required) {
        for (const auto& name : names) {
            auto found = by_name_.find(*name);
            if (found == by_name_.end()) {
                if (required == Required::yes) report_missing(from, name);
                continue;
            }
            for (size_t target : found->second) {
                needs_[from].push_back({target, name.at});
                needed_by_[target].push_back(from);
            }
        }
    }

    void report_missing(size_t from, const Located<std::string>& name) {
        const Package& package = packages_[from];
        auto is_it = [&](const Package& other) { return *other.manifest.name == *name; };
        auto off = std::find_if(disabled_.begin(), disabled_.end(), is_it);
        std::string remedy;
        std::string_view what = "is not there";
        if (off != disabled_.end()) {
            what = "is disabled";
            remedy = fmt::format("see {}", off->manifest.file);
        } else {
            std::vector<std::string_view> names;
            for (const Package& other : packages_) names.push_back(*other.manifest.name);
            std::string_view closest = closest_word(*name, names);
            remedy = closest.empty()
                         ? std::string("install it, or list it under optionalDependencies")
                         : fmt::format("did you mean \"{}\"?", closest);
        }
        diagnostics_.error(package.manifest.file, name.at,
                           fmt::format("dependencies: {} {}", quote(*name), what),
                           std::move(remedy));
    }

    /// Follows what each left-over package still waits for until a name comes again.
    void report_cycles(const std::vector<size_t>& missing) {
        enum class Mark : uint8_t { unseen, on_walk, done };
        std::vector<Mark> marks(packages_.size(), Mark::unseen);
        for (size_t start = 0; start < packages_.size(); ++start) {
            std::vector<Edge> walk;
            size_t here = start;
            while (missing[here] != 0 && marks[here] == Mark::unseen) {
                marks[here] = Mark::on_walk;
                auto waits =
                    std::find_if(needs_[here].begin(), needs_[here].end(),
                                 [&](const Edge& edge) { return missing[edge.target] != 0; });
                walk.push_back({here, waits->at});
                here = waits->target;
            }
            if (missing[here] != 0 && marks[here] == Mark::on_walk) report_cycle(walk, here);
            for (const Edge& step : walk) marks[step.target] = Mark::done;
        }
    }

    void report_cycle(const std::vector<Edge>& walk, size_t first) {
        auto step = std::find_if(walk.begin(), walk.end(),
                                 [&](const Edge& edge) { return edge.target == first; });
        Position at = step->at;
        std::string path;
        for (; step != walk.end(); ++step) path += *packages_[step->target].manifest.name + " -> ";
        path += *packages_[first].manifest.name;
        diagnostics_.error(packages_[first].manifest.file, at,
                           fmt::format("dependencies: a cycle: {}", path), "remove one of them");
    }

    const std::vector<Package>& packages_;
    const std::vector<Package>& disabled_;
    Diagnostics& diagnostics_;
    std::unordered_map<std::string, std::vector<size_t>> by_name_;
    std::vector<std::vector<size_t>> needed_by_;
    std::vector<std::vector<Edge>> needs_;
};

}  // namespace

void check_rules(std::vector<Package>& packages, const std::vector<Package>& disabled,
                 const Settings& settings, Diagnostics& diagnostics) {
    check_names(packages, diagnostics);
    for (Package& package : packages) {
        check_reserved(package, settings, diagnostics);
        check_public_routes(package, settings, diagnostics);
        apply_grants(package, settings, diagnostics);
    }
    check_bases(packages, diagnostics);
    check_pool(packages, settings, diagnostics);
    check_grant_names(settings.apps, "apps", packages, disabled, settings, diagnostics);
    check_grant_names(settings.public_routes, "allowPublicRoutes", packages, disabled, settings,
                      diagnostics);
    if (packages.size() <= limits::mounts_max) return;
    diagnostics.error(settings.config_file, {},
                      fmt::format("there are {} packages", packages.size()),
                      fmt::format("the most is {}", limits::mounts_max));
}

void order_packages(std::vector<Package>& packages, const std::vector<Package>& disabled,
                    Diagnostics& diagnostics) {
    // Mounts stay in the order of their file; packages of a folder go by name, then by version.
    std::stable_sort(packages.begin(), packages.end(), [](const Package& a, const Package& b) {
        if (a.folder_order != b.folder_order) return a.folder_order < b.folder_order;
        if (a.kind == PackageKind::mount) return false;
        if (*a.manifest.name != *b.manifest.name) return *a.manifest.name < *b.manifest.name;
        return compare(*a.manifest.version, *b.manifest.version) < 0;
    });
    std::vector<size_t> order = DependencyOrder(packages, disabled, diagnostics).sorted();
    if (order.size() != packages.size()) return;  // A cycle has been reported.
    std::vector<Package> sorted;
    sorted.reserve(packages.size());
    for (size_t index : order) sorted.push_back(std::move(packages[index]));
    packages = std::move(sorted);
}

}  // namespace ringtime::config
