#include "route/table_builder.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <unordered_map>

#include "base/limits.h"
#include "route/semver.h"

namespace ringtime::route {
namespace {

struct PendingMount {
    std::string host;
    std::string base;
    std::string version;  ///< Empty for plain mounts.
    uint32_t id = 0;
    uint8_t kind = 0;
};

struct PendingPublic {
    Origin origin = Origin::plugin;
    std::string host;
    uint32_t mount = none;
    std::string glob;
    uint16_t methods = 0;
    uint32_t source = 0;
    std::vector<Item> items;
};

/// One side of a problem.
struct Side {
    Subject is = Subject::nothing;
    uint32_t id = none;
};
constexpr Side no_side{};
[[nodiscard]] Side a_mount(uint32_t id) noexcept { return {Subject::mount, id}; }
[[nodiscard]] Side a_route(uint32_t source) noexcept { return {Subject::public_route, source}; }

[[nodiscard]] std::string quoted(std::string_view text) {
    return std::string("`").append(text).append("`");
}

[[nodiscard]] bool is_base_byte(char c) noexcept {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' ||
           c == '_' || c == '~' || c == '@' || c == '-';
}

/// Why `base` is none; null when it is one.
[[nodiscard]] const char* base_fault(std::string_view base) noexcept {
    if (base == "/") return nullptr;
    if (base.empty() || base[0] != '/') return "must begin with `/`";
    if (base.size() > base_bytes_max) return "is longer than 512 bytes";
    size_t segments = 0;
    for (size_t from = 1; from <= base.size(); ++segments) {
        size_t end = std::min(base.find('/', from), base.size());
        std::string_view segment = base.substr(from, end - from);
        if (segment.empty()) return "has an empty segment";
        if (segment == "." || segment == "..") return "has a `.` or `..` segment";
        if (!std::all_of(segment.begin(), segment.end(), is_base_byte)) {
            return "may hold letters, digits and `._~@-` only";
        }
        from = end + 1;
    }
    return segments > base_segments_max ? "has more than 16 segments" : nullptr;
}

/// Lower case, without the dot of a fully qualified name.
[[nodiscard]] std::string normalise_host(std::string_view host) {
    std::string name(host);
    for (char& c : name) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
    }
    if (name.size() > 1 && name.back() == '.') name.pop_back();
    return name;
}

[[nodiscard]] const char* host_fault(std::string_view host) noexcept {
    if (host.empty()) return nullptr;
    if (host.size() > host_bytes_max - 2) return "is longer than 253 bytes";
    bool wildcard = host.starts_with("*.");
    std::string_view name = wildcard ? host.substr(2) : host;
    if (name.empty()) return "names no domain behind `*.`";
    if (name.starts_with('[')) {
        if (wildcard) return "is a wildcard of an address";
        std::string_view address = name.substr(1);
        size_t size = std::min(address.find_first_not_of("0123456789abcdef:."), address.size());
        return size > 0 && address.substr(size) == "]" ? nullptr : "is no address in brackets";
    }
    for (size_t i = 0; i < name.size(); ++i) {
        char c = name[i];
        if (c == '*') return "may hold `*` only as the whole first label";
        bool known =
            (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
        if (!known) return "may hold letters, digits, `-`, `_` and dots only, and no port";
        if (c == '.' && (i == 0 || name[i - 1] == '.')) return "has an empty label";
    }
    return nullptr;
}

[[nodiscard]] bool is_under(std::string_view base, std::string_view reserved) noexcept {
    return base.starts_with(reserved) && at_boundary(base, reserved.size());
}

}  // namespace

/// What was added, then the sections while they are made.
struct TableBuilder::State {
    explicit State(const AutomatonCaps& caps) : globs(caps), automaton_caps(caps) {}

    std::vector<std::string> reserved;
    std::vector<PendingMount> pending;
    std::vector<PendingPublic> publics;

