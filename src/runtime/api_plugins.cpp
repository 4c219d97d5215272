// What the native plugins do with the requests they see.

#include <fmt/format.h>

#include <iterator>

#include "base/json.h"
#include "runtime/api.h"
#include "runtime/api_handlers.h"

namespace ringtime::runtime {
namespace {

using hook::HookTotals;
using hook::Plugin;

uint64_t average_ns(const HookTotals& totals) noexcept {
    return totals.sampled == 0 ? 0 : totals.sampled_ns / totals.sampled;
}

std::string plugins_text(const hook::PluginSet& set) {
    using Align = TextTable::Align;
    TextTable table({{"PLUGIN"}, {"VERSION"}, {"HOOK"}, {"CALLS", Align::right},
                     {"AVERAGE", Align::right}, {"ANSWERS", Align::right},
                     {"ERRORS", Align::right}, {"SUSPENSIONS", Align::right}});
    std::string problems;
    for (const hook::PluginRef& plugin : set.plugins()) {
        std::string name = plugin->spec().name;
        std::string version = plugin->spec().version;
        if (plugin->down()) problems += plugin->problem().text() + "\n";
        bool listed = false;
        for (size_t i = 0; i < hook::hook_count; ++i) {
            auto which = static_cast<hook::Hook>(i);
            HookTotals totals = plugin->totals(which);
            if (totals.calls == 0) continue;
            table.add({name, version, std::string(hook::hook_name(which)),
                       fmt::format("{}", totals.calls),
                       totals.sampled ? fmt::format("{}ns", average_ns(totals)) : "-",
                       fmt::format("{}", totals.answers), fmt::format("{}", totals.errors),
                       fmt::format("{}", totals.suspensions)});
            listed = true;
            name = version = "";
        }
        if (!listed)
            table.add({name, version, plugin->down() ? "(down)" : "-", "0", "-", "0", "0", "0"});
    }
    return table.empty() ? "no plugins\n" : table.text() + problems;
}

void write_plugin(JsonWriter& json, const Plugin& plugin) {
    const hook::PluginSpec& spec = plugin.spec();
    json.begin_object().key("name").string(spec.name).key("version").string(spec.version);
    json.key("base").string(spec.base).key("folder").string(spec.folder);
    json.key("state").string(plugin.down() ? "down" : "serving");
    if (plugin.down()) json.key("problem").string(plugin.problem().text());
    json.key("dependencies").begin_array();
    for (const std::string& name : spec.dependencies) json.string(name);
    json.end_array().key("routes").begin_array();
    for (const hook::RouteHandler& route : plugin.handlers()) {
        json.begin_object().key("method").string(route.method.empty() ? "ALL" : route.method);
        json.key("pattern").string(route.pattern).end_object();
    }
    json.end_array().key("hooks").begin_object();
    for (size_t i = 0; i < hook::hook_count; ++i) {
        auto which = static_cast<hook::Hook>(i);
        HookTotals totals = plugin.totals(which);
        if (totals.calls == 0) continue;
        json.key(hook::hook_name(which)).begin_object().key("calls").number(totals.calls);
        json.key("sampled").number(totals.sampled).key("sampledNs").number(totals.sampled_ns);
        json.key("averageNs").number(average_ns(totals)).key("answers").number(totals.answers);
        json.key("errors").number(totals.errors);
        json.key("suspensions").number(totals.suspensions).end_object();
    }
    json.end_object().end_object();
}

}  // namespace

ApiReply api_plugins(ApiContext& context, const ApiArguments& arguments) {
    Control::Live live = context.gateway.live();
    const hook::PluginSet& set = *live.snapshot->plugins;
    if (arguments.wants_text()) return text_reply(plugins_text(set));
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("plugins").begin_array();
    for (const hook::PluginRef& plugin : set.plugins()) write_plugin(json, *plugin);
    json.end_array().end_object();
    return json_reply(std::move(out));
}

}  // namespace ringtime::runtime
