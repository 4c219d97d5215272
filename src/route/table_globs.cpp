// Public routes: parsed, compiled, and looked at for those that can never decide.

#include "route/names.h"
#include "route/table_state.h"

namespace ringtime::route {

using builder::a_mount;
using builder::a_route;
using builder::no_side;
using builder::quoted;

namespace {

/// The literal segments every path that matches `items` begins with, behind `base`.
[[nodiscard]] std::string absolute_prefix(std::string_view base, const std::vector<Item>& items) {
    return (base == "/" ? std::string() : std::string(base)) + literal_prefix(items);
}

}  // namespace

void TableBuilder::State::parse_publics() {
    std::unordered_map<uint32_t, bool> ids;
    for (const Mount& mount : mounts) ids.emplace(mount.id, true);
    for (PendingPublic& route : publics) {
        const char* fault = route.methods == 0 ? "has no method" : nullptr;
        if (!fault) {
            Glob glob = parse_glob(route.glob);
            fault = glob.error;
            route.items = std::move(glob.items);
        }
        if (fault) {
            report(ProblemCode::bad_glob, a_route(route.source), no_side,
                   "public route " + quoted(route.glob) + " " + fault);
        } else if (route.origin == Origin::app && !ids.contains(route.mount)) {
            report(ProblemCode::unknown_mount, a_route(route.source), no_side,
                   "public route " + quoted(route.glob) + " belongs to an app that is not mounted");
        } else if (const char* of_host = host_fault(route.host)) {
            report(ProblemCode::bad_host, a_route(route.source), no_side,
                   "host " + quoted(route.host) + " " + of_host);
        }
        PublicRecord record{route.source, add_text(route.glob),
                            static_cast<uint16_t>(route.glob.size()), route.methods, route.origin};
        records.push_back(record);
    }
}

GlobSet TableBuilder::State::compile_globs(std::span<const uint32_t> indexes) {
    std::vector<GlobPattern> patterns;
    for (uint32_t index : indexes) {
        patterns.push_back({publics[index].items, publics[index].methods, index});
    }
    GlobSet set = globs.compile_set(patterns);
    if (!set.refused.empty()) {
        const PendingPublic& first = publics[set.refused.front()];
        const PendingPublic& last = publics[set.refused.back()];
        report(ProblemCode::globs_too_complex, a_route(first.source), a_route(last.source),
               "public routes from " + quoted(first.glob) + " to " + quoted(last.glob) +
                   " together need too large an automaton: use fewer `**` in the middle");
    }
    for (uint32_t index : set.covered) {
        report(ProblemCode::shadowed_public, a_route(publics[index].source), no_side,
               "public route " + quoted(publics[index].glob) + " is covered by earlier ones");
    }
    return set;
}

void TableBuilder::State::add_globs() {
    std::map<uint32_t, std::vector<uint32_t>> of_scope;
    std::unordered_map<uint32_t, std::vector<uint32_t>> of_mount;
    for (uint32_t i = 0; i < publics.size(); ++i) {
        if (publics[i].origin == Origin::plugin) {
            of_scope[scope_of(publics[i].host)].push_back(i);
        } else {
            of_mount[publics[i].mount].push_back(i);
        }
    }
    for (const auto& [scope, indexes] : of_scope) plugin_globs[scope] = compile_globs(indexes);
    std::unordered_map<uint32_t, uint32_t> roots;
    for (Mount& mount : mounts) {
        auto routes = of_mount.find(mount.id);
        if (routes == of_mount.end()) continue;
        auto [root, added] = roots.try_emplace(mount.id, none);
        if (added) root->second = globs.add_tree(compile_globs(routes->second));
        mount.globs = root->second;
    }
}

void TableBuilder::State::warn_of_shadow(const RouteTable& draft, const PendingPublic& route,
                                         const Mount& mount) {
    std::string prefix = absolute_prefix(base_of(mount), route.items);
    // Every path the glob takes goes on with `/` or ends behind the prefix, so a longer base within
    // the prefix wins all of them.
    Cursor winner = draft.longest(scopes[mount.scope], prefix);
    if (winner.mount != none && mounts[winner.mount].id != mount.id &&
        winner.base_size > mount.text_size) {
        report(ProblemCode::shadowed_public, a_route(route.source),
               a_mount(mounts[winner.mount].id),
               "public route " + quoted(route.glob) + " of " + quoted(base_of(mount)) +
                   " never decides: " + quoted(base_of(mounts[winner.mount])) + " takes its paths");
        return;
    }
    std::vector<Item> whole;
    if (base_of(mount) != "/") {
        for (char c : base_of(mount)) whole.push_back(static_cast<uint8_t>(c));
    }
    whole.insert(whole.end(), route.items.begin(), route.items.end());
    for (uint32_t scope = mount.scope; scope != none; scope = scopes[scope].next) {
        if (!scopes[scope].has_globs) continue;
        uint32_t point = find_point(draft.view_, scopes[scope].tree, prefix);
        if (point == none) continue;
        size_t last = point + 1 < globs.points.size() ? globs.points[point + 1].members
                                                      : globs.members.size();
        for (size_t i = globs.points[point].members; i < last; ++i) {
            const PendingPublic& plugin = publics[globs.members[i]];
            if ((route.methods & ~plugin.methods) != 0 || !covers(plugin.items, whole)) continue;
            report(ProblemCode::shadowed_public, a_route(route.source), a_route(plugin.source),
                   "public route " + quoted(route.glob) + " of " + quoted(base_of(mount)) +
                       " never decides: a plugin's " + quoted(plugin.glob) + " covers it");
            return;
        }
    }
}

void TableBuilder::State::warn_of_shadows(const RouteTable& draft) {
    std::unordered_map<uint32_t, const Mount*> first_of;
    for (const Mount& mount : mounts) first_of.emplace(mount.id, &mount);
    for (const PendingPublic& route : publics) {
        if (route.origin != Origin::app) continue;
        const Mount& mount = *first_of.at(route.mount);
        // A version is reached under many spellings, none of which another base can take.
        if (!versioned[static_cast<size_t>(&mount - mounts.data())])
            warn_of_shadow(draft, route, mount);
    }
}

}  // namespace ringtime::route
