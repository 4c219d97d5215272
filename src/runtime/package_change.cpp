#include "runtime/package_change.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "config/overrides.h"
#include "config/values.h"
#include "config/yaml_tree.h"
#include "runtime/archive.h"
#include "runtime/atomic_file.h"

namespace ringtime::runtime {
namespace {

namespace fs = std::filesystem;

using config::Package;
using config::PackageKind;

// Hidden, so that no search for packages looks in.
constexpr std::string_view kTemporary = "/.ringtime-XXXXXX";
constexpr size_t kOverridesBytesMax = 4 * 1024 * 1024;

bool is_there(const std::string& path) noexcept {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0;
}

std::string why(std::string_view what, const std::string& path) {
    return fmt::format("{} {}: {}", what, path, std::strerror(errno));
}

bool has_manifest(const std::string& folder) {
    return is_there(folder + "/manifest.yaml") || is_there(folder + "/manifest.yml");
}

std::string manifest_of(const std::string& folder) {
    std::string file = folder + "/manifest.yaml";
    return is_there(file) ? file : folder + "/manifest.yml";
}

// What the manifest says as it lies there now, whatever is in force.
bool says_enabled(const Package& package) {
    std::string file = manifest_of(package.folder);
    config::Diagnostics ignored;  // The reload's to say.
    config::YamlNode root;
    if (!config::load_yaml(file, file, config::manifest_limits, root, ignored)) return true;
    const config::YamlNode* enabled = root.find("enabled");
    return !enabled || config::parse_boolean(enabled->text).value_or(true);
}

// The package is the archive itself, or the one folder in it, as people pack them.
std::string root_of(const std::string& folder) {
    if (has_manifest(folder)) return folder;
    std::string only;
    std::error_code fault;
    for (fs::directory_iterator entry(folder, fault), end; !fault && entry != end;
         entry.increment(fault)) {
        if (!only.empty()) return {};
        only = entry->path().string();
    }
    return !only.empty() && has_manifest(only) ? only : std::string{};
}

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

bool is_named(const Package& package, std::string_view name) {
    return *package.manifest.name == name || package.manifest.short_name == name;
}

// What `name` names: a full name wins over a short one that several may share.
std::vector<const Package*> find_all(const config::Configuration& configuration, PackageKind kind,
                                     std::string_view name) {
    std::vector<const Package*> by_full, by_short;
    for (const auto* list : {&configuration.packages, &configuration.disabled}) {
        for (const Package& package : *list) {
            if (package.kind != kind || !is_named(package, name)) continue;
            (*package.manifest.name == name ? by_full : by_short).push_back(&package);
        }
    }
    return by_full.empty() ? by_short : by_full;
}

}  // namespace

const Package* find_package(const config::Configuration& configuration, PackageKind kind,
                            std::string_view name) {
    auto all = find_all(configuration, kind, name);
    return all.empty() ? nullptr : all.front();
}

PackageChange::~PackageChange() {
    if (!kept_) undo();
    std::error_code ignored;
    for (const std::string& path : temporaries_) fs::remove_all(path, ignored);
}

void PackageChange::keep() { kept_ = true; }

void PackageChange::undo() {
    for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
        std::string ignored;
        switch (step->kind) {
            case Step::Kind::move: (void)::rename(step->to.c_str(), step->from.c_str()); break;
            case Step::Kind::exchange:
                (void)::renameat2(AT_FDCWD, step->from.c_str(), AT_FDCWD, step->to.c_str(),
                                  RENAME_EXCHANGE);
                break;
            case Step::Kind::file:
                if (!step->existed) {
                    ::unlink(step->from.c_str());
                } else {
                    (void)replace_file(step->from, step->to, 0600, ignored);
                }
                break;
        }
    }
    steps_.clear();
}

