#pragma once
// The handlers behind the rows of api_table.cpp. Control threads; each returns the whole answer.

#include "runtime/api_table.h"
#include "runtime/api_text.h"

namespace ringtime::runtime {

using exchange::ApiReply;

// api_status.cpp
ApiReply api_status(ApiContext& context, const ApiArguments& arguments);
ApiReply api_routes(ApiContext& context, const ApiArguments& arguments);
ApiReply api_explain(ApiContext& context, const ApiArguments& arguments);
ApiReply api_openapi(ApiContext& context, const ApiArguments& arguments);

// api_plugins.cpp
ApiReply api_plugins(ApiContext& context, const ApiArguments& arguments);

// api_key_handlers.cpp
ApiReply api_keys(ApiContext& context, const ApiArguments& arguments);
ApiReply api_create_key(ApiContext& context, const ApiArguments& arguments);
ApiReply api_remove_key(ApiContext& context, const ApiArguments& arguments);

// --- For handlers ---

[[nodiscard]] ApiReply text_reply(std::string text);
[[nodiscard]] ApiReply json_reply(std::string json);

}  // namespace ringtime::runtime
