// The servers behind the gateway, as its cores see them.

#include "runtime/api.h"
#include "runtime/api_handlers.h"
#include "runtime/upstream_report.h"

namespace ringtime::runtime {

ApiReply api_upstreams(ApiContext& context, const ApiArguments& arguments) {
    auto all = read_upstreams(*context.gateway.live()->snapshot);
    if (arguments.wants_text())
        return text_reply(all.empty() ? "no upstreams\n" : upstreams_text(all));
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("upstreams");
    write_upstreams(json, all);
    json.end_object();
    return json_reply(std::move(out));
}

}  // namespace ringtime::runtime
