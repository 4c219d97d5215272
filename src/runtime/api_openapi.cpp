// The description of the API, written from the rows that route it.

#include <fmt/core.h>

#include <algorithm>

#include "base/json.h"
#include "runtime/api_keys.h"
#include "runtime/api_table.h"

namespace ringtime::runtime {
namespace {

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return out;
}

// `POST /workers/{id}/restart` becomes `post_workers_id_restart`.
std::string operation_id(const ApiEndpoint& endpoint) {
    std::string id = lower(http::method_name(endpoint.method));
    for (char c : endpoint.pattern) {
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (plain) {
            id += c;
        } else if (id.back() != '_') {
            id += '_';
        }
    }
    while (id.back() == '_') id.pop_back();
    return id;
}

void write_parameter(JsonWriter& json, std::string_view in, const ApiParameter& parameter) {
    json.begin_object().key("name").string(parameter.name).key("in").string(in);
    json.key("required").boolean(parameter.need == Need::required);
    if (!parameter.about.empty()) json.key("description").string(parameter.about);
    json.key("schema").begin_object().key("type").string("string").end_object().end_object();
}

void write_parameters(JsonWriter& json, const ApiEndpoint& endpoint) {
    json.key("parameters").begin_array();
    std::string_view rest = endpoint.pattern;
    for (size_t open; (open = rest.find('{')) != std::string_view::npos;) {
        size_t close = rest.find('}', open);
        write_parameter(json, "path", {rest.substr(open + 1, close - open - 1), {},
                                       Need::required});
        rest.remove_prefix(close);
    }
    for (const ApiParameter& parameter : endpoint.query) write_parameter(json, "query", parameter);
    json.end_array();
}

void write_body(JsonWriter& json, const ApiEndpoint& endpoint) {
    if (endpoint.body == ApiBody::none) return;
    json.key("requestBody").begin_object().key("required").boolean(true);
    json.key("content").begin_object();
    if (endpoint.body == ApiBody::archive) {
        for (std::string_view type : {"application/gzip", "application/zip"})
            json.key(type).begin_object().end_object();
        json.end_object().end_object();
        return;
    }
    json.key("application/json").begin_object().key("schema").begin_object();
    json.key("type").string("object").key("properties").begin_object();
    for (const ApiParameter& field : endpoint.fields) {
        json.key(field.name).begin_object().key("type").string("string");
        json.key("description").string(field.about).end_object();
    }
    json.end_object().key("required").begin_array();
    for (const ApiParameter& field : endpoint.fields) {
        if (field.need == Need::required) json.string(field.name);
    }
    json.end_array().key("additionalProperties").boolean(false);
    json.end_object().end_object().end_object().end_object();
}

void write_response(JsonWriter& json, std::string_view status, std::string_view about) {
    json.key(status).begin_object().key("description").string(about);
    if (status != "200") {
        json.key("content").begin_object().key("application/json").begin_object();
        json.key("schema").begin_object().key("$ref").string("#/components/schemas/Error");
        json.end_object().end_object().end_object();
    }
    json.end_object();
}

void write_operation(JsonWriter& json, const ApiEndpoint& endpoint) {
    json.key(lower(http::method_name(endpoint.method))).begin_object();
    json.key("operationId").string(operation_id(endpoint));
    json.key("summary").string(endpoint.summary);
    json.key("description").string(fmt::format("Role: {}.", role_name(endpoint.role)));
    write_parameters(json, endpoint);
    write_body(json, endpoint);
    json.key("responses").begin_object();
    write_response(json, "200", "Done, or the answer");
    if (!endpoint.query.empty() || endpoint.body != ApiBody::none)
        write_response(json, "400", "A parameter or the body is wrong");
    write_response(json, "401", "No API key, or none that is known");
    write_response(json, "403", "The key's role does not permit this, or the origin is another");
    if (endpoint.pattern.find('{') != std::string_view::npos)
        write_response(json, "404", "There is no such thing");
    write_response(json, "405", "The path has other methods, see Allow");
    bool changes = endpoint.method != http::Method::get;
    if (changes) write_response(json, "409", "The state of things does not allow it");
    write_response(json, "413", "The body is too large");
    if (endpoint.lane == ApiLane::slow)
        write_response(json, "422", "Understood and refused: `message` says why, line by line");
    write_response(json, "503", "The gateway has no time for it");
    json.end_object().end_object();
}

void write_components(JsonWriter& json) {
    json.key("components").begin_object();
    json.key("securitySchemes").begin_object();
    json.key("bearer").begin_object().key("type").string("http").key("scheme").string("bearer");
    json.end_object();
    json.key("header").begin_object().key("type").string("apiKey").key("in").string("header");
    json.key("name").string("x-api-key").end_object().end_object();
    json.key("schemas").begin_object().key("Error").begin_object().key("type").string("object");
    json.key("properties").begin_object();
    for (std::string_view name : {"error", "message", "requestId"})
        json.key(name).begin_object().key("type").string("string").end_object();
    json.end_object().key("required").begin_array().string("error").string("message").end_array();
    json.end_object().end_object().end_object();
}

}  // namespace

std::string openapi_json(std::string_view base) {
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("openapi").string("3.1.0");
    json.key("info").begin_object().key("title").string("Ringtime");
    json.key("version").string(RINGTIME_VERSION).end_object();
    json.key("servers").begin_array().begin_object().key("url").string(base).end_object();
    json.end_array();
    json.key("security").begin_array();
    for (std::string_view scheme : {"bearer", "header"})
        json.begin_object().key(scheme).begin_array().end_array().end_object();
    json.end_array();
    json.key("paths").begin_object();
    std::span<const ApiEndpoint> all = api_endpoints();
    for (size_t i = 0; i < all.size(); ++i) {
        // The methods of one path stand together, at its first row.
        auto same = [&](const ApiEndpoint& other) { return other.pattern == all[i].pattern; };
        if (std::any_of(all.begin(), all.begin() + i, same)) continue;
        json.key(all[i].pattern).begin_object();
        for (const ApiEndpoint& endpoint : all) {
            if (same(endpoint)) write_operation(json, endpoint);
        }
        json.end_object();
    }
    json.end_object();
    write_components(json);
    json.end_object();
    return out + "\n";
}

}  // namespace ringtime::runtime
