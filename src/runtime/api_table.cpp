#include "runtime/api_table.h"

#include <fmt/core.h>
#include <simdjson.h>

#include <algorithm>

#include "base/json.h"
#include "runtime/api_handlers.h"

namespace ringtime::runtime {
namespace {

using exchange::Role;
using http::Method;

constexpr ApiParameter kFormat{"format", "`json` (the default), or `text` for people"};
constexpr ApiParameter kDryRun{"dryRun", "`1`: says what would change, and changes nothing"};

constexpr ApiParameter kFormatOnly[] = {kFormat};
constexpr ApiParameter kReload[] = {kDryRun, kFormat};
constexpr ApiParameter kUpload[] = {
    {"dir", "folder for a package that is new: one of the configured ones"}, kFormat};
constexpr ApiParameter kRemoveApp[] = {{"version", "only this one; without it, all"}, kFormat};
constexpr ApiParameter kExplain[] = {
    {"method", "GET, POST, ...", Need::required},
    {"url", "`/path?query`, or `http://host/path`", Need::required},
    {"host", "Host, for a URL without one"},
    kFormat};
constexpr ApiParameter kNewKey[] = {
    {"name", "who uses it, for people to know", Need::required},
    {"role", "`viewer` (reads), `editor` (and workers, apps, reload), `admin` (everything)",
     Need::required}};

constexpr ApiEndpoint kEndpoints[] = {
    {Method::get, "/status", Role::viewer, api_status,
     "Uptime, version, cores, connections, requests by status class", kFormatOnly},
    {Method::get, "/routes", Role::viewer, api_routes, "What is mounted where", kFormatOnly},
    {Method::get, "/explain", Role::viewer, api_explain, "Where a request would go, and why",
     kExplain},
    {Method::get, "/upstreams", Role::viewer, api_upstreams,
     "Upstreams: the state of their servers, requests, failures, latencies", kFormatOnly},
    {Method::get, "/workers", Role::viewer, api_workers,
     "Worker processes: state, pid, requests, age, memory", kFormatOnly},
    {Method::post, "/workers/{id}/restart", Role::editor, api_restart_worker,
     "Start a replacement, then drain this worker; or all workers of an app, by its name or base",
     kFormatOnly},
    {Method::post, "/workers/{id}/drain", Role::editor, api_drain_worker,
     "Let this worker, or all workers of an app, finish their requests and end", kFormatOnly},
    {Method::post, "/reload", Role::editor, api_reload,
     "Read the configuration again and serve it, if it is good", kReload, ApiBody::none, {},
     ApiLane::slow},
    {Method::get, "/apps", Role::viewer, api_apps, "Apps and their versions", kFormatOnly},
    {Method::post, "/apps", Role::editor, api_upload_app,
     "Upload an app as .tar.gz or .zip: new, or in place of the same name and version", kUpload,
     ApiBody::archive, {}, ApiLane::slow},
    {Method::delete_, "/apps/{name}", Role::editor, api_remove_app,
     "Remove an app, or one version of it", kRemoveApp, ApiBody::none, {}, ApiLane::slow},
    {Method::post, "/apps/{name}/enable", Role::editor, api_enable_app, "Serve an app again",
     kFormatOnly, ApiBody::none, {}, ApiLane::slow},
    {Method::post, "/apps/{name}/disable", Role::editor, api_disable_app,
     "Stop serving an app, and keep it", kFormatOnly, ApiBody::none, {}, ApiLane::slow},
    {Method::get, "/plugins", Role::viewer, api_plugins,
     "Native plugins: calls, sampled time, answers, errors and suspensions by hook", kFormatOnly},
    {Method::post, "/plugins", Role::admin, api_upload_plugin,
     "Upload a plugin as .tar.gz or .zip: new, or in place of the same name", kUpload,
     ApiBody::archive, {}, ApiLane::slow},
    {Method::post, "/plugins/reload", Role::editor, api_reload, "The same as /reload", kReload,
     ApiBody::none, {}, ApiLane::slow},
    {Method::delete_, "/plugins/{name}", Role::admin, api_remove_plugin, "Remove a plugin",
     kFormatOnly, ApiBody::none, {}, ApiLane::slow},
    {Method::post, "/plugins/{name}/enable", Role::admin, api_enable_plugin,
     "Load a plugin again", kFormatOnly, ApiBody::none, {}, ApiLane::slow},
    {Method::post, "/plugins/{name}/disable", Role::admin, api_disable_plugin,
     "Unload a plugin, and keep it", kFormatOnly, ApiBody::none, {}, ApiLane::slow},
    {Method::get, "/keys", Role::admin, api_keys, "API keys, without their secrets", kFormatOnly},
    {Method::post, "/keys", Role::admin, api_create_key,
     "Make an API key; its text is in this answer and nowhere else", kFormatOnly, ApiBody::json,
     kNewKey},
    {Method::delete_, "/keys/{id}", Role::admin, api_remove_key, "Remove a key, by id or name",
     kFormatOnly},
    {Method::get, "/openapi.json", Role::viewer, api_openapi, "This description"},
};

std::string_view value_of(const QueryValues& values, std::string_view name) noexcept {
    for (const auto& [key, value] : values) {
        if (key == name) return value;
    }
    return {};
}

bool has(const QueryValues& values, std::string_view name) noexcept {
    return std::any_of(values.begin(), values.end(),
                       [&](const auto& value) { return value.first == name; });
}

// Every given name is known and every required one is given.
bool check_names(const QueryValues& given, std::span<const ApiParameter> known,
                 std::string_view what, std::string& problem) {
    for (const auto& [name, value] : given) {
        auto it = std::find_if(known.begin(), known.end(), [&name = name](const ApiParameter& one) {
            return one.name == name;
        });
        if (it != known.end()) continue;
        problem = fmt::format("there is no {} '{}' here", what, name);
        return false;
    }
    for (const ApiParameter& one : known) {
        if (one.need == Need::optional || !value_of(given, one.name).empty()) continue;
        problem = fmt::format("the {} '{}' is missing or empty: {}", what, one.name, one.about);
        return false;
    }
    return true;
}

bool read_json_fields(const exchange::BlockText& body, QueryValues& out, std::string& problem) {
    simdjson::dom::parser parser;
    simdjson::padded_string text(body.text());
    simdjson::dom::object object;
    if (parser.parse(text).get(object)) {
        problem = "the body is no JSON object";
        return false;
    }
    for (auto [name, value] : object) {
        std::string_view string;
        if (value.get(string)) {
            problem = fmt::format("the field '{}' is no string", name);
            return false;
        }
        out.emplace_back(name, string);
    }
    return true;
}

}  // namespace

std::span<const ApiEndpoint> api_endpoints() noexcept { return kEndpoints; }

std::string_view ApiArguments::in_query(std::string_view name) const noexcept {
    return value_of(query, name);
}

std::string_view ApiArguments::field(std::string_view name) const noexcept {
    return value_of(fields, name);
}

bool ApiArguments::flag(std::string_view name) const noexcept {
    std::string_view value = in_query(name);
    return has(query, name) && value != "0" && value != "false";
}

ApiMatch find_endpoint(Method method, std::string_view path) {
    ApiMatch match;
    Method wanted = method == Method::head ? Method::get : method;
    for (uint32_t i = 0; i < std::size(kEndpoints); ++i) {
        if (!match_pattern(kEndpoints[i].pattern, path, nullptr)) continue;
        match.allowed |= http::method_bit(kEndpoints[i].method);
        if (kEndpoints[i].method == Method::get) match.allowed |= http::method_bit(Method::head);
        if (kEndpoints[i].method == wanted && !match.endpoint) match.endpoint = i;
    }
    return match;
}

bool read_arguments(const ApiEndpoint& endpoint, exchange::ApiRequest& request, ApiArguments& out,
                    std::string& problem) {
    out.caller = request.caller;
    out.request_id = request.request_id;
    out.body = &request.body;
    std::vector<std::string_view> values;
    (void)match_pattern(endpoint.pattern, request.path, &values);
    for (std::string_view value : values) {
        auto decoded = percent_decode(value, Plus::is_plus);
        if (!decoded) {
            problem = fmt::format("'{}' is not well encoded", value);
            return false;
        }
        out.path.push_back(std::move(*decoded));
    }
    auto query = parse_query(request.query);
    if (!query) {
        problem = "the query is not well encoded";
        return false;
    }
    out.query = std::move(*query);
    if (!check_names(out.query, endpoint.query, "parameter", problem)) return false;
    std::string_view format = out.in_query("format");
    if (!format.empty() && format != "text" && format != "json") {
        problem = fmt::format("format is 'json' or 'text', not '{}'", format);
        return false;
    }
    if (endpoint.body == ApiBody::none && request.body.size() > 0) {
        problem = "a body is not expected here";
        return false;
    }
    if (endpoint.body != ApiBody::json) return true;
    return read_json_fields(request.body, out.fields, problem) &&
           check_names(out.fields, endpoint.fields, "field", problem);
}

exchange::ApiReply error_reply(uint16_t status, std::string_view code, std::string_view message,
                               std::string_view request_id) {
    exchange::ApiReply reply;
    reply.status = status;
    JsonWriter json(reply.body);
    json.begin_object().key("error").string(code).key("message").string(message);
    json.key("requestId").string(request_id).end_object();
    reply.body += '\n';
    return reply;
}

ApiReply text_reply(std::string text) {
    ApiReply reply;
    reply.content_type = "text/plain; charset=utf-8";
    reply.body = std::move(text);
    return reply;
}

ApiReply json_reply(std::string json) {
    ApiReply reply;
    reply.body = std::move(json);
    if (!reply.body.ends_with('\n')) reply.body += '\n';
    return reply;
}

}  // namespace ringtime::runtime
