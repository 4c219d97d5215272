// The servers behind the gateway.

#include <fmt/format.h>

#include "base/json.h"
#include "runtime/api.h"
#include "runtime/api_handlers.h"

namespace ringtime::runtime {
namespace {

std::string url_of(const upstream::ServerSpec& spec) {
    return spec.unix_path.empty() ? fmt::format("http://{}:{}", spec.host, spec.port)
                                  : "unix:" + spec.unix_path;
}

std::vector<std::string> addresses_of(const upstream::Server& server) {
    std::vector<std::string> texts;
    if (const upstream::AddressSet* set = server.addresses()) {
        for (const net::Endpoint& endpoint : set->endpoints) texts.push_back(endpoint.text());
    }
    return texts;
}

}  // namespace

ApiReply api_upstreams(ApiContext& context, const ApiArguments& arguments) {
    std::shared_ptr<const Published> live = context.gateway.live();
    TextTable table({{"UPSTREAM"}, {"SERVER"}, {"WEIGHT", TextTable::Align::right}, {"ADDRESSES"}});
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("upstreams").begin_array();
    for (const auto& one : live->snapshot->upstreams) {
        json.begin_object().key("name").string(one->spec().name).key("servers").begin_array();
        for (size_t i = 0; i < one->size(); ++i) {
            const upstream::Server& server = one->server(i);
            const upstream::ServerSpec& spec = server.spec();
            std::vector<std::string> addresses = addresses_of(server);
            table.add({i == 0 ? one->spec().name : "", url_of(spec),
                       fmt::format("{}{}", spec.weight, spec.backup ? " (backup)" : ""),
                       addresses.empty() ? "(not resolved)"
                                         : fmt::format("{}", fmt::join(addresses, " "))});
            json.begin_object().key("url").string(url_of(spec)).key("weight").number(spec.weight);
            json.key("backup").boolean(spec.backup).key("addresses").begin_array();
            for (const std::string& address : addresses) json.string(address);
            json.end_array().end_object();
        }
        json.end_array().end_object();
    }
    json.end_array().end_object();
    if (!arguments.wants_text()) return json_reply(std::move(out));
    return text_reply(table.empty() ? "no upstreams\n" : table.text());
}

}  // namespace ringtime::runtime
