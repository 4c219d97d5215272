#include "runtime/readiness.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/json.h"

namespace ringtime::runtime {
namespace {

std::string as_text(std::span<const Unready> named, size_t more) {
    std::string out;
    for (const Unready& one : named) {
        if (!one.kind.empty()) out += fmt::format("{} {}", one.kind, one.name);
        if (!one.version.empty()) out += fmt::format("@{}", one.version);
        out += fmt::format("{}{}\n", one.kind.empty() ? "" : ": ", one.problem);
    }
    if (more > 0) out += fmt::format("and {} more\n", more);
    return out;
}

std::string as_json(std::span<const Unready> named, size_t more) {
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("ready").boolean(false).key("problems").begin_array();
    for (const Unready& one : named) {
        json.begin_object();
        if (!one.kind.empty()) json.key(one.kind).string(one.name);
        if (!one.version.empty()) json.key("version").string(one.version);
        json.key("problem").string(one.problem).end_object();
    }
    json.end_array();
    if (more > 0) json.key("more").number(more);
    json.end_object();
    return out + "\n";
}

}  // namespace

std::string readiness_report(std::span<const Unready> all, exchange::Readiness::Form form) {
    if (all.empty()) return {};
    std::span<const Unready> named = all.first(std::min(all.size(), unready_named_max));
    size_t more = all.size() - named.size();
    return form == exchange::Readiness::Form::json ? as_json(named, more) : as_text(named, more);
}

}  // namespace ringtime::runtime