    std::vector<Problem> problems;
    GlobCompiler globs;
    AutomatonCaps automaton_caps;
    std::vector<Scope> scopes{Scope{}};
    std::vector<std::string> hosts{""};
    std::unordered_map<std::string, uint32_t> scope_index{{"", 0}};
    std::vector<Mount> mounts;
    std::vector<bool> versioned;  ///< Of each mount: whether it is a version of an app.
    std::vector<App> apps;
    std::vector<VersionRecord> versions;
    std::vector<PublicRecord> records;
    std::vector<char> text;
    uint32_t hosts_root = none;
    std::vector<Bucket> base_shortcuts;
    std::vector<Bucket> host_shortcuts;
    size_t longest = 0;
    /// Keys of the tree of each scope: base without the `/` of the root -> mount or flagged app.
    std::vector<std::map<std::string, uint32_t>> bases{1};
    /// Public globs of plugins per scope, compiled: their points join the tree of bases.
    std::unordered_map<uint32_t, GlobSet> plugin_globs;

    [[nodiscard]] BuildResult build();

  private:
    void report(ProblemCode code, Side first, Side second, std::string message);
    [[nodiscard]] bool failed() const noexcept;
    uint32_t add_text(std::string_view bytes);
    uint32_t scope_of(const std::string& host);
    [[nodiscard]] std::string_view base_of(const Mount& mount) const noexcept;
    [[nodiscard]] bool check(const PendingMount& mount);
    uint32_t add_record(const PendingMount& mount, uint32_t scope);
    void add_plain(const PendingMount& mount);
    void add_apps(std::vector<PendingMount*> folders);
    void add_app(std::span<PendingMount*> folders);
    [[nodiscard]] uint32_t id_at(uint32_t value) const noexcept;
    void take_base(uint32_t scope, const std::string& key, uint32_t value, uint32_t id);
    void link_scopes();
    void build_trees();
    void link_mounts(RouteTable& draft);
    void add_shortcuts();
    void parse_publics();
    void add_globs();
    [[nodiscard]] GlobSet compile_globs(std::span<const uint32_t> indexes);
    void warn_of_shadows(const RouteTable& draft);
    void warn_of_shadow(const RouteTable& draft, const PendingPublic& route, const Mount& mount);
    void view(RouteTable& draft) const noexcept;
    void pack(RouteTable& table) const;
};

void TableBuilder::State::report(ProblemCode code, Side first, Side second, std::string message) {
    Severity severity = code == ProblemCode::shadowed_public ? Severity::warning : Severity::error;
    problems.push_back(
        {severity, code, first.is, second.is, first.id, second.id, std::move(message)});
}

bool TableBuilder::State::failed() const noexcept {
    return std::any_of(problems.begin(), problems.end(),
                       [](const Problem& problem) { return problem.severity == Severity::error; });
}

uint32_t TableBuilder::State::add_text(std::string_view bytes) {
    auto offset = static_cast<uint32_t>(text.size());
    text.insert(text.end(), bytes.begin(), bytes.end());
    return offset;
}

uint32_t TableBuilder::State::scope_of(const std::string& host) {
    auto [entry, added] = scope_index.try_emplace(host, static_cast<uint32_t>(scopes.size()));
    if (!added) return entry->second;
    Scope scope;
    scope.suffix_size =
        host.starts_with("*.") ? static_cast<uint16_t>(host.size() - 1) : uint16_t{0};
    scope.text = add_text(host);
    scope.text_size = static_cast<uint16_t>(host.size());
    scopes.push_back(scope);
    hosts.push_back(host);
    bases.emplace_back();
    return entry->second;
}

std::string_view TableBuilder::State::base_of(const Mount& mount) const noexcept {
    return mount.text_size <= Mount::head_max
               ? std::string_view(mount.head, mount.text_size)
               : std::string_view(text.data() + mount.text, mount.text_size);
}

bool TableBuilder::State::check(const PendingMount& mount) {
    if (const char* fault = host_fault(mount.host)) {
        report(ProblemCode::bad_host, a_mount(mount.id), no_side,
               "host " + quoted(mount.host) + " " + fault);
        return false;
    }
    if (const char* fault = base_fault(mount.base)) {
        report(ProblemCode::bad_base, a_mount(mount.id), no_side,
               "base " + quoted(mount.base) + " " + fault);
        return false;
    }
    for (const std::string& path : reserved) {
        if (!is_under(mount.base, path)) continue;
        report(ProblemCode::reserved, a_mount(mount.id), no_side,
               "base " + quoted(mount.base) + " is at or under the reserved path " + quoted(path));
        return false;
    }
    return true;
}

uint32_t TableBuilder::State::add_record(const PendingMount& mount, uint32_t scope) {
    Mount record;
    record.id = mount.id;
    record.kind = mount.kind;
    record.scope = scope;
    record.text_size = mount.base.size() & 0xfff;
    if (mount.base.size() <= Mount::head_max) {
        std::memcpy(record.head, mount.base.data(), mount.base.size());
    } else {
        record.text = add_text(mount.base);
    }
    mounts.push_back(record);
    versioned.push_back(!mount.version.empty());
    return static_cast<uint32_t>(mounts.size() - 1);
}

uint32_t TableBuilder::State::id_at(uint32_t value) const noexcept {
    if ((value & app_flag) == 0) return mounts[value].id;
    return mounts[versions[apps[value & ~app_flag].first_version].mount].id;
}

void TableBuilder::State::take_base(uint32_t scope, const std::string& base, uint32_t value,
                                    uint32_t id) {
    auto [entry, added] = bases[scope].try_emplace(base == "/" ? "" : base, value);
    if (added) return;
    std::string where =
        hosts[scope].empty() ? std::string("every host") : "host " + quoted(hosts[scope]);
    report(ProblemCode::same_base, a_mount(id_at(entry->second)), a_mount(id),
           "base " + quoted(base) + " is mounted twice for " + where);
}

void TableBuilder::State::add_plain(const PendingMount& mount) {
    uint32_t scope = scope_of(mount.host);
    uint32_t record = add_record(mount, scope);
    take_base(scope, mount.base, record, mount.id);
}

void TableBuilder::State::add_apps(std::vector<PendingMount*> folders) {
    std::stable_sort(folders.begin(), folders.end(),
                     [](const PendingMount* a, const PendingMount* b) {
                         return a->host != b->host ? a->host < b->host : a->base < b->base;
                     });
    for (size_t first = 0; first < folders.size();) {
        size_t last = first;
        while (last < folders.size() && folders[last]->host == folders[first]->host &&
               folders[last]->base == folders[first]->base) {
            ++last;
        }
        add_app(std::span(folders).subspan(first, last - first));
        first = last;
    }
}

/// Folders of one app: sorted so that releases come first, each kind rising, `latest` last.
void TableBuilder::State::add_app(std::span<PendingMount*> folders) {
    struct Folder {
        PendingMount* mount;
        std::optional<Version> version;
    };
    std::vector<Folder> sorted;
    for (PendingMount* mount : folders) {
        auto version = parse_version(mount->version);
        if (!version && mount->version != "latest") {
            report(ProblemCode::bad_version, a_mount(mount->id), no_side,
                   "version " + quoted(mount->version) + " of " + quoted(mount->base) +
                       " is neither a semantic version nor `latest`");
            continue;
        }
        sorted.push_back({mount, version});
    }
    auto rank = [](const Folder& folder) {
        return !folder.version ? 2 : folder.version->is_release() ? 0 : 1;
    };
    std::stable_sort(sorted.begin(), sorted.end(), [&rank](const Folder& a, const Folder& b) {
        if (rank(a) != rank(b)) return rank(a) < rank(b);
        return a.version && compare(*a.version, *b.version) < 0;
    });
    if (sorted.empty()) return;
    uint32_t scope = scope_of(sorted.front().mount->host);
    App app;
    app.first_version = static_cast<uint32_t>(versions.size());
    for (size_t i = 0; i < sorted.size(); ++i) {
        const Folder& folder = sorted[i];
        const PendingMount& mount = *folder.mount;
        const Folder* before = i > 0 ? &sorted[i - 1] : nullptr;
        if (before && rank(*before) == rank(folder) &&
            (!folder.version || compare(*before->version, *folder.version) == 0)) {
            report(
                ProblemCode::same_version, a_mount(before->mount->id), a_mount(mount.id),
                "version " + quoted(mount.version) + " of " + quoted(mount.base) + " exists twice");
        }
        uint32_t record = add_record(mount, scope);
        VersionRecord version{};
        version.mount = record;
        version.text = add_text(mount.version);
        version.text_size = static_cast<uint16_t>(mount.version.size());
        if (folder.version) {
            version.major = folder.version->major;
            version.minor = folder.version->minor;
            version.patch = folder.version->patch;
            version.prerelease = add_text(folder.version->prerelease);
            version.prerelease_size = static_cast<uint16_t>(folder.version->prerelease.size());
            ++(folder.version->is_release() ? app.releases : app.prereleases);
        }
        // The last release stands until `latest`, which comes last, replaces it.
        if (rank(folder) != 1) app.plain = app.latest = record;
        versions.push_back(version);
    }
    apps.push_back(app);
    take_base(scope, sorted.front().mount->base, static_cast<uint32_t>(apps.size() - 1) | app_flag,
              sorted.front().mount->id);
}

/// Each scope's chain: the wildcards above it from the longest on, then any host.
void TableBuilder::State::link_scopes() {
    for (uint32_t scope = 1; scope < scopes.size(); ++scope) {
        std::string_view name = hosts[scope];
        if (name.starts_with("*.")) name.remove_prefix(2);
        scopes[scope].next = 0;
        for (size_t dot = name.find('.'); dot != std::string_view::npos;
             dot = name.find('.', dot + 1)) {
            auto above = scope_index.find(std::string("*").append(name.substr(dot)));
            if (above == scope_index.end()) continue;
            scopes[scope].next = above->second;
            break;
        }
    }
    for (uint32_t scope = 1; scope < scopes.size(); ++scope) {
        size_t levels = 0;
        for (uint32_t at = scope; at != none; at = scopes[at].next) ++levels;
        if (levels <= host_levels_max) continue;
        uint32_t id = bases[scope].empty() ? none : id_at(bases[scope].begin()->second);
        report(ProblemCode::hosts_nest_too_deep, a_mount(id), no_side,
               "host " + quoted(hosts[scope]) + " lies under more than four wildcards");
    }
}

namespace {

/// One list of keys, sorted, in which a base and a prefix of globs that are equal are one key.
[[nodiscard]] std::vector<RadixKey> merge_points(std::vector<RadixKey> keys,
                                                 const std::map<std::string, uint32_t>& points) {
    std::vector<RadixKey> merged;
    auto key = keys.begin();
    for (const auto& [prefix, point] : points) {
        while (key != keys.end() && key->text < prefix) merged.push_back(*key++);
        if (key != keys.end() && key->text == prefix) {
            merged.push_back({prefix, (key++)->value, point});
        } else {
            merged.push_back({prefix, none, point});
        }
    }
    merged.insert(merged.end(), key, keys.end());
    return merged;
}

}  // namespace

void TableBuilder::State::build_trees() {
    std::vector<RadixKey> keys;
    for (uint32_t scope = 0; scope < scopes.size(); ++scope) {
        keys.clear();
        for (const auto& [base, value] : bases[scope]) keys.push_back({base, value, none});
        if (auto set = plugin_globs.find(scope); set != plugin_globs.end()) {
            scopes[scope].has_globs = 1;
            keys = merge_points(std::move(keys), set->second.points);
        }
        if (!keys.empty()) scopes[scope].tree = globs.radix.add(keys);
    }
    if (hosts.size() == 1) return;
    std::map<std::string, uint32_t> reversed;
    for (uint32_t scope = 1; scope < hosts.size(); ++scope) {
        std::string_view key = hosts[scope];
        if (key.starts_with("*.")) key.remove_prefix(1);
        reversed.emplace(std::string(key.rbegin(), key.rend()), scope);
    }
    keys.clear();
    for (const auto& [host, scope] : reversed) keys.push_back({host, scope, none});
    hosts_root = globs.radix.add(keys);
}

void TableBuilder::State::view(RouteTable& draft) const noexcept {
    draft.view_ = globs.view();
    draft.scopes_ = scopes;
    draft.mounts_ = mounts;
    draft.apps_ = apps;
    draft.versions_ = versions;
    draft.publics_ = records;
    draft.text_ = text;
    draft.hosts_ = hosts_root;
}

/// Finds what each mount has to know of its scope, by asking the tree for its own base: the next
/// shorter mount, the longest point, and where it stands itself.
void TableBuilder::State::link_mounts(RouteTable& draft) {
    for (uint32_t at = 0; at < mounts.size(); ++at) {
        Mount& mount = mounts[at];
        std::string_view base = base_of(mount);
        size_t size = base == "/" ? 0 : base.size();
        Cursor shorter;
        auto consider = [&](Cursor candidate) noexcept {
            if (candidate.base_size < size) shorter = candidate;
            if (candidate.base_size != size || versioned[at] || !versioned[candidate.mount]) return;
            const Mount& same = mounts[candidate.mount];
            report(ProblemCode::spelled_version, a_mount(same.id), a_mount(mount.id),
                   "base " + quoted(base) + " also names a version of " + quoted(base_of(same)));
        };
        uint32_t tree = scopes[mount.scope].tree;
        draft.walk_bases(tree, 0, base, consider,
                         [&mount](uint32_t point) noexcept { mount.point = point; });
        mount.shorter = shorter.mount;
        mount.shorter_size = shorter.base_size & 0xfff;
        walk(globs.radix.view(), tree, 0, base, [&](const Node& node, size_t position) noexcept {
            if (position != size || !node.has_children()) return;
            mount.node = static_cast<uint32_t>(&node - globs.radix.nodes.data());
        });
    }
}

/// Every base and every whole host that is short enough gets a shortcut.
void TableBuilder::State::add_shortcuts() {
    std::vector<Shortcut> keys;
    for (uint32_t scope = 0; scope < scopes.size(); ++scope) {
        for (const auto& [base, value] : bases[scope]) {
            uint32_t mount = (value & app_flag) == 0 ? value : apps[value & ~app_flag].plain;
            if (mount == none || base.empty() || base.size() > shortcut_bytes_max) continue;
            keys.push_back({spread(hash_of(base), scope), mount});
            scopes[scope].lengths |= uint64_t{1} << base.size();
            longest = std::max(longest, base.size());
        }
    }
    base_shortcuts = build_shortcuts(keys);
    keys.clear();
    for (uint32_t scope = 1; scope < scopes.size(); ++scope) {
        const std::string& host = hosts[scope];
        if (host.size() > shortcut_bytes_max || scopes[scope].suffix_size != 0) continue;
        keys.push_back({hash_of(host), scope});
    }
    host_shortcuts = build_shortcuts(keys);
}

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

void TableBuilder::State::pack(RouteTable& table) const {
    Block block(Block::section_size(globs.radix.nodes) + Block::section_size(globs.radix.labels) +
                Block::section_size(globs.points) + Block::section_size(globs.members) +
                Block::section_size(globs.code) + Block::section_size(base_shortcuts) +
                Block::section_size(host_shortcuts) + Block::section_size(scopes) +
                Block::section_size(mounts) + Block::section_size(apps) +
                Block::section_size(versions) + Block::section_size(records) +
                Block::section_size(text));
    table.scopes_ = block.place(scopes);
    table.host_shortcuts_ = block.place(host_shortcuts);
    table.base_shortcuts_ = block.place(base_shortcuts);
    table.mounts_ = block.place(mounts);
    table.text_ = block.place(text);
    table.view_.points = block.place(globs.points);
    table.view_.members = block.place(globs.members);
    table.view_.code = block.place(globs.code);
    table.view_.radix = {block.place(globs.radix.nodes), block.place(globs.radix.labels)};
    table.apps_ = block.place(apps);
    table.versions_ = block.place(versions);
    table.publics_ = block.place(records);
    table.longest_ = longest;
    table.hosts_ = hosts_root;
    table.block_ = std::move(block);
}

BuildResult TableBuilder::State::build() {
    if (pending.size() > limits::mounts_max) {
        report(ProblemCode::too_many_mounts, a_mount(pending.back().id), no_side,
               "more than " + std::to_string(limits::mounts_max) + " mounts");
        return {nullptr, std::move(problems)};
    }
    std::vector<PendingMount*> folders;
    mounts.reserve(pending.size());
    for (PendingMount& mount : pending) {
        if (!check(mount)) continue;
        if (mount.version.empty()) add_plain(mount);
        if (!mount.version.empty()) folders.push_back(&mount);
    }
    add_apps(std::move(folders));
    parse_publics();
    // After an error the trees are built all the same, for the conflicts only they can show.
    if (!failed()) add_globs();
    link_scopes();
    build_trees();
    std::unique_ptr<RouteTable> table(new RouteTable);
    view(*table);
    link_mounts(*table);
    if (failed()) return {nullptr, std::move(problems)};
    warn_of_shadows(*table);
    add_shortcuts();
    text.resize(text.size() + shortcut_bytes_max + 1);
    pack(*table);
    return {std::move(table), std::move(problems)};
}

TableBuilder::TableBuilder() : TableBuilder(AutomatonCaps{}) {}
TableBuilder::TableBuilder(const AutomatonCaps& caps) : state_(std::make_unique<State>(caps)) {}
TableBuilder::~TableBuilder() = default;
TableBuilder::TableBuilder(TableBuilder&&) noexcept = default;
TableBuilder& TableBuilder::operator=(TableBuilder&&) noexcept = default;

void TableBuilder::reserve(std::string_view path) { state_->reserved.emplace_back(path); }

void TableBuilder::add_mount(const MountSpec& spec) {
    state_->pending.push_back(
        {normalise_host(spec.host), std::string(spec.base), "", spec.id, spec.kind});
}

void TableBuilder::add_app_version(const VersionSpec& spec) {
    // An empty version is no version at all; it must not pass for a plain mount.
    std::string version(spec.version.empty() ? " " : spec.version);
    state_->pending.push_back(
        {normalise_host(spec.host), std::string(spec.base), version, spec.id, spec.kind});
}

void TableBuilder::add_public(const PublicSpec& spec) {
    state_->publics.push_back({spec.origin,
                               normalise_host(spec.host),
                               spec.mount,
                               std::string(spec.glob),
                               spec.methods,
                               spec.source,
                               {}});
}

BuildResult TableBuilder::build() {
    BuildResult result = state_->build();
    state_ = std::make_unique<State>(state_->automaton_caps);
    return result;
}

namespace {

/// The literal segments every path that matches `items` begins with, behind `base`.
[[nodiscard]] std::string absolute_prefix(std::string_view base, const std::vector<Item>& items) {
    return (base == "/" ? std::string() : std::string(base)) + literal_prefix(items);
}

}  // namespace

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

// tidy: allow(file-length) one pass after the other over one builder
}  // namespace ringtime::route
