#pragma once
// The routing rules written down once more, as plainly as possible: every route is tried on its own
// and the best is kept. Quadratic and allocating, and meant to stay so: it shares no code with the
// table but the meaning of a version range, which has its own tests.

#include <cstdint>
#include <string>
#include <vector>

#include "route/semver.h"

namespace ringtime::oracle {

inline constexpr uint32_t nothing = UINT32_MAX;

struct BruteMount {
    std::string host;
    std::string base;
    std::string version;  ///< Empty for plain mounts.
    uint32_t id = 0;
};

struct BrutePublic {
    bool plugin = true;
    std::string host;      ///< Plugins.
    uint32_t mount = 0;    ///< Apps.
    std::string glob;
    uint16_t methods = 0;
    uint32_t source = 0;
};

/// `glob` and `path` byte by byte; `**` may be any run, `*` any without `/`, `?` one byte but `/`.
inline bool glob_matches(const std::string& glob, const std::string& path) {
    std::vector<std::vector<char>> known(glob.size() + 1, std::vector<char>(path.size() + 1, 2));
    auto rec = [&](auto&& self, size_t g, size_t p) -> bool {
        if (known[g][p] != 2) return known[g][p] != 0;
        bool yes = false;
        if (g == glob.size()) {
            yes = p == path.size();
        } else if (glob[g] == '*') {
            bool deep = g + 1 < glob.size() && glob[g + 1] == '*';
            size_t behind = deep ? g + 2 : g + 1;
            yes = self(self, behind, p) ||
                  (p < path.size() && (deep || path[p] != '/') && self(self, g, p + 1));
        } else if (p < path.size()) {
            yes =
                (glob[g] == '?' ? path[p] != '/' : glob[g] == path[p]) && self(self, g + 1, p + 1);
        }
        known[g][p] = yes ? 1 : 0;
        return yes;
    };
    return rec(rec, 0, 0);
}

/// -1: does not match; else the larger, the more specific.
inline int host_rank(const std::string& pattern, const std::string& host) {
    if (pattern.empty()) return 0;
    if (pattern == host) return 1000;
    if (pattern.rfind("*.", 0) != 0) return -1;
    std::string suffix = pattern.substr(1);
    bool ends = host.size() > suffix.size() &&
                host.compare(host.size() - suffix.size(), suffix.size(), suffix) == 0;
    return ends ? static_cast<int>(suffix.size()) : -1;
}

struct Candidate {
    uint32_t mount = nothing;
    size_t base_size = 0;
    int rank = -1;
    std::string tenant;
};

class BruteMatcher {
 public:
    std::vector<BruteMount> mounts;
    std::vector<BrutePublic> publics;

    /// All mounts that take the request, best first.
    [[nodiscard]] std::vector<Candidate> candidates(const std::string& host,
                                                    const std::string& path) const {
        std::vector<Candidate> found;
        for (const BruteMount& mount : mounts) {
            int rank = host_rank(mount.host, host);
            size_t size = 0;
            if (rank < 0 || !takes(mount, path, size)) continue;
            Candidate candidate{mount.id, size, rank, ""};
            if (rank > 0 && rank < 1000) {
                candidate.tenant = host.substr(0, host.size() - static_cast<size_t>(rank));
            }
            auto better = [&](const Candidate& other) {
                return other.base_size != size ? other.base_size > size : other.rank > rank;
            };
            size_t at = 0;
            while (at < found.size() && better(found[at])) ++at;
            found.insert(found.begin() + static_cast<std::ptrdiff_t>(at), candidate);
        }
        return found;
    }

    /// Source of the first public route that holds, plugins first; nothing if the request is not
    /// public.
    [[nodiscard]] uint32_t public_source(const std::string& host, const std::string& path,
                                         uint16_t method, const Candidate& winner) const {
        // The more specific host of a plugin is asked first, then the order of declaration.
        const BrutePublic* best = nullptr;
        int best_rank = -1;
        for (const BrutePublic& route : publics) {
            if (!route.plugin || (route.methods & method) == 0) continue;
            int rank = host_rank(route.host, host);
            if (rank <= best_rank || !glob_matches(route.glob, path)) continue;
            best = &route;
            best_rank = rank;
        }
        if (best) return best->source;
        if (winner.mount == nothing) return nothing;
        std::string rest = path.substr(winner.base_size);
        for (const BrutePublic& route : publics) {
            if (route.plugin || route.mount != winner.mount || (route.methods & method) == 0)
                continue;
            if (glob_matches(route.glob, rest)) return route.source;
        }
        return nothing;
    }

 private:
    [[nodiscard]] static bool begins(const std::string& base, const std::string& path) {
        return path.compare(0, base.size(), base) == 0 &&
               (path.size() == base.size() || path[base.size()] == '/');
    }

    [[nodiscard]] bool takes(const BruteMount& mount, const std::string& path, size_t& size) const {
        std::string base = mount.base == "/" ? "" : mount.base;
        if (mount.version.empty()) {
            size = base.size();
            return begins(base, path);
        }
        if (begins(base, path)) {
            size = base.size();
            return &mount == choose(mount, "latest");
        }
        if (path.compare(0, base.size() + 1, base + "@") != 0) return false;
        size_t end = path.find('/', base.size());
        if (end == std::string::npos) end = path.size();
        size = end;
        return &mount == choose(mount, path.substr(base.size() + 1, end - base.size() - 1));
    }

    /// The folder of `of`'s app that answers `@spelled`.
    [[nodiscard]] const BruteMount* choose(const BruteMount& of, const std::string& spelled) const {
        const BruteMount* best = nullptr;
        const std::string wanted =
            spelled == "latest" ? "*" : spelled;  // Ranges borrow their text.
        auto range = route::parse_range(wanted);
        for (const BruteMount& mount : mounts) {
            if (mount.host != of.host || mount.base != of.base || mount.version.empty()) continue;
            if (mount.version == "latest") {
                if (spelled == "latest") return &mount;
                continue;
            }
            auto version = route::parse_version(mount.version);
            if (!range || !range->contains(*version)) continue;
            if (best && compare(*version, *route::parse_version(best->version)) < 0) continue;
            best = &mount;
        }
        return best;
    }
};

}  // namespace ringtime::oracle
