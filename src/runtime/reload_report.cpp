#include "runtime/reload_report.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/json.h"

namespace ringtime::runtime {
namespace {

const config::Diagnostic* first_error(const ReloadReport& report) {
    auto found =
        std::find_if(report.problems.begin(), report.problems.end(), [](const auto& problem) {
            return problem.severity == config::Severity::error;
        });
    return found == report.problems.end() ? nullptr : &*found;
}

std::string counted(size_t count, std::string_view what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

}  // namespace

std::string_view part_name(ReloadChange::Part part) noexcept {
    switch (part) {
        case ReloadChange::Part::route: return "route";
        case ReloadChange::Part::public_route: return "public route";
        case ReloadChange::Part::hook: return "hook";
        case ReloadChange::Part::plugin: return "plugin";
        case ReloadChange::Part::app: return "app";
        case ReloadChange::Part::site: return "site";
        case ReloadChange::Part::upstream: return "upstream";
    }
    return "part";
}

std::string_view change_name(ReloadChange::Kind kind) noexcept {
    switch (kind) {
        case ReloadChange::Kind::added: return "added";
        case ReloadChange::Kind::removed: return "removed";
        case ReloadChange::Kind::changed: return "changed";
    }
    return "changed";
}

std::string ReloadReport::summary() const {
    if (const config::Diagnostic* error = ok ? nullptr : first_error(*this))
        return "refused: " + config::render(*error);
    if (!ok) return "refused";
    return fmt::format("{} in {} ms", counted(changes.size() + changes_left_out, "change"),
                       duration_ms);
}

std::string ReloadReport::text() const {
    std::string out;
    for (const config::Diagnostic& problem : problems) out += config::render(problem) + "\n";
    for (const ReloadChange& change : changes) {
        out +=
            fmt::format("{:<8} {:<12} {}{}{}\n", change_name(change.kind), part_name(change.part),
                        change.name, change.detail.empty() ? "" : ": ", change.detail);
    }
    if (changes_left_out) out += fmt::format("... and {} more\n", changes_left_out);
    std::string count = counted(changes.size() + changes_left_out, "change");
    if (!ok) {
        out += "refused; what was in force serves on\n";
    } else if (kind == ReloadKind::dry_run) {
        out += fmt::format("good: {}, nothing applied\n", count);
    } else {
        out += fmt::format("reloaded: {} in {} ms\n", count, duration_ms);
    }
    return out;
}

std::string ReloadReport::json() const {
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("ok").boolean(ok);
    json.key("dryRun").boolean(kind == ReloadKind::dry_run);
    json.key("epoch").number(epoch).key("durationMs").number(duration_ms);
    json.key("problems").begin_array();
    for (const config::Diagnostic& problem : problems) {
        json.begin_object().key("severity");
        json.string(problem.severity == config::Severity::error ? "error" : "warning");
        json.key("file").string(problem.file).key("line").number(problem.line);
        json.key("column").number(problem.column).key("text").string(problem.text);
        json.key("remedy").string(problem.remedy).end_object();
    }
    json.end_array().key("changes").begin_array();
    for (const ReloadChange& change : changes) {
        json.begin_object().key("change").string(change_name(change.kind));
        json.key("part").string(part_name(change.part)).key("name").string(change.name);
        json.key("detail").string(change.detail).end_object();
    }
    json.end_array().key("changesLeftOut").number(changes_left_out).end_object();
    return out + "\n";
}

}  // namespace ringtime::runtime
