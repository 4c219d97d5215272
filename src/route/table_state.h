#pragma once
// What a TableBuilder holds: what was added, then the sections of the table while they are made.
// Private to the builder, whose passes stand in files of their own: what is mounted
// (table_builder.cpp), the trees and what lookups know of them (table_trees.cpp), public routes
// (table_globs.cpp).

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "route/table_builder.h"

namespace ringtime::route {

namespace builder {

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
inline constexpr Side no_side{};
[[nodiscard]] inline Side a_mount(uint32_t id) noexcept { return {Subject::mount, id}; }
[[nodiscard]] inline Side a_route(uint32_t source) noexcept {
    return {Subject::public_route, source};
}

[[nodiscard]] inline std::string quoted(std::string_view text) {
    return std::string("`").append(text).append("`");
}

}  // namespace builder

struct TableBuilder::State {
    using PendingMount = builder::PendingMount;
    using PendingPublic = builder::PendingPublic;
    using Side = builder::Side;

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

}  // namespace ringtime::route
