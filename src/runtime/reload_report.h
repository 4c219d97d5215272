#pragma once
// What a reload came to, as data: whether it holds, what is wrong and where, and what it changes,
// by name. Text for people and JSON for programs say the same.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostic.h"

namespace ringtime::runtime {

enum class ReloadKind : uint8_t {
    apply,
    dry_run,  ///< Reads, checks and compiles everything; starts and changes nothing.
};

struct ReloadChange {
    enum class Part : uint8_t { route, public_route, hook, plugin, app, site, upstream };
    enum class Kind : uint8_t { added, removed, changed };

    Part part = Part::route;
    Kind kind = Kind::added;
    std::string name;    ///< `shop`, `*.example.com /shop`, `auth on_request`.
    std::string detail;  ///< What became of it, or why; may be empty.

    friend bool operator==(const ReloadChange&, const ReloadChange&) = default;
};
[[nodiscard]] std::string_view part_name(ReloadChange::Part part) noexcept;
[[nodiscard]] std::string_view change_name(ReloadChange::Kind kind) noexcept;

struct ReloadReport {
    /// More are counted, not kept: a table of 100,000 routes may change as a whole.
    static constexpr size_t changes_kept_max = 5000;

    ReloadKind kind = ReloadKind::apply;
    bool ok = false;        ///< It is in force now, or would be. False: the old one serves on.
    uint64_t epoch = 0;     ///< What is in force after it.
    uint64_t duration_ms = 0;
    /// Errors and warnings with `file:line:column`; what a plugin or worker did wrong has the place
    /// of its manifest.
    std::vector<config::Diagnostic> problems;
    std::vector<ReloadChange> changes;
    size_t changes_left_out = 0;

    [[nodiscard]] std::string text() const;
    /// One object and a line end.
    [[nodiscard]] std::string json() const;
    /// For the event log: `3 changes in 12 ms`, or the first error.
    [[nodiscard]] std::string summary() const;
};

}  // namespace ringtime::runtime
