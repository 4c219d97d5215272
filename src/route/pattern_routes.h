#pragma once
// The routes of one plugin (or of a worker through its SDK) below its base: method + pattern ->
// handler. `/users/:id/posts` takes one non-empty segment per parameter; a last segment `*` or
// `*rest` takes everything behind its slash, nothing included. Of several patterns the one that is
// literal earlier wins, then a parameter, then the wildcard; patterns without the method are passed
// over. Same machinery as public routes: one walk and one automaton, linear in the path.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "route/block.h"
#include "route/glob_set.h"
#include "route/problem.h"

namespace ringtime::route {

/// Parameters of one pattern, its wildcard included.
inline constexpr size_t params_max = 16;

struct Param {
    std::string_view name;   ///< Lives as long as the PatternRoutes.
    std::string_view value;  ///< Bytes of the path, escapes as they stand.
};

struct PatternMatch {
    enum class Status : uint8_t { found, not_found, method_not_allowed };

    Status status = Status::not_found;
    uint8_t param_count = 0;
    uint16_t allow = 0;       ///< Methods some pattern takes this path with, for Allow.
    uint32_t handler = none;
    Param params[params_max];

    /// Value of a parameter; data() is null if the pattern has none of that name.
    [[nodiscard]] std::string_view param(std::string_view name) const noexcept {
        for (unsigned i = 0; i < param_count; ++i) {
            if (params[i].name == name) return params[i].value;
        }
        return {};
    }
};

class PatternRoutes {
 public:
    PatternRoutes(const PatternRoutes&) = delete;
    PatternRoutes& operator=(const PatternRoutes&) = delete;

    /// `path`: canonical, behind the base; empty counts as `/`. `method_bit`: one bit as in
    /// http/head.h.
    [[nodiscard]] PatternMatch match(std::string_view path, uint16_t method_bit) const noexcept;
    [[nodiscard]] size_t bytes() const noexcept { return block_.size(); }

 private:
    friend class PatternRoutesBuilder;

    struct Pattern {
        uint32_t handler = none;
        uint32_t kinds = 0;       ///< Offset of one byte per segment.
        uint32_t first_name = 0;
        uint16_t segments = 0;
    };
    struct Name {
        uint32_t text = 0;
        uint32_t size = 0;
    };

    PatternRoutes() = default;
    void take_params(const Pattern& pattern, std::string_view path,
                     PatternMatch& match) const noexcept;

    GlobView view_;
    uint32_t root_ = none;
    std::span<const Pattern> patterns_;
    std::span<const Name> names_;
    std::span<const char> text_;
    Block block_;
};

struct PatternResult {
    std::unique_ptr<const PatternRoutes> routes;  ///< Null if there is any problem.
    std::vector<Problem> problems;
};

/// Start-up only. The order of the calls decides nothing.
class PatternRoutesBuilder {
 public:
    PatternRoutesBuilder() = default;
    explicit PatternRoutesBuilder(const AutomatonCaps& caps) : caps_(caps) {}

    /// A GET route that should answer HEAD as well is added with both bits.
    void add(uint16_t methods, std::string_view pattern, uint32_t handler);
    [[nodiscard]] PatternResult build();

 private:
    struct Pending {
        uint16_t methods = 0;
        uint32_t handler = 0;
        std::string text;
        std::vector<Item> items;
        std::string kinds;  ///< One of segment_literal, segment_param, segment_rest per segment.
        std::vector<std::string> names;
    };
    [[nodiscard]] static std::string parse(Pending& pattern);
    // tidy: allow(bool-parameter) private, and named at its one call
    [[nodiscard]] static std::string parse_segment(std::string_view segment, bool last,
                                                   Pending& pattern);
    void find_conflicts(std::vector<Problem>& problems) const;
    [[nodiscard]] std::unique_ptr<const PatternRoutes> compile(
        std::vector<Problem>& problems) const;

    AutomatonCaps caps_;
    std::vector<Pending> pending_;
};

}  // namespace ringtime::route
