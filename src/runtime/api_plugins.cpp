// What the native plugins do with the requests they see.

#include <fmt/core.h>

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

// Every package of the plugin folders; `plugin` is null for those without native code and for
// those that are disabled.
struct Listed {
    const config::Package& package;
    const Plugin* plugin = nullptr;
    std::string_view state;
};

std::vector<Listed> list(const Published& live) {
    std::vector<Listed> all;
    for (const config::Package& package : live.configuration.packages) {
        if (package.kind != config::PackageKind::plugin) continue;
        const Plugin* plugin = live.snapshot->plugins->find(*package.manifest.name);
        all.push_back({package, plugin, plugin && plugin->down() ? "down" : "serving"});
    }
    for (const config::Package& package : live.configuration.disabled) {
        if (package.kind == config::PackageKind::plugin)
            all.push_back({package, nullptr, "disabled"});
    }
    return all;
}

std::string plugins_text(const std::vector<Listed>& all) {
    using Align = TextTable::Align;
    TextTable table({{"PLUGIN"}, {"VERSION"}, {"STATE"}, {"HOOK"}, {"CALLS", Align::right},
                     {"AVERAGE", Align::right}, {"ANSWERS", Align::right},
                     {"ERRORS", Align::right}, {"SUSPENSIONS", Align::right}});
    std::string problems;
    for (const Listed& one : all) {
        std::string name = *one.package.manifest.name;
        std::string version = config::version_text(*one.package.manifest.version);
        std::string state(one.state);
        if (one.plugin && one.plugin->down()) problems += one.plugin->problem().text() + "\n";
        for (size_t i = 0; one.plugin && i < hook::hook_count; ++i) {
            auto which = static_cast<hook::Hook>(i);
            HookTotals totals = one.plugin->totals(which);
            if (totals.calls == 0) continue;
            table.add({name, version, state, std::string(hook::hook_name(which)),
                       fmt::format("{}", totals.calls),
                       totals.sampled ? fmt::format("{}ns", average_ns(totals)) : "-",
                       fmt::format("{}", totals.answers), fmt::format("{}", totals.errors),
                       fmt::format("{}", totals.suspensions)});
            name = version = state = "";
        }
        if (!name.empty()) table.add({name, version, state, "", "", "", "", "", ""});
    }
    return table.empty() ? "no plugins\n" : table.text() + problems;
}

void write_native(JsonWriter& json, const Plugin& plugin) {
    if (plugin.down()) json.key("problem").string(plugin.problem().text());
    json.key("routes").begin_array();
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
    json.end_object();
}

void write_plugin(JsonWriter& json, const Listed& one) {
    const config::Manifest& manifest = one.package.manifest;
    json.begin_object().key("name").string(*manifest.name);
    json.key("version").string(config::version_text(*manifest.version));
    json.key("base").string(*manifest.base).key("folder").string(one.package.folder);
    json.key("state").string(one.state).key("native").boolean(one.plugin != nullptr);
    json.key("dependencies").begin_array();
    for (const auto& name : manifest.dependencies) json.string(*name);
    json.end_array().key("menus").raw(manifest.menus_json);
    if (one.plugin) write_native(json, *one.plugin);
    json.end_object();
}

}  // namespace

ApiReply api_plugins(ApiContext& context, const ApiArguments& arguments) {
    std::shared_ptr<const Published> live = context.gateway.live();
    std::vector<Listed> all = list(*live);
    if (arguments.wants_text()) return text_reply(plugins_text(all));
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("plugins").begin_array();
    for (const Listed& one : all) write_plugin(json, one);
    json.end_array().end_object();
    return json_reply(std::move(out));
}

}  // namespace ringtime::runtime
