#include "route/route_table.h"

#include "route/semver.h"

namespace ringtime::route {
namespace {

[[nodiscard]] Version to_version(const VersionRecord& record, std::span<const char> text) noexcept {
    return {record.major,
            record.minor,
            record.patch,
            {text.data() + record.prerelease, record.prerelease_size}};
}

/// The last of the sorted `records` that is not above the end of `range`; none if all are.
[[nodiscard]] const VersionRecord* last_below(std::span<const VersionRecord> records,
                                              const Version& high, bool included,
                                              std::span<const char> text) noexcept {
    size_t first = 0;
    size_t count = records.size();
    while (count > 0) {
        size_t half = count / 2;
        auto order = compare(to_version(records[first + half], text), high);
        bool below = order < 0 || (order == 0 && included);
        first = below ? first + half + 1 : first;
        count = below ? count - half - 1 : half;
    }
    return first == 0 ? nullptr : &records[first - 1];
}

}  // namespace

uint32_t RouteTable::scope_of_whole(std::string_view host) const noexcept {
    if (host.size() > shortcut_bytes_max || host_shortcuts_.empty()) return none;
    return find_shortcut(host_shortcuts_, hash_of(host), [&](uint32_t scope) noexcept {
        return text(scopes_[scope].text, scopes_[scope].text_size) == host;
    });
}

uint32_t RouteTable::scope_of(std::string_view host) const noexcept {
    if (host.empty() || host.size() > host_bytes_max) return 0;
    if (uint32_t exact = scope_of_whole(host); exact != none) return exact;
    char reversed[host_bytes_max];
    for (size_t i = 0; i < host.size(); ++i) reversed[i] = host[host.size() - 1 - i];
    uint32_t scope = 0;
    // A wildcard's key ends with its dot and needs something in front of it; any other key is a
    // whole host. Later visits are longer, thus more specific.
    walk(view_.radix, hosts_, 0, {reversed, host.size()},
         [&](const Node& node, size_t position) noexcept {
             if (node.value == none) return;
             bool wildcard = scopes_[node.value].suffix_size != 0;
             if (wildcard == (position < host.size())) scope = node.value;
         });
    return scope;
}

uint32_t RouteTable::resolve_version(const App& app, std::string_view spelled) const noexcept {
    if (spelled == "latest") return app.latest;
    auto range = parse_range(spelled);
    if (!range) return none;
    auto releases = versions_.subspan(app.first_version, app.releases);
    auto prereleases = versions_.subspan(app.first_version + app.releases, app.prereleases);
    const VersionRecord* best = nullptr;
    auto consider = [&](const VersionRecord* record) noexcept {
        if (!record || !range->contains(to_version(*record, text_))) return;
        if (best && compare(to_version(*record, text_), to_version(*best, text_)) < 0) return;
        best = record;
    };
    if (range->bounded) {
        consider(last_below(releases, range->high, range->high_included, text_));
    } else if (!releases.empty()) {
        consider(&releases.back());
    }
    // Pre-releases count only beside a bound that is one itself, so the highest of each such
    // bound's numbers is the only candidate.
    for (const Version* bound : {&range->low, &range->high}) {
        if (bound->is_release()) continue;
        Version end{bound->major, bound->minor, bound->patch, {}};
        bool included = false;
        if (range->bounded && compare(range->high, end) < 0) {
            end = range->high;
            included = range->high_included;
        }
        consider(last_below(prereleases, end, included, text_));
    }
    return best ? best->mount : none;
}

Cursor RouteTable::resolve(const App& app, std::string_view path, size_t position) const noexcept {
    if (at_boundary(path, position)) return {app.plain, static_cast<uint32_t>(position)};
    if (path[position] != '@') return {};
    size_t end = path.find('/', position);
    if (end == std::string_view::npos) end = path.size();
    uint32_t mount = resolve_version(app, path.substr(position + 1, end - position - 1));
    return {mount, static_cast<uint32_t>(end)};
}

Cursor RouteTable::longest(const Scope& scope, std::string_view path) const noexcept {
    Cursor best;
    walk_bases(
        scope.tree, 0, path, [&best](Cursor candidate) noexcept { best = candidate; },
        [](uint32_t) noexcept {});
    return best;
}

// What every request passes is one function to the machine: calls would cost as much as the work.
template <size_t width>
[[gnu::always_inline]] inline RouteTable::Landing RouteTable::land(
    uint32_t index, std::string_view path, const Beginnings<width>& beginnings,
    uint64_t boundaries) const noexcept {
    const Scope& scope = scopes_[index];
    Landing landing;
    uint32_t from = scope.tree;
    uint32_t start = 0;
    for (uint64_t sizes = boundaries & scope.lengths; sizes != 0;) {
        auto size = static_cast<uint32_t>(std::bit_width(sizes) - 1);
        sizes ^= uint64_t{1} << size;
        uint32_t known = find_shortcut(
            base_shortcuts_, spread(beginnings.hash(size), index), [&](uint32_t at) noexcept {
                const Mount& mount = mounts_[at];
                if (mount.scope != index || mount.text_size != size) return false;
                return size <= Mount::head_max
                           ? beginnings.template have<Mount::head_max>(mount.head, size)
                           : beginnings.template have<width>(text_.data() + mount.text, size);
            });
        if (known == none) continue;
        landing = {{known, size}, mounts_[known].point};
        from = mounts_[known].node;
        start = size;
        break;
    }
    // All that is longer, and versions, which have no shortcuts.
    walk_bases(
        from, start, path, [&landing](Cursor candidate) noexcept { landing.mount = candidate; },
        [&landing](uint32_t point) noexcept { landing.point = point; });
    return landing;
}

template <size_t width>
[[gnu::always_inline]] inline uint32_t RouteTable::land_all(Match& match, uint32_t* points,
                                                            std::string_view path) const noexcept {
    Beginnings<width> beginnings(path);
    uint64_t boundaries = beginnings.boundaries();
    Cursor* cursor = match.cursors_;
    uint32_t any = none;
    for (uint32_t scope = match.scope_; scope != none; scope = scopes_[scope].next) {
        Landing landing = land(scope, path, beginnings, boundaries);
        if (landing.point != none && !may_match(view_, landing.point, path)) landing.point = none;
        *cursor++ = landing.mount;
        *points++ = landing.point;
        any &= landing.point;
    }
    return any;
}

[[gnu::always_inline]] inline uint32_t RouteTable::take_longest(Match& match) const noexcept {
    Cursor* best = nullptr;
    Cursor* cursor = match.cursors_;
    for (uint32_t scope = match.scope_; scope != none; scope = scopes_[scope].next, ++cursor) {
        if (cursor->mount == none) continue;
        // The chain goes from specific to general: only a longer base beats an earlier scope.
        if (!best || cursor->base_size > best->base_size) best = cursor;
    }
    match.tenant = {};
    if (!best) {
        match.mount = none;
        match.base_size = 0;
        match.kind = 0;
        return none;
    }
    const Mount& mount = mounts_[best->mount];
    match.mount = mount.id;
    match.base_size = best->base_size;
    match.kind = static_cast<uint8_t>(mount.kind);
    if (match.scope_ != 0) {
        size_t suffix = scopes_[mount.scope].suffix_size;
        if (suffix != 0) match.tenant = match.host_.substr(0, match.host_.size() - suffix);
    }
    *best = {mount.shorter, mount.shorter_size};
    return mount.globs;
}

void RouteTable::decide_public(Match& match, const uint32_t* points, uint32_t own_globs,
                               std::string_view path, uint16_t method_bit) const noexcept {
    struct Lane {
        Run run;
        uint32_t point;
        Origin origin;
    };
    auto lane = [&](uint32_t index, std::string_view text, Origin origin) noexcept {
        const Point& point = view_.points[index];
        return Lane{{&view_.code[point.code], text.substr(point.size)}, index, origin};
    };
    auto accept = [&](const Lane& from, const Verdict& verdict) noexcept {
        uint32_t record = to_match(view_, from.point, verdict).payload;
        if (record == none || match.is_public) return;
        match.is_public = true;
        match.public_origin = from.origin;
        match.public_source = publics_[record].source;
    };
    // Scope after scope for the plugins; the last of them that has a point runs beside the winner's
    // own.
    uint32_t last = none;
    for (uint32_t scope = match.scope_; scope != none; scope = scopes_[scope].next, ++points) {
        if (*points == none) continue;
        if (last != none) {
            Lane before = lane(last, path, Origin::plugin);
            accept(before, run_automaton(before.run.code, before.run.text, method_bit));
        }
        last = *points;
    }
    std::string_view rest = path.substr(match.base_size);
    uint32_t own = own_globs == none ? none : find_point(view_, own_globs, rest);
    if (own != none && !may_match(view_, own, rest)) own = none;
    if (last != none && own != none) {
        Lane plugin = lane(last, path, Origin::plugin);
        Lane app = lane(own, rest, Origin::app);
        Verdict verdicts[2];
        run_automata(plugin.run, app.run, method_bit, verdicts[0], verdicts[1]);
        accept(plugin, verdicts[0]);
        accept(app, verdicts[1]);
    } else if (last != none || own != none) {
        Lane only = last != none ? lane(last, path, Origin::plugin) : lane(own, rest, Origin::app);
        accept(only, run_automaton(only.run.code, only.run.text, method_bit));
    }
}

Match RouteTable::match(std::string_view host, std::string_view path,
                        uint16_t method_bit) const noexcept {
    Match match;
    // `example.com.` is the same name (RFC 3986 §3.2.2): a dot must not lead around a host's
    // mounts.
    if (host.ends_with('.')) host.remove_suffix(1);
    match.host_ = host;
    if (hosts_ != none) match.scope_ = scope_of(host);
    uint32_t points[host_levels_max];
    uint32_t to_decide = longest_ < 32 ? land_all<32>(match, points, path)
                                       : land_all<shortcut_bytes_max + 1>(match, points, path);
    uint32_t own_globs = take_longest(match);
    if ((to_decide & own_globs) != none) decide_public(match, points, own_globs, path, method_bit);
    return match;
}

Match RouteTable::pass(const Match& match) const noexcept {
    Match next = match;
    (void)take_longest(next);
    return next;
}

TableStats RouteTable::stats() const noexcept {
    return {.mounts = mounts_.size(),
            .scopes = scopes_.size(),
            .public_routes = publics_.size(),
            .nodes = view_.radix.nodes.size(),
            .automata_bytes = view_.code.size_bytes(),
            .bytes = block_.size()};
}

}  // namespace ringtime::route
