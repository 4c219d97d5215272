#pragma once
// Many globs as one matcher. The literal segments a glob begins with are a key in a radix tree; at
// each key stands one automaton of all that may still match behind it, globs with shorter prefixes
// included. So a lookup is one walk and at most one automaton over the rest: linear in the path
// whatever the globs are. Public routes of plugins and apps and the patterns of plugin routes are
// all such sets.

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "route/automaton.h"
#include "route/automaton_code.h"
#include "route/radix.h"

namespace ringtime::route {

/// All automata of one compiled table, in bytes; beyond it globs are refused.
inline constexpr size_t automata_bytes_max = 64 * 1024 * 1024;

/// What stands at a key: an automaton (shared by equal points) and the meaning of its members.
struct Point {
    uint32_t code = 0;     ///< Index of its first word.
    uint32_t members = 0;  ///< Index of its first member.
    uint32_t size = 0;  ///< Bytes of the key: what of a path is behind it is still to be decided.
};

/// The compiled sets, wherever they are stored.
struct GlobView {
    RadixView radix;
    std::span<const Point> points;
    std::span<const uint32_t> members;
    std::span<const uint64_t> code;
};

struct GlobMatch {
    uint32_t payload = none;  ///< Of the first pattern that matches with the method.
    uint16_t methods = 0;     ///< All methods with which some pattern matches.
};

/// The point of the longest key of the set at `root` that ends at a segment boundary of `path`;
/// none if there is no such key.
[[nodiscard]] inline uint32_t find_point(const GlobView& view, uint32_t root,
                                         std::string_view path) noexcept {
    uint32_t point = none;
    walk(view.radix, root, 0, path, [&](const Node& node, size_t position) noexcept {
        if (node.point != none && at_boundary(path, position)) point = node.point;
    });
    return point;
}

/// Whether the globs at `point` may take `path`, which begins with its key. Costs a few loads.
[[nodiscard]] inline bool may_match(const GlobView& view, uint32_t point,
                                    std::string_view path) noexcept {
    const Point& from = view.points[point];
    path.remove_prefix(from.size);
    return code::may_accept(&view.code[from.code], path);
}

[[nodiscard]] inline GlobMatch to_match(const GlobView& view, uint32_t point,
                                        const Verdict& verdict) noexcept {
    if (verdict.member == UINT32_MAX) return {none, verdict.methods};
    return {view.members[view.points[point].members + verdict.member], verdict.methods};
}

[[nodiscard]] inline GlobMatch match_globs(const GlobView& view, uint32_t root,
                                           std::string_view path, uint16_t method) noexcept {
    uint32_t index = find_point(view, root, path);
    if (index == none || !may_match(view, index, path)) return {};
    const Point& point = view.points[index];
    return to_match(view, index,
                    run_automaton(&view.code[point.code], path.substr(point.size), method));
}

struct GlobPattern {
    std::span<const Item> items;
    uint16_t methods = 0;
    uint32_t payload = 0;
};

/// A compiled set before its tree is built.
struct GlobSet {
    std::map<std::string, uint32_t> points;  ///< Literal prefix -> point.
    std::vector<uint32_t> refused;           ///< Payloads of patterns that no automaton could take.
    std::vector<uint32_t> covered;           ///< Payloads of patterns that earlier ones cover.
};

/// Compiles sets, one after the other, into shared storage.
class GlobCompiler {
  public:
    GlobCompiler() = default;
    explicit GlobCompiler(const AutomatonCaps& caps) : caps_(caps) {}

    /// Compiles a set of `patterns`, in order of priority, down to the keys of its tree.
    [[nodiscard]] GlobSet compile_set(std::span<const GlobPattern> patterns);
    /// Appends a tree of these keys alone and returns its root.
    [[nodiscard]] uint32_t add_tree(const GlobSet& set);

    [[nodiscard]] GlobView view() const noexcept { return {radix.view(), points, members, code}; }

    RadixStore radix;
    std::vector<Point> points;
    std::vector<uint32_t> members;
    std::vector<uint64_t> code;

  private:
    struct Key;
    struct Compiled {
        AutomatonKind kind = AutomatonKind::refused;
        uint32_t code = 0;
        std::vector<bool> reported;
    };
    [[nodiscard]] const Compiled& compile(std::span<const Seed> seeds);
    void inherit(std::span<const GlobPattern> patterns, const Key& above, Key& key) const;

    AutomatonCaps caps_;
    /// Equal seeds give equal automata: most sets share a handful.
    std::unordered_map<std::u16string, Compiled> compiled_;
};

}  // namespace ringtime::route
