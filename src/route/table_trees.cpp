// The trees of bases and hosts, and what mounts and lookups know of them.

#include <algorithm>
#include <map>

#include "route/table_state.h"

namespace ringtime::route {

using builder::a_mount;
using builder::no_side;
using builder::quoted;

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

}  // namespace ringtime::route
