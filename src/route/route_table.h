#pragma once
// The compiled routes of one snapshot: (host, canonical path, method) -> mount, and whether the
// request is public. Built by TableBuilder, immutable, one contiguous block, shared by all cores
// without locks.
//
// A host selects a chain of *scopes*: itself, the wildcards above it from the longest on, any host.
// Each scope has one radix tree of bases. The longest base of all scopes wins; of equal ones that
// of the more specific scope. Work: one walk per scope (at most host_levels_max), at most one
// automaton per scope and one of the winner over the rest; linear in the path, no allocation, no
// going back.

#include <cstdint>
#include <span>
#include <string_view>

#include "route/block.h"
#include "route/glob_set.h"
#include "route/shortcuts.h"

namespace ringtime::route {

/// Scopes of one host: itself, up to four wildcards, any host.
inline constexpr size_t host_levels_max = 6;
/// Longest host that is looked up; longer ones have the scope of any host (RFC 1035 §2.3.4).
inline constexpr size_t host_bytes_max = 255;

/// Whose manifest declared a public route. Plugins are asked before apps.
enum class Origin : uint8_t { plugin, app };

/// A candidate of one scope.
struct Cursor {
    uint32_t mount = none;  ///< Index inside the table, not the caller's id.
    uint32_t base_size = 0;
};

/// The answer to a lookup. Views borrow the host that was asked for.
struct Match {
    uint32_t mount = none;  ///< The id given to TableBuilder; none when nothing is mounted there.
    uint32_t base_size =
        0;             ///< Bytes of the path the base takes: 0 for `/`. The rest is `` or `/…`.
    uint8_t kind = 0;  ///< As given to TableBuilder.
    bool is_public = false;
    Origin public_origin = Origin::plugin;
    uint32_t public_source = none;  ///< Source id of the glob that made it public.
    std::string_view
        tenant;  ///< What `*` stood for in the host of the winner; empty for no wildcard.

    [[nodiscard]] bool found() const noexcept { return mount != none; }

  private:
    friend class RouteTable;
    friend class Explainer;
    std::string_view host_;
    uint32_t scope_ = 0;  ///< The most specific one.
    Cursor cursors_[host_levels_max];
};

// --- The sections of the block; indexes refer to other sections. ---

struct Scope {
    uint32_t tree = none;      ///< Root of the tree of bases and of prefixes of plugins' globs.
    uint32_t next = none;      ///< The next less specific scope.
    uint16_t suffix_size = 0;  ///< Wildcards: bytes of `.domain`; 0 otherwise.
    uint16_t text_size = 0;
    uint32_t text = 0;       ///< `shop.example.com`, `*.example.com`, or empty for any host.
    uint32_t has_globs = 0;  ///< Whether any point stands in the tree.
    uint64_t lengths = 0;    ///< Bit n: a base of n bytes has a shortcut.
};

struct alignas(64) Mount {
    static constexpr size_t head_max = 32;

    uint32_t id = 0;
    uint32_t shorter = none;  ///< The next shorter base of the scope on the same path.
    uint32_t globs = none;    ///< Root of its own public globs, which see the path behind the base.
    uint32_t scope = 0;
    uint32_t text = 0;      ///< Where the base stands if it does not fit in here.
    uint32_t node = none;   ///< Where the base ends in the tree; none if nothing goes on there.
    uint32_t point = none;  ///< The longest of the scope's that the base begins with.
    uint32_t text_size : 12 = 0;
    uint32_t shorter_size : 12 = 0;
    uint32_t kind : 8 = 0;
    char head[head_max] = {};  ///< The base as mounted; for a version the base of the app.
};
static_assert(sizeof(Mount) == 64, "all a lookup asks of it is one cache line");

/// Marks the value of a key in a tree of bases as the index of an App instead of a Mount.
inline constexpr uint32_t app_flag = 0x8000'0000;

/// What a key of a tree of bases stands for when versions are mounted there. Releases come first,
/// then pre-releases, both rising, then `latest` if there is one.
struct App {
    uint32_t plain =
        none;  ///< Mount that answers without `@`; none if there are pre-releases only.
    uint32_t latest = none;  ///< Mount that answers `@latest`.
    uint32_t first_version = 0;
    uint32_t releases = 0;
    uint32_t prereleases = 0;
};

struct VersionRecord {
    uint64_t major = 0;
    uint64_t minor = 0;
    uint64_t patch = 0;
    uint32_t prerelease = 0;  ///< Offset of the text.
    uint16_t prerelease_size = 0;
    uint16_t text_size = 0;
    uint32_t text = 0;  ///< The version as given.
    uint32_t mount = none;
};

struct PublicRecord {
    uint32_t source = 0;
    uint32_t text = 0;  ///< The glob as written.
    uint16_t text_size = 0;
    uint16_t methods = 0;
    Origin origin = Origin::plugin;
};

/// Sizes for reports and benchmarks.
struct TableStats {
    size_t mounts = 0;
    size_t scopes = 0;
    size_t public_routes = 0;
    size_t nodes = 0;
    size_t automata_bytes = 0;
    size_t bytes = 0;  ///< The whole block.
};

class RouteTable {
  public:
    RouteTable(const RouteTable&) = delete;
    RouteTable& operator=(const RouteTable&) = delete;