bool PackageChange::choose_dir(PackageKind kind, std::string_view wanted, std::string& dir,
                               std::string& problem) const {
    const config::Settings& settings = current_.settings;
    const auto& dirs = kind == PackageKind::app ? settings.worker_dirs : settings.plugin_dirs;
    const char* variable = kind == PackageKind::app ? "RUNTIME_WORKER_DIRS" : "RUNTIME_PLUGIN_DIRS";
    for (const std::string& one : dirs) {
        bool fits = wanted.empty() ? ::access(one.c_str(), W_OK | X_OK) == 0 : one == wanted;
        if (!fits) continue;
        std::error_code fault;
        dir = fs::absolute(one, fault).lexically_normal().string();
        while (dir.size() > 1 && dir.back() == '/') dir.pop_back();
        return true;
    }
    problem = wanted.empty() ? fmt::format("no folder of {} can be written", variable)
                             : fmt::format("{} is no folder of {}", wanted, variable);
    return false;
}

bool PackageChange::make_temporary(const std::string& dir, std::string& path,
                                   std::string& problem) {
    path = dir + std::string(kTemporary);
    if (!::mkdtemp(path.data())) {
        problem = why("cannot make a folder in", dir);
        return false;
    }
    temporaries_.push_back(path);
    return true;
}

// Its name and version, and that it is what it was uploaded as; the rest is the reload's to judge.
bool PackageChange::read_upload(PackageKind kind, const std::string& root,
                                const config::Environment& environment, std::string& problem) {
    std::string file = manifest_of(root);
    std::string shown = file.substr(root.size() + 1);
    config::Diagnostics diagnostics;
    config::YamlNode node;
    bool readable = config::load_yaml(file, shown, config::manifest_limits, node, diagnostics);
    auto place = kind == PackageKind::app ? config::ManifestPlace::app_folder
                                          : config::ManifestPlace::plugin_folder;
    config::Manifest manifest;
    if (readable)
        manifest = config::read_manifest(node, shown, place, environment, diagnostics);
    if (!diagnostics.ok()) {
        problem = diagnostics.render();
        return false;
    }
    // What runs inside the gateway comes through another door, with another role.
    if (kind == PackageKind::app && manifest.plugin_entry.given()) {
        problem = "an app has no pluginEntry: native plugins are uploaded as plugins, by admins";
        return false;
    }
    name_ = *manifest.name;
    if (!manifest.version->latest) version_ = config::version_text(*manifest.version);
    return true;
}

const Package* PackageChange::existing(PackageKind kind) const {
    for (const Package* package : find_all(current_, kind, name_)) {
        if (*package->manifest.name != name_) continue;
        bool same = package->manifest.version->latest
                        ? version_.empty()
                        : config::version_text(*package->manifest.version) == version_;
        if (kind == PackageKind::plugin || same) return package;
    }
    return nullptr;
}

bool PackageChange::put(const std::string& from, const std::string& to, std::string& problem) {
    replaced_ = is_there(to);
    unsigned how = replaced_ ? RENAME_EXCHANGE : RENAME_NOREPLACE;
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), how) != 0) {
        problem = why("cannot put the package at", to);
        return false;
    }
    steps_.push_back({replaced_ ? Step::Kind::exchange : Step::Kind::move, from, to});
    folder_ = to;
    return true;
}

// `root`: where the package lies then. Not the temporary folder itself, because what is exchanged
// must not be what is cleaned up.
bool PackageChange::unpack_into(const std::string& dir, const exchange::BlockText& archive,
                                std::string& root, std::string& problem) {
    std::string temporary;
    if (!make_temporary(dir, temporary, problem)) return false;
    std::string folder = temporary + "/package";
    if (::mkdir(folder.c_str(), 0755) != 0) {
        problem = why("cannot make", folder);
        return false;
    }
    if (!unpack(archive, folder, {}, problem)) return false;
    root = root_of(folder);
    if (!root.empty()) return true;
    problem = "the archive has no manifest.yaml at its top, nor in its only folder";
    return false;
}

