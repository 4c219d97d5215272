// Keys over the API: for admins, and for the command line through the socket.

#include <fmt/core.h>

#include "base/json.h"
#include "base/log.h"
#include "runtime/api.h"
#include "runtime/api_handlers.h"

namespace ringtime::runtime {
ApiReply api_keys(ApiContext& context, const ApiArguments& arguments) {
    std::vector<ApiKey> keys = context.keys.list();
    return arguments.wants_text() ? text_reply(keys_text(keys)) : json_reply(keys_json(keys));
}

ApiReply api_create_key(ApiContext& context, const ApiArguments& arguments) {
    auto role = parse_role(arguments.field("role"));
    if (!role)
        return error_reply(400, "bad_request", "role is viewer, editor or admin",
                           arguments.request_id);
    ApiKey key;
    std::string problem;
    auto text = context.keys.create(arguments.field("name"), *role, key, problem);
    if (!text) return error_reply(409, "conflict", problem, arguments.request_id);
    log_format(LogLevel::info, "api", "key {} ({}, {}) made by {}", key.id, key.name,
               role_name(key.role), arguments.caller);
    ApiReply reply = arguments.wants_text() ? text_reply(*text + "\n")
                                            : json_reply(new_key_json(key, *text));
    reply.status = 201;
    return reply;
}

ApiReply api_remove_key(ApiContext& context, const ApiArguments& arguments) {
    std::string problem;
    const std::string& which = arguments.path.front();
    switch (context.keys.remove(which, problem)) {
        case KeyStore::Removal::removed: break;
        case KeyStore::Removal::unknown:
            return error_reply(404, "not_found", fmt::format("there is no key {}", which),
                               arguments.request_id);
        case KeyStore::Removal::ambiguous:
            return error_reply(409, "conflict",
                               fmt::format("several keys are called {}: give the id", which),
                               arguments.request_id);
        case KeyStore::Removal::failed:
            return error_reply(500, "internal", problem, arguments.request_id);
    }
    if (arguments.wants_text()) return text_reply(fmt::format("removed {}\n", which));
    std::string out;
    JsonWriter(out).begin_object().key("removed").string(which).end_object();
    return json_reply(std::move(out));
}

}  // namespace ringtime::runtime
