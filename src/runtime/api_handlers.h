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

// api_packages.cpp
ApiReply api_reload(ApiContext& context, const ApiArguments& arguments);
ApiReply api_apps(ApiContext& context, const ApiArguments& arguments);
ApiReply api_upload_app(ApiContext& context, const ApiArguments& arguments);
ApiReply api_remove_app(ApiContext& context, const ApiArguments& arguments);
ApiReply api_enable_app(ApiContext& context, const ApiArguments& arguments);
ApiReply api_disable_app(ApiContext& context, const ApiArguments& arguments);
ApiReply api_upload_plugin(ApiContext& context, const ApiArguments& arguments);
ApiReply api_remove_plugin(ApiContext& context, const ApiArguments& arguments);
ApiReply api_enable_plugin(ApiContext& context, const ApiArguments& arguments);
ApiReply api_disable_plugin(ApiContext& context, const ApiArguments& arguments);

// api_workers.cpp
ApiReply api_workers(ApiContext& context, const ApiArguments& arguments);
ApiReply api_restart_worker(ApiContext& context, const ApiArguments& arguments);
ApiReply api_drain_worker(ApiContext& context, const ApiArguments& arguments);

// api_upstreams.cpp
ApiReply api_upstreams(ApiContext& context, const ApiArguments& arguments);

// api_key_handlers.cpp
ApiReply api_keys(ApiContext& context, const ApiArguments& arguments);
ApiReply api_create_key(ApiContext& context, const ApiArguments& arguments);
ApiReply api_remove_key(ApiContext& context, const ApiArguments& arguments);

// --- For handlers ---

[[nodiscard]] ApiReply text_reply(std::string text);
[[nodiscard]] ApiReply json_reply(std::string json);

}  // namespace ringtime::runtime