bool PackageChange::install(PackageKind kind, const exchange::BlockText& archive,
                            std::string_view dir_wanted, const config::Environment& environment,
                            std::string& problem) {
    std::string dir, root;
    if (!choose_dir(kind, dir_wanted, dir, problem) ||
        !unpack_into(dir, archive, root, problem) ||
        !read_upload(kind, root, environment, problem))
        return false;
    if (const Package* package = existing(kind)) {
        if (!dir_wanted.empty() && !package->folder.starts_with(dir + "/")) {
            problem = fmt::format("{} lies in {}: remove it there first, or leave `dir` out", name_,
                                  package->folder);
            return false;
        }
        // What is exchanged must lie on one file system.
        bool elsewhere = !package->folder.starts_with(dir + "/");
        if (elsewhere && !unpack_into(parent_of(package->folder), archive, root, problem))
            return false;
        return put(root, package->folder, problem);
    }
    std::string target = dir + "/" + name_;
    if (kind == PackageKind::app && !version_.empty()) target += "@" + version_;
    std::error_code fault;
    fs::create_directories(parent_of(target), fault);
    return put(root, target, problem);
}

PackageChange::Removal PackageChange::remove(PackageKind kind, std::string_view name,
                                             std::string_view version, std::string& problem) {
    bool any = false;
    std::vector<const Package*> all = find_all(current_, kind, name);
    for (const Package* package : all) {
        if (!version.empty() && config::version_text(*package->manifest.version) != version)
            continue;
        // Versions may lie in folders of the one without a number.
        if (::access(package->folder.c_str(), F_OK) != 0 && any) continue;
        bool holds_others = std::any_of(all.begin(), all.end(), [&](const Package* other) {
            return other->folder.starts_with(package->folder + "/");
        });
        if (!version.empty() && holds_others) {
            problem = fmt::format("{} holds other versions; remove them first", package->folder);
            return Removal::failed;
        }
        std::string temporary;
        if (!make_temporary(parent_of(package->folder), temporary, problem)) return Removal::failed;
        std::string to = temporary + "/package";
        if (::rename(package->folder.c_str(), to.c_str()) != 0) {
            problem = why("cannot remove", package->folder);
            return Removal::failed;
        }
        steps_.push_back({Step::Kind::move, package->folder, to});
        name_ = *package->manifest.name;
        folder_ = package->folder;
        any = true;
    }
    if (!any) return Removal::unknown;
    // A switch of what is gone would work on whatever gets the name next.
    if (!is_left(name_) && !override_enabled(name_, std::nullopt, problem)) return Removal::failed;
    return Removal::done;
}

// Whether a folder of that name is still there, of whatever kind and version.
bool PackageChange::is_left(std::string_view name) const {
    for (const auto* list : {&current_.packages, &current_.disabled}) {
        for (const Package& package : *list) {
            if (*package.manifest.name == name && is_there(package.folder)) return true;
        }
    }
    return false;
}

// The file holds what differs from the manifests: else its word would outlast theirs.
bool PackageChange::set_enabled(const std::string& name, Switch state, std::string& problem) {
    bool enabled = state == Switch::on;
    bool agreed = true;
    for (const auto* list : {&current_.packages, &current_.disabled}) {
        for (const Package& package : *list) {
            if (*package.manifest.name == name && says_enabled(package) != enabled) agreed = false;
        }
    }
    name_ = name;
    return override_enabled(name, agreed ? std::nullopt : std::optional(enabled), problem);
}

// Nothing: the manifest decides.
bool PackageChange::override_enabled(const std::string& name, std::optional<bool> enabled,
                                     std::string& problem) {
    const std::string& data_dir = current_.settings.data_dir;
    std::string file = config::overrides_file(data_dir);
    std::string before;
    FileRead read = read_file(file, kOverridesBytesMax, before, problem);
    if (read == FileRead::failed) return false;
    config::Diagnostics diagnostics;
    config::Overrides overrides = config::load_overrides(data_dir, diagnostics);
    if (!diagnostics.ok()) {
        problem = diagnostics.render();
        return false;
    }
    if (enabled) {
        overrides.enabled[name] = {*enabled, {}};
    } else if (overrides.enabled.erase(name) == 0) {
        return true;
    }
    if (!replace_file(file, config::overrides_text(overrides), 0600, problem)) return false;
    steps_.push_back({Step::Kind::file, file, before, read == FileRead::good});
    return true;
}

}  // namespace ringtime::runtime
