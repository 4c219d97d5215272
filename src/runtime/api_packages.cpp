// Changing what serves: uploads, switches, removals, reloads. Each change of the folders stands or
// is taken back with the reload that follows it, so that a refused upload leaves no trace.

#include <fmt/core.h>

#include "base/json.h"
#include "base/log.h"
#include "runtime/api.h"
#include "runtime/api_handlers.h"
#include "runtime/package_change.h"

namespace ringtime::runtime {
namespace {

using config::Package;
using config::PackageKind;

ApiReply report_reply(const ReloadReport& report, const ApiArguments& arguments) {
    if (report.ok)
        return arguments.wants_text() ? text_reply(report.text()) : json_reply(report.json());
    // 422: understood, and refused for what it says.
    ApiReply reply;
    reply.status = 422;
    JsonWriter json(reply.body);
    json.begin_object().key("error").string("reload_refused");
    json.key("message").string(report.text());
    json.key("requestId").string(arguments.request_id);
    std::string details = report.json();
    json.key("report").raw(details.substr(0, details.find_last_not_of('\n') + 1)).end_object();
    reply.body += '\n';
    return reply;
}

// Reloads, and keeps the change if that goes well.
ApiReply apply(ApiContext& context, const ApiArguments& arguments, PackageChange& change,
               std::string_view what) {
    ReloadReport report = context.gateway.reload(ReloadKind::apply);
    if (!report.ok) return report_reply(report, arguments);
    change.keep();
    log_format(LogLevel::info, "api", "{} {} by {}", change.name(), what, arguments.caller);
    if (arguments.wants_text())
        return text_reply(fmt::format("{}: {}\n{}", change.name(), what, report.text()));
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("name").string(change.name()).key("version").string(change.version());
    json.key("folder").string(change.folder()).key("done").string(what);
    std::string details = report.json();
    json.key("report").raw(details.substr(0, details.find_last_not_of('\n') + 1)).end_object();
    return json_reply(std::move(out));
}

ApiReply upload(ApiContext& context, const ApiArguments& arguments, PackageKind kind) {
    auto live = context.gateway.live();
    PackageChange change(live->configuration);
    std::string problem;
    if (arguments.body->size() == 0)
        return error_reply(400, "bad_request", "the body is the archive, and it is empty",
                           arguments.request_id);
    if (!change.install(kind, *arguments.body, arguments.in_query("dir"),
                        context.gateway.environment(), problem))
        return error_reply(422, "upload_refused", problem, arguments.request_id);
    ApiReply reply =
        apply(context, arguments, change, change.replaced() ? "replaced" : "installed");
    if (reply.status == 200 && !change.replaced()) reply.status = 201;
    return reply;
}

ApiReply remove(ApiContext& context, const ApiArguments& arguments, PackageKind kind) {
    auto live = context.gateway.live();
    PackageChange change(live->configuration);
    std::string problem;
    const std::string& name = arguments.path.front();
    switch (change.remove(kind, name, arguments.in_query("version"), problem)) {
        case PackageChange::Removal::done: break;
        case PackageChange::Removal::unknown: {
            bool there = find_package(live->configuration, kind, name) != nullptr;
            std::string what = fmt::format("{} {}", config::kind_name(kind), name);
            return error_reply(404, "not_found",
                               there ? fmt::format("{} has no version {}", what,
                                                   arguments.in_query("version"))
                                     : "there is no " + what,
                               arguments.request_id);
        }
        case PackageChange::Removal::failed:
            return error_reply(409, "conflict", problem, arguments.request_id);
    }
    return apply(context, arguments, change, "removed");
}

ApiReply set_enabled(ApiContext& context, const ApiArguments& arguments, PackageKind kind,
                     PackageChange::Switch state) {
    auto live = context.gateway.live();
    const std::string& name = arguments.path.front();
    const Package* package = find_package(live->configuration, kind, name);
    if (!package)
        return error_reply(404, "not_found",
                           fmt::format("there is no {} {}", config::kind_name(kind), name),
                           arguments.request_id);
    PackageChange change(live->configuration);
    std::string problem;
    if (!change.set_enabled(*package->manifest.name, state, problem))
        return error_reply(409, "conflict", problem, arguments.request_id);
    return apply(context, arguments, change,
                 state == PackageChange::Switch::on ? "enabled" : "disabled");
}

}  // namespace

ApiReply api_reload(ApiContext& context, const ApiArguments& arguments) {
    auto kind = arguments.flag("dryRun") ? ReloadKind::dry_run : ReloadKind::apply;
    return report_reply(context.gateway.reload(kind), arguments);
}

ApiReply api_upload_app(ApiContext& context, const ApiArguments& arguments) {
    return upload(context, arguments, PackageKind::app);
}
ApiReply api_upload_plugin(ApiContext& context, const ApiArguments& arguments) {
    return upload(context, arguments, PackageKind::plugin);
}
ApiReply api_remove_app(ApiContext& context, const ApiArguments& arguments) {
    return remove(context, arguments, PackageKind::app);
}
ApiReply api_remove_plugin(ApiContext& context, const ApiArguments& arguments) {
    return remove(context, arguments, PackageKind::plugin);
}
ApiReply api_enable_app(ApiContext& context, const ApiArguments& arguments) {
    return set_enabled(context, arguments, PackageKind::app, PackageChange::Switch::on);
}
ApiReply api_disable_app(ApiContext& context, const ApiArguments& arguments) {
    return set_enabled(context, arguments, PackageKind::app, PackageChange::Switch::off);
}
ApiReply api_enable_plugin(ApiContext& context, const ApiArguments& arguments) {
    return set_enabled(context, arguments, PackageKind::plugin, PackageChange::Switch::on);
}
ApiReply api_disable_plugin(ApiContext& context, const ApiArguments& arguments) {
    return set_enabled(context, arguments, PackageKind::plugin, PackageChange::Switch::off);
}

ApiReply api_apps(ApiContext& context, const ApiArguments& arguments) {
    auto live = context.gateway.live();
    TextTable table({{"APP"}, {"VERSION"}, {"BASE"}, {"STATE"}, {"FOLDER"}});
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("apps").begin_array();
    auto add = [&](const Package& package, std::string_view state) {
        if (package.kind != PackageKind::app) return;
        const config::Manifest& manifest = package.manifest;
        std::string version = config::version_text(*manifest.version);
        table.add({*manifest.name, version, *manifest.base, std::string(state), package.folder});
        json.begin_object().key("name").string(*manifest.name).key("version").string(version);
        json.key("base").string(*manifest.base).key("state").string(state);
        json.key("folder").string(package.folder).key("hosts").begin_array();
        for (const auto& host : manifest.hosts) json.string(*host);
        json.end_array().key("menus").raw(manifest.menus_json).end_object();
    };
    for (const Package& package : live->configuration.packages) add(package, "serving");
    for (const Package& package : live->configuration.disabled) add(package, "disabled");
    json.end_array().end_object();
    if (!arguments.wants_text()) return json_reply(std::move(out));
    return text_reply(table.empty() ? "no apps\n" : table.text());
}

}  // namespace ringtime::runtime
