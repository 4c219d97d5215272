#pragma once
// The API as data: one row per endpoint says its method, path, role, parameters and handler.
// Requests are routed by it and /api/openapi.json is written from it, so that the description
// cannot disagree with the deed. Immutable after start; cores and control threads read it.

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exchange/api.h"
#include "http/head.h"
#include "runtime/api_request.h"

namespace ringtime::runtime {

struct ApiContext;

/// A request as its handler sees it: parsed, checked against its row.
class ApiArguments {
 public:
    std::string_view caller;
    std::string_view request_id;
    std::vector<std::string> path;  ///< What stands for the names of the pattern, in order.
    QueryValues query;
    QueryValues fields;             ///< Of a JSON body.
    const exchange::BlockText* body = nullptr;

    /// Empty when absent.
    [[nodiscard]] std::string_view in_query(std::string_view name) const noexcept;
    [[nodiscard]] std::string_view field(std::string_view name) const noexcept;
    /// `dryRun`, `dryRun=1`, `dryRun=true`.
    [[nodiscard]] bool flag(std::string_view name) const noexcept;
    /// Text for people (`format=text`) instead of JSON.
    [[nodiscard]] bool wants_text() const noexcept { return in_query("format") == "text"; }
};

using ApiHandler = exchange::ApiReply (*)(ApiContext& context, const ApiArguments& arguments);

enum class Need : uint8_t { optional, required };
struct ApiParameter {
    std::string_view name;
    std::string_view about;
    Need need = Need::optional;
};

enum class ApiBody : uint8_t { none, json, archive };
/// Slow ones have a thread of their own, one after the other: a reload that waits for a plugin does
/// not keep anybody from asking for the status.
enum class ApiLane : uint8_t { quick, slow };

struct ApiEndpoint {
    http::Method method;
    std::string_view pattern;  ///< Below the API's base.
    exchange::Role role;       ///< The least that may.
    ApiHandler handler;
    std::string_view summary;
    std::span<const ApiParameter> query = {};
    ApiBody body = ApiBody::none;
    std::span<const ApiParameter> fields = {};  ///< Of a JSON body: all are strings.
    ApiLane lane = ApiLane::quick;
};

/// All of them, in the order of the description.
[[nodiscard]] std::span<const ApiEndpoint> api_endpoints() noexcept;

/// The row for a request; HEAD is answered as GET. Else `allowed`: methods the path does have, none
/// when there is no such path.
struct ApiMatch {
    std::optional<uint32_t> endpoint;
    http::MethodSet allowed = 0;
};
[[nodiscard]] ApiMatch find_endpoint(http::Method method, std::string_view path);

/// Reads a request for its row. False: `problem` says what is wrong with it (400).
[[nodiscard]] bool read_arguments(const ApiEndpoint& endpoint, exchange::ApiRequest& request,
                                  ApiArguments& out, std::string& problem);

/// OpenAPI 3.1, from the rows. `base`: `/api`.
[[nodiscard]] std::string openapi_json(std::string_view base);

/// `{"error": code, "message": text, "requestId": id}`.
[[nodiscard]] exchange::ApiReply error_reply(uint16_t status, std::string_view code,
                                             std::string_view message,
                                             std::string_view request_id);

}  // namespace ringtime::runtime