    /// `host`: lower case, without port; empty when there is none. `path`: canonical (`/…`).
    /// `method_bit`: one bit, numbered as in http/head.h.
    [[nodiscard]] Match match(std::string_view host, std::string_view path,
                              uint16_t method_bit) const noexcept;

    /// The next shorter mount for the same request, when the target of `match` passed it on:
    /// found() is false at the end. Whether the request is public stays as first decided.
    [[nodiscard]] Match pass(const Match& match) const noexcept;

    [[nodiscard]] TableStats stats() const noexcept;

  private:
    friend class TableBuilder;
    friend class Explainer;

    RouteTable() = default;
    [[nodiscard]] uint32_t scope_of(std::string_view host) const noexcept;
    [[nodiscard]] uint32_t scope_of_whole(std::string_view host) const noexcept;
    [[nodiscard]] Cursor longest(const Scope& scope, std::string_view path) const noexcept;
    /// The end of a walk of a scope: what it has for a path.
    struct Landing {
        Cursor mount;
        uint32_t point = none;
    };
    template <size_t width>
    [[nodiscard]] Landing land(uint32_t scope, std::string_view path,
                               const Beginnings<width>& beginnings,
                               uint64_t boundaries) const noexcept;
    /// Fills in what each scope of the host has. `width`: more than the longest shortcut.
    /// Returns: none if all the points are.
    template <size_t width>
    [[nodiscard]] uint32_t land_all(Match& match, uint32_t* points,
                                    std::string_view path) const noexcept;
    /// One walk of a scope's tree from the node `from` behind `position` bytes:
    /// `visit_mount(Cursor)` for each mount whose base takes `path`, shortest first, and
    /// `visit_point(index)` for each prefix of globs that does.
    template <typename VisitMount, typename VisitPoint>
    void walk_bases(uint32_t from, size_t start, std::string_view path, VisitMount&& visit_mount,
                    VisitPoint&& visit_point) const noexcept {
        if (from == none) return;
        walk(view_.radix, from, start, path, [&](const Node& node, size_t position) noexcept {
            if ((node.value & node.point) == none) return;
            if (at_boundary(path, position)) {
                if (node.point != none) visit_point(node.point);
                if (node.value < app_flag)
                    visit_mount(Cursor{node.value, static_cast<uint32_t>(position)});
            }
            if (node.value == none || node.value < app_flag) return;
            Cursor version = resolve(apps_[node.value & ~app_flag], path, position);
            if (version.mount != none) visit_mount(version);
        });
    }
    [[nodiscard]] Cursor resolve(const App& app, std::string_view path,
                                 size_t position) const noexcept;
    [[nodiscard]] uint32_t resolve_version(const App& app, std::string_view text) const noexcept;
    /// Fills in the best candidate and moves its cursor on. Returns the root of its own public
    /// globs.
    uint32_t take_longest(Match& match) const noexcept;
    void decide_public(Match& match, const uint32_t* points, uint32_t own_globs,
                       std::string_view path, uint16_t method_bit) const noexcept;
    [[nodiscard]] std::string_view text(uint32_t offset, size_t size) const noexcept {
        return {text_.data() + offset, size};
    }
    [[nodiscard]] std::string_view base_of(const Mount& mount) const noexcept {
        if (mount.text_size > Mount::head_max) return text(mount.text, mount.text_size);
        return {mount.head, mount.text_size};
    }

    GlobView view_;
    std::span<const Scope> scopes_;
    std::span<const Mount> mounts_;
    std::span<const App> apps_;
    std::span<const VersionRecord> versions_;
    std::span<const PublicRecord> publics_;
    std::span<const char> text_;              ///< Behind the last base 64 bytes can be read.
    std::span<const Bucket> base_shortcuts_;  ///< To mounts; of any scope.
    std::span<const Bucket> host_shortcuts_;  ///< To scopes of whole hosts.
    size_t longest_ = 0;                      ///< Bytes of the longest base that has a shortcut.
    uint32_t hosts_ = none;  ///< Root of the tree of hosts read backwards; none without any.
    Block block_;
};

}  // namespace ringtime::route
