#include "runtime/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/json.h"
#include "http/refusal.h"
#include "http/syntax.h"
#include "http/target.h"
#include "route/explain.h"

namespace ringtime::runtime {
namespace {

using exchange::Mount;
using exchange::TargetKind;

std::string target_text(const exchange::Snapshot& snapshot, const Mount& mount) {
    switch (mount.kind) {
        case TargetKind::none: return "plugin only";
        case TargetKind::site: return "site " + mount.folder;
        case TargetKind::worker: return "worker " + mount.folder;
        case TargetKind::upstream: break;
    }
    std::string text = "upstream";
    const upstream::UpstreamSpec& spec = snapshot.upstreams[mount.target]->spec();
    for (const upstream::ServerSpec& server : spec.servers) {
        text += server.unix_path.empty() ? fmt::format(" http://{}:{}", server.host, server.port)
                                         : " unix:" + server.unix_path;
    }
    return text;
}

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
    if (!url.starts_with('/')) {
        problem = fmt::format("'{}' is no path: it must begin with / or with http://", question.url);
        return false;
    }
    out.method = http::intern_method(question.method);
    size_t mark = std::min(url.find('?'), url.size());
    if (mark < url.size()) out.query = url.substr(mark + 1);
    std::string storage(http::canonical_storage(url.substr(0, mark)), '\0');
    auto path = http::canonicalise(url.substr(0, mark), storage.data(), storage.size());
    if (!path.ok()) {
        problem = fmt::format("{} would be refused with {}: {}", url,
                              describe(path.error().reason).status,
                              http::describe(http::refusal_of(path.error())).rule);
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

// Names of the hooks that would run, in order.
std::vector<std::string> hooks_of(const config::Configuration& configuration) {
    std::vector<std::string> names;
    for (const config::Package& package : configuration.packages) {
        if (!package.plugin_entry_file.empty()) names.push_back(package.manifest.name.value);
    }
    return names;
}

std::string explain_text(const config::Configuration& configuration,
                         const exchange::Snapshot& snapshot, const Request& request,
                         std::string_view method, const route::Explanation& explanation) {
    std::string out;
    auto line = [&](std::string_view key, std::string_view value) {
        fmt::format_to(std::back_inserter(out), "{:<10} {}\n", key, value);
    };
    line("request", fmt::format("{} {}{}{}", method, request.path, request.query.empty() ? "" : "?",
                                request.query));
    line("host", request.host.empty() ? "(none)" : request.host);
    for (const route::HostStep& host : explanation.hosts)
        line("", fmt::format("mounts for {}{}", host.pattern.empty() ? "any host" : host.pattern,
                             host.tenant.empty() ? "" : " (tenant " + host.tenant + ")"));
    for (const route::WalkStep& step : explanation.steps) {
        static constexpr std::string_view outcomes[] = {
            "goes on", "taken", "not a segment boundary", "version", "no such version"};
        line("walk",
             fmt::format("{} {}{}", step.consumed, outcomes[static_cast<size_t>(step.outcome)],
                         step.base.empty() ? "" : " (" + step.base + ")"));
    }
    for (const std::string& end : explanation.ends) line("", end);
    for (const route::CandidateStep& candidate : explanation.candidates) {
        const Mount& mount = snapshot.mounts[candidate.mount];
        line("mount", fmt::format("{} {} ({}), {}", candidate.base, mount.name, mount.origin,
                                  candidate.why));
    }
    line("verdict", explanation.verdict);
    line("public", explanation.public_verdict);
    for (const std::string& name : hooks_of(configuration))
        line("hook", name + (explanation.match.is_public ? " (on_request skipped: public)" : ""));
    if (explanation.match.found()) {
        const Mount& mount = snapshot.mounts[explanation.match.mount];
        line("target", target_text(snapshot, mount));
        line("path", http::strip_base(request.path, explanation.match.base_size));
    }
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
    json.key("candidates").begin_array();
    for (const route::CandidateStep& candidate : explanation.candidates) {
        const Mount& mount = snapshot.mounts[candidate.mount];
        json.begin_object().key("base").string(candidate.base).key("host").string(candidate.host);
        json.key("name").string(mount.name).key("version").string(candidate.version);
        json.key("manifest").string(mount.origin).key("why").string(candidate.why).end_object();
    }
    json.end_array().key("hooks").begin_array();
    for (const std::string& name : hooks_of(configuration)) json.string(name);
    json.end_array();
    if (explanation.match.found()) {
        const Mount& mount = snapshot.mounts[explanation.match.mount];
        json.key("target").string(target_text(snapshot, mount));
        json.key("strippedPath")
            .string(http::strip_base(request.path, explanation.match.base_size));
    }
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
        fmt::format_to(std::back_inserter(out), "{:<{}}  {:<{}}  {:<{}}  {}\n", a, host, b, base, c,
                       name, d);
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
