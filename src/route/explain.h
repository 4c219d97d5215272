#pragma once
// Why a request goes where it goes: the walk through the same table, told as data. For the command
// line and the admin API, offline and live; allocates, and is never part of serving a request.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "route/route_table.h"

namespace ringtime::route {

/// Near misses that are listed at most.
inline constexpr size_t misses_max = 16;

/// One scope the host selects, the most specific first.
struct HostStep {
    std::string pattern;  ///< `shop.example.com`, `*.example.com`, or empty: any host.
    std::string tenant;   ///< What `*` stands for.
};

/// One node of the tree of bases of one scope.
struct WalkStep {
    enum class Outcome : uint8_t {
        branch,        ///< No base ends here.
        taken,         ///< A base ends here and takes the path.
        not_boundary,  ///< A base ends here, but inside a segment of the path.
        version,       ///< The base of an app and a version of it: both take the path together.
        no_version,    ///< The base of an app, but what follows `@` names no version of it.
    };
    size_t level = 0;      ///< Index into Explanation::hosts.
    size_t position = 0;   ///< Bytes of the path consumed.
    std::string consumed;  ///< Those bytes.
    Outcome outcome = Outcome::branch;
    std::string base;      ///< The base that ends here, if one does.
};

/// A mount that takes the path; the first one wins, each next one is asked if the target passes.
struct CandidateStep {
    uint32_t mount = none;  ///< The caller's id.
    std::string base;       ///< As mounted.
    std::string spelled;    ///< The part of the path it takes: `/app@^1` for an app's base.
    std::string version;    ///< The version that answers; empty for plain mounts.
    std::string host;       ///< Pattern of its scope.
    std::string tenant;
    uint8_t kind = 0;
    std::string why;        ///< Why it stands here: `the longest base`, and so on.
};

struct NearMiss {
    enum class Kind : uint8_t {
        segment_boundary,
        version,
        letter_case,
        other_host,
        trailing_slash,
        other_method,
        other_mount,
    };
    Kind kind = Kind::segment_boundary;
    std::string text;             ///< A sentence.
    uint32_t mount = none;        ///< The mount that was missed, if one was.
    uint32_t source = none;       ///< The public route that was missed, if one was.
    uint16_t methods = 0;         ///< Its methods.
};

struct Explanation {
    std::string host;
    std::string path;
    uint16_t method_bit = 0;
    std::vector<HostStep> hosts;
    std::vector<WalkStep> steps;
    std::vector<std::string> ends;  ///< One sentence per level: why its walk ended.
    std::vector<CandidateStep> candidates;
    Match match;                    ///< What match() says; its tenant borrows the caller's host.
    std::string verdict;            ///< One sentence: the winner and why, or why there is none.
    std::string public_glob;        ///< The glob that made it public, as written.
    std::string public_verdict;     ///< One sentence.
    std::vector<NearMiss> misses;
};

/// Arguments as for RouteTable::match.
[[nodiscard]] Explanation explain(const RouteTable& table, std::string_view host,
                                  std::string_view path, uint16_t method_bit);

/// One row of `ringtime routes`: every mount of a table, by host, then base, then version.
struct MountRow {
    uint32_t mount = none;
    uint8_t kind = 0;
    std::string host;
    std::string base;
    std::string version;
    bool is_default = false;  ///< For versions: it answers the bare base.
};
[[nodiscard]] std::vector<MountRow> list_mounts(const RouteTable& table);

}  // namespace ringtime::route
