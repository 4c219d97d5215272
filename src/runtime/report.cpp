#include "runtime/report.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>

#include "base/json.h"
#include "exchange/core_paths.h"
#include "hook/scope.h"
#include "http/head_parser.h"
#include "http/refusal.h"
#include "http/syntax.h"
#include "http/target.h"
#include "route/explain.h"
#include "runtime/packages.h"

namespace ringtime::runtime {

using exchange::Mount;
using exchange::TargetKind;

std::string target_text(const exchange::Snapshot& snapshot, const Mount& mount) {
    switch (mount.kind) {
        case TargetKind::none:
            return "plugin only";
        case TargetKind::site:
            return "site " + mount.folder;
        case TargetKind::worker:
            return "worker " + mount.folder;
        case TargetKind::upstream:
            break;
    }
    std::string text = "upstream";
    const upstream::UpstreamSpec& spec = snapshot.upstreams[mount.target]->spec();
    for (const upstream::ServerSpec& server : spec.servers) {
        text += server.unix_path.empty() ? fmt::format(" http://{}:{}", server.host, server.port)
                                         : " unix:" + server.unix_path;
    }
    return text;
}

namespace {

struct Row {
    std::string host;
    std::string base;
    const Mount* mount;
    std::string target;
};

std::vector<Row> rows_of(const exchange::Snapshot& snapshot) {
    std::vector<Row> rows;
    for (const route::MountRow& row : route::list_mounts(*snapshot.routes)) {
        const Mount& mount = snapshot.mounts[row.mount];
        std::string base = row.base;
        if (!row.version.empty() && !row.is_default) base += "@" + row.version;
        rows.push_back({row.host.empty() ? "*" : row.host, std::move(base), &mount,
                        target_text(snapshot, mount)});
    }
    return rows;
}

// --- explain ---

struct Request {
    std::string host;
    std::string path;  ///< Canonical.
    std::string query;
    http::Method method = http::Method::other;
};

std::string refused(std::string_view what, const Error& error) {
    return fmt::format("{} would be refused with {}: {}", what, describe(error.reason).status,
                       http::describe(http::refusal_of(error)).rule);
}

/// What the parser itself says to such a request; empty when it takes it.
std::string refused_head(std::string_view method, std::string_view target) {
    std::string text = fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\n\r\n", method, target);
    http::RequestParser parser;
    http::RequestHead head;
    http::ParseOutcome outcome = parser.parse(text.data(), text.size(), head);
    return outcome.failed() ? refused(fmt::format("{} {}", method, target), outcome.error) : "";
}

bool read_request(const ExplainQuestion& question, Request& out, std::string& problem) {
    std::string_view url = question.url;
    std::string_view authority = question.host;
    for (std::string_view scheme : {"http://", "https://"}) {
        if (!url.starts_with(scheme)) continue;
        url.remove_prefix(scheme.size());
        size_t end = std::min(url.find_first_of("/?"), url.size());
        if (authority.empty()) authority = url.substr(0, end);
        url.remove_prefix(end);
        if (url.empty()) url = "/";
    }
    if (!http::is_token(question.method)) {
        problem = fmt::format("'{}' is no method", question.method);
        return false;
    }
    if (url == "*" && question.method == "OPTIONS") {
        problem = "OPTIONS * asks the gateway itself, which answers 204 (RFC 9110 9.3.7)";
        return false;
    }
    if (!url.starts_with('/')) {
        problem =
            fmt::format("'{}' is no path: it must begin with / or with http://", question.url);
        return false;
    }
    // In a request it would end the target, and the rest be taken for the version.
    problem = url.find(' ') == std::string_view::npos ? refused_head(question.method, url)
                                                      : "a URL holds no space: write %20 for it";
    if (!problem.empty()) return false;
    out.method = http::intern_method(question.method);
    size_t mark = std::min(url.find('?'), url.size());
    if (mark < url.size()) out.query = url.substr(mark + 1);
    std::string storage(http::canonical_storage(url.substr(0, mark)), '\0');
    auto path = http::canonicalise(url.substr(0, mark), storage.data(), storage.size());
    if (!path.ok()) {
        problem = refused(url, path.error());
        return false;
    }
    out.path = path->canonical;
    std::string host_storage(authority.size(), '\0');
    auto host = http::canonical_host(authority, host_storage.data(), host_storage.size());
    if (!host.ok()) {
        problem = fmt::format("'{}' is no host", authority);
        return false;
    }
    out.host = host->name;
    return true;
}

std::vector<std::string> texts_of(const std::vector<config::Located<std::string>>& values) {
    std::vector<std::string> texts;
    for (const auto& value : values) texts.push_back(value.value);
    return texts;
}

struct HookRow {
    std::string name;
    bool sees = true;  ///< The request is one of its hosts and paths.
};

// Every plugin with code, in the order its hooks would run.
std::vector<HookRow> hooks_of(const config::Configuration& configuration, const Request& request) {
    std::vector<HookRow> rows;
    for (const config::Package& package : configuration.packages) {
        if (package.plugin_entry_file.empty()) continue;
        const config::Manifest& manifest = package.manifest;
        hook::Scope scope;
        std::string error;
        // A scope that cannot be built narrows nothing, here as when it is loaded.
        (void)scope.build(texts_of(manifest.hosts), texts_of(manifest.hooks.paths),
                          texts_of(manifest.hooks.except), error);
        rows.push_back({manifest.name.value, scope.contains(request.host, request.path)});
    }
    return rows;
}

// What answers, as one word or more; empty when nothing does.
std::string answering(const exchange::Snapshot& snapshot, const Request& request,
                      const route::Explanation& explanation) {
    if (exchange::core_path(request.path, snapshot.api_prefix) != exchange::CorePath::none)
        return "the gateway itself";
    if (!explanation.match.found()) return {};
    return target_text(snapshot, snapshot.mounts[explanation.match.mount]);
}

// `file:line` of the public route that decides; empty for none.
std::string public_origin(const exchange::Snapshot& snapshot,
                          const route::Explanation& explanation) {
    bool known = explanation.match.is_public &&
                 explanation.match.public_source < snapshot.public_origins.size();
    return known ? snapshot.public_origins[explanation.match.public_source] : std::string();
}

constexpr std::string_view kOutcomes[] = {"goes on", "taken", "not a segment boundary", "version",
                                          "no such version"};

std::string explain_text(const config::Configuration& configuration,
                         const exchange::Snapshot& snapshot, const Request& request,
                         std::string_view method, const route::Explanation& explanation) {
    std::string out;
    auto line = [&](std::string_view key, std::string_view value) {
        out += fmt::format("{:<10} {}\n", key, value);
    };
    line("request", fmt::format("{} {}{}{}", method, request.path, request.query.empty() ? "" : "?",
                                request.query));
    line("host", request.host.empty() ? "(none)" : request.host);
    for (const route::HostStep& host : explanation.hosts)
        line("", fmt::format("mounts for {}{}", host.pattern.empty() ? "any host" : host.pattern,
                             host.tenant.empty() ? "" : " (tenant " + host.tenant + ")"));
    for (const route::WalkStep& step : explanation.steps) {
        line("base",
             fmt::format("{} {}{}", step.consumed.empty() ? "/" : step.consumed,
                         kOutcomes[static_cast<size_t>(step.outcome)],
                         step.base.empty() ? "" : " (" + step.base + ")"));
    }
    for (const std::string& end : explanation.ends) line("", end);
    for (const route::CandidateStep& candidate : explanation.candidates) {
        const Mount& mount = snapshot.mounts[candidate.mount];
        line("mount", fmt::format("{} {} ({}), {}", candidate.base, mount.name, mount.origin,
                                  candidate.why));
    }
    line("verdict", explanation.verdict);
    std::string origin = public_origin(snapshot, explanation);
    line("public", explanation.public_verdict + (origin.empty() ? "" : " (" + origin + ")"));
    for (const HookRow& row : hooks_of(configuration, request)) {
        std::string_view note = explanation.match.is_public
                                    ? " (on_request only with RUN_ON_PUBLIC: the route is public)"
                                    : "";
        line(row.sees ? "hook" : "no hook",
             row.name + std::string(row.sees ? note : ": outside its hosts or hooks.paths"));
    }
    std::string target = answering(snapshot, request, explanation);
    line("target", target.empty() ? "none: the answer is 404" : target);
    if (explanation.match.found())
        line("path", http::strip_base(request.path, explanation.match.base_size));
    for (const route::NearMiss& miss : explanation.misses) line("near miss", miss.text);
    return out;
}

std::string explain_json(const config::Configuration& configuration,
                         const exchange::Snapshot& snapshot, const Request& request,
                         std::string_view method, const route::Explanation& explanation) {
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("method").string(method).key("host").string(request.host);
    json.key("path").string(request.path).key("query").string(request.query);
    json.key("verdict").string(explanation.verdict);
    json.key("public").boolean(explanation.match.is_public);
    json.key("publicGlob").string(explanation.public_glob);
    json.key("publicManifest").string(public_origin(snapshot, explanation));
    json.key("walk").begin_array();
    for (const route::WalkStep& step : explanation.steps) {
        json.begin_object().key("path").string(step.consumed).key("base").string(step.base);
        json.key("outcome").string(kOutcomes[static_cast<size_t>(step.outcome)]).end_object();
    }
    json.end_array().key("candidates").begin_array();
    for (const route::CandidateStep& candidate : explanation.candidates) {
        const Mount& mount = snapshot.mounts[candidate.mount];
        json.begin_object().key("base").string(candidate.base).key("host").string(candidate.host);
        json.key("name").string(mount.name).key("version").string(candidate.version);
        json.key("manifest").string(mount.origin).key("why").string(candidate.why).end_object();
    }
    json.end_array().key("hooks").begin_array();
    for (const HookRow& row : hooks_of(configuration, request)) {
        if (row.sees) json.string(row.name);
    }
    json.end_array();
    std::string target = answering(snapshot, request, explanation);
    if (!target.empty()) json.key("target").string(target);
    if (explanation.match.found())
        json.key("strippedPath")
            .string(http::strip_base(request.path, explanation.match.base_size));
    json.key("nearMisses").begin_array();
    for (const route::NearMiss& miss : explanation.misses) json.string(miss.text);
    json.end_array().end_object();
    return out + "\n";
}

}  // namespace

std::string routes_report(const exchange::Snapshot& snapshot, Format format) {
    std::vector<Row> rows = rows_of(snapshot);
    std::string out;
    if (format == Format::json) {
        JsonWriter json(out);
        json.begin_array();
        for (const Row& row : rows) {
            json.begin_object().key("host").string(row.host).key("base").string(row.base);
            json.key("name").string(row.mount->name).key("version").string(row.mount->version);
            json.key("target")
                .string(row.target)
                .key("manifest")
                .string(row.mount->origin)
                .end_object();
        }
        json.end_array();
        return out + "\n";
    }
    size_t host = 4, base = 4, name = 4;
    for (const Row& row : rows) {
        host = std::max(host, row.host.size());
        base = std::max(base, row.base.size());
        name = std::max(name, row.mount->name.size());
    }
    auto add = [&](std::string_view a, std::string_view b, std::string_view c, std::string_view d) {
        out += fmt::format("{:<{}}  {:<{}}  {:<{}}  {}\n", a, host, b, base, c, name, d);
    };
    add("HOST", "BASE", "NAME", "TARGET");
    for (const Row& row : rows) add(row.host, row.base, row.mount->name, row.target);
    return out;
}

bool explain_report(const config::Configuration& configuration, const exchange::Snapshot& snapshot,
                    const ExplainQuestion& question, Format format, std::string& out) {
    Request request;
    if (!read_request(question, request, out)) return false;
    route::Explanation explanation = route::explain(*snapshot.routes, request.host, request.path,
                                                    http::method_bit(request.method));
    out = (format == Format::json ? explain_json : explain_text)(configuration, snapshot, request,
                                                                 question.method, explanation);
    return true;
}

}  // namespace ringtime::runtime
