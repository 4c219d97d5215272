#include "runtime/packages.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "base/fd.h"
#include "base/json.h"
#include "config/words.h"

namespace ringtime::runtime {
namespace {

using config::Package;

std::string folder_of(const std::string& path) {
    size_t slash = path.rfind('/');
    return slash == std::string::npos ? std::string(".") : path.substr(0, slash);
}

// What a page may know: only names that say so themselves. The operator's values win.
std::string public_env_json(const config::Variables& env, const config::Variables& operators) {
    std::map<std::string_view, std::string_view> shown;
    for (const config::Variables* from : {&env, &operators}) {
        for (const auto& [name, value] : *from) {
            if (name.starts_with("PUBLIC_") || name.starts_with("VITE_")) shown[name] = value;
        }
    }
    std::string json;
    for (const auto& [name, value] : shown) {
        json += json.empty() ? "{" : ",";
        append_json_string(json, name);
        json += ':';
        append_json_string(json, value);
    }
    if (!json.empty()) json += '}';
    return json;
}

// A file's bytes as a number. 0 for one that cannot be read: starting it will say why.
uint64_t digest_of(const std::string& path) {
    Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::vector<char> block(256 * 1024);
    uint64_t digest = 1;
    size_t filled = 0;
    for (;;) {
        ssize_t size = file ? ::read(file.get(), &block[filled], block.size() - filled) : -1;
        if (size < 0 && file && errno == EINTR) continue;
        if (size < 0) return 0;
        filled += static_cast<size_t>(size);
        // Whole blocks, so that equal bytes give equal digests however they were read.
        if (size > 0 && filled < block.size()) continue;
        if (filled == 0) return digest;
        digest = site::hash_bytes({block.data(), filled}, digest);
        filled = 0;
    }
}

}  // namespace

site::SiteOptions site_options(const Package& package, const config::Settings& settings) {
    const config::Manifest& manifest = package.manifest;
    site::SiteOptions options;
    options.folder = folder_of(package.entrypoint_file);
    options.entrypoint = package.entrypoint_file.substr(options.folder.size() + 1);
    options.base = manifest.base.value;
    options.inject_base = manifest.site.inject_base;
    auto grant = settings.apps.find(manifest.name.value);
    options.env_json = public_env_json(
        manifest.env, grant != settings.apps.end() ? grant->second.env : config::Variables{});
    options.compress = manifest.site.compress;
    for (const config::CacheControlRule& rule : manifest.site.cache_control)
        options.cache_rules.push_back({rule.glob, rule.value});
    return options;
}

worker::AppSpec app_spec(const Package& package, const config::Settings& settings) {
    const config::Manifest& manifest = package.manifest;
    const config::WorkerOptions& from = manifest.worker;
    worker::AppSpec spec;
    spec.name = manifest.name.value;
    spec.version = config::version_text(manifest.version.value);
    spec.directory = package.folder;
    spec.entrypoint = package.entrypoint_file;
    spec.content = digest_of(package.entrypoint_file);
    spec.kind = manifest.entrypoint_kind == config::EntrypointKind::module
                    ? worker::EntryKind::module
                    : worker::EntryKind::program;
    spec.environment = manifest.env;
    spec.environment.emplace_back("WORKER_CONFIG", manifest.config_json);
    auto cores = static_cast<uint64_t>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
    spec.workers = static_cast<uint32_t>(from.workers.value ? from.workers.value : cores);
    spec.workers_max = static_cast<uint32_t>(from.workers_max.value);
    spec.concurrency = static_cast<uint32_t>(from.concurrency.value);
    spec.requests_max = static_cast<uint32_t>(from.max_requests.value);
    spec.ephemeral = from.ephemeral();
    if (spec.ephemeral) spec.queue_max = static_cast<uint32_t>(settings.ephemeral_queue);
    spec.timeout_ms = from.timeout_ms.value;
    spec.ttl_ms = from.ttl_ms.value;
    spec.idle_timeout_ms = from.idle_timeout_ms.value;
    if (const config::Sandbox* sandbox = manifest.sandbox.get()) {
        for (const auto& path : sandbox->read) spec.readable_paths.push_back(path.value);
        for (const auto& path : sandbox->write) spec.writable_paths.push_back(path.value);
        if (sandbox->uid) spec.uid = spec.gid = *sandbox->uid;
        spec.memory_bytes_max = sandbox->memory_bytes.value;
        spec.cpus_max = sandbox->cpu.value;
    }
    return spec;
}

std::vector<hook::PluginSpec> plugin_specs(const config::Configuration& configuration) {
    std::vector<hook::PluginSpec> specs;
    for (const Package& package : configuration.packages) {
        if (package.plugin_entry_file.empty()) continue;
        const config::Manifest& manifest = package.manifest;
        hook::PluginSpec spec;
        spec.name = manifest.name.value;
        spec.short_name = manifest.short_name;
        spec.version = config::version_text(manifest.version.value);
        spec.folder = package.folder;
        spec.file = package.plugin_entry_file;
        spec.base = manifest.base.value;
        for (const auto& host : manifest.hosts) spec.hosts.push_back(host.value);
        spec.config_json = manifest.config_json;
        for (const auto& name : manifest.dependencies) spec.dependencies.push_back(name.value);
        for (const auto& name : manifest.optional_dependencies) {
            bool exists = std::any_of(
                specs.begin(), specs.end(),
                [&](const hook::PluginSpec& other) { return other.name == name.value; });
            if (exists) spec.dependencies.push_back(name.value);
        }
        for (const auto& path : manifest.hooks.paths) spec.paths.push_back(path.value);
        for (const auto& path : manifest.hooks.except) spec.except.push_back(path.value);
        spec.on_failure = manifest.on_failure == config::OnFailure::isolate
                              ? hook::OnFailure::isolate
                              : hook::OnFailure::abort;
        specs.push_back(std::move(spec));
    }
    return specs;
}

std::vector<std::pair<std::string, std::string>> worker_environment(
    const config::Settings& settings) {
    static constexpr std::string_view levels[] = {"debug", "info", "warn", "error", "off"};
    return {{"NODE_ENV", std::string(config::env_name(settings.env))},
            {"RUNTIME_API_URL", fmt::format("http://127.0.0.1:{}", settings.port)},
            {"RUNTIME_LOG_LEVEL", std::string(levels[static_cast<size_t>(settings.log_level)])},
            {"RUNTIME_PLUGIN_DIRS", config::joined(settings.plugin_dirs, ":")},
            {"RUNTIME_WORKER_DIRS", config::joined(settings.worker_dirs, ":")}};
}

std::string find_worker_host() {
    char path[4096];
    ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
    std::string folder = folder_of(std::string(path, size > 0 ? static_cast<size_t>(size) : 0));
    std::string built = folder + "/worker/ringtime-worker-host";
    return ::access(built.c_str(), X_OK) == 0 ? built : folder + "/ringtime-worker-host";
}

}  // namespace ringtime::runtime
