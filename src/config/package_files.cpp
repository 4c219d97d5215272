// The file system's part of packages: searching folders and checking that named files are there.

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <unordered_map>

#include "config/package_parts.h"

namespace ringtime::config {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 4> kDefaultEntrypoints{"index.html", "index.js", "index.mjs",
                                                              "index.ts"};

bool is_file(const std::string& path) {
    std::error_code fault;
    return fs::is_regular_file(path, fault);
}

std::string absolute_path(const std::string& path) {
    std::error_code fault;
    fs::path absolute = fs::absolute(path, fault).lexically_normal();
    std::string text = absolute.string();
    while (text.size() > 1 && text.back() == '/') text.pop_back();
    return text;
}

/// Where symbolic links lead; empty when nothing is there.
std::string real_path(const std::string& path) {
    std::error_code fault;
    return fs::canonical(path, fault).string();
}

constexpr std::string_view kPluginDirs = "RUNTIME_PLUGIN_DIRS";
constexpr std::string_view kWorkerDirs = "RUNTIME_WORKER_DIRS";

/// One search through the folders of RUNTIME_PLUGIN_DIRS and RUNTIME_WORKER_DIRS.
class Search {
  public:
    Search(const Environment& environment, Diagnostics& diagnostics)
        : environment_(environment), diagnostics_(diagnostics) {}

    enum class Absence : uint8_t { allowed, an_error };

    void search(const std::string& folder, PackageKind kind, Absence absence) {
        kind_ = kind;
        std::error_code fault;
        if (!fs::is_directory(folder, fault)) {
            report_missing(folder, absence);
            ++folder_order_;
            return;
        }
        // A folder that is itself a package is taken as one.
        if (!read_package(folder, std::nullopt)) {
            for (const std::string& name : subfolders(folder)) search_entry(folder, name, absence);
        }
        ++folder_order_;
    }

    std::vector<Package> packages;

    [[nodiscard]] size_t folder_order() const noexcept { return folder_order_; }

  private:
    [[nodiscard]] std::string_view variable() const noexcept {
        return kind_ == PackageKind::app ? kWorkerDirs : kPluginDirs;
    }

    void report_missing(const std::string& folder, Absence absence) {
        if (absence == Absence::allowed) return;
        std::error_code fault;
        bool something = fs::exists(folder, fault);
        diagnostics_.error("environment", {},
                           fmt::format("{}: {} {}", variable(), quote(folder),
                                       something ? "is not a folder" : "does not exist"),
                           "name existing folders, separated by colons");
    }

    /// Names of the folders in `folder`, sorted; hidden ones and node_modules are never packages.
    std::vector<std::string> subfolders(const std::string& folder) {
        std::vector<std::string> names;
        std::error_code fault;
        for (fs::directory_iterator entry(folder, fault), end; !fault && entry != end;
             entry.increment(fault)) {
            std::string name = entry->path().filename().string();
            std::error_code unreadable;
            bool wanted =
                name.front() != '.' && name != "node_modules" && entry->is_directory(unreadable);
            if (wanted) names.push_back(std::move(name));
        }
        if (fault) {
            diagnostics_.error(folder, {},
                               fmt::format("the folder cannot be read: {}", fault.message()));
        }
        std::sort(names.begin(), names.end());
        return names;
    }

    void search_entry(const std::string& folder, const std::string& name, Absence absence) {
        std::string path = folder + "/" + name;
        if (name.front() == '@') {
            for (const std::string& inner : subfolders(path)) search_name(path, inner, absence);
        } else {
            search_name(folder, name, absence);
        }
    }

    /// `name/`, and for apps `name@1.2.3/` and `name/1.2.3/`.
    void search_name(const std::string& folder, const std::string& name, Absence absence) {
        std::string path = folder + "/" + name;
        bool found = false;
        if (kind_ == PackageKind::app) {
            size_t at = name.find('@');
            std::optional<Version> version;
            if (at != std::string::npos) {
                version = parse_version(std::string_view(name).substr(at + 1));
                if (!version) {
                    diagnostics_.error(
                        path, {}, fmt::format("{} is not a version", quote(name.substr(at + 1))),
                        "expected a folder such as name@1.2.3");
                    return;
                }
            }
            found = read_package(path, version);
            for (const std::string& inner : subfolders(path)) {
                auto inner_version = parse_version(inner);
                if (inner_version && read_package(path + "/" + inner, inner_version)) found = true;
            }
        } else {
            found = read_package(path, std::nullopt);
        }
        if (!found && absence == Absence::an_error) {
            diagnostics_.warning(path, {}, "the folder holds no manifest.yaml", "it is left out");
        }
    }

    /// Whether there is a manifest; a wrong one is reported.
    bool read_package(const std::string& folder, const std::optional<Version>& version) {
        std::string file = folder + "/manifest.yaml";
        std::string other = folder + "/manifest.yml";
        bool has_file = is_present(file);
        bool has_other = is_present(other);
        if (!has_file && !has_other) return false;
        if (has_file && has_other) {
            diagnostics_.warning(other, {}, "manifest.yaml stands beside it",
                                 "this one is not read");
        }
        if (!has_file) file = other;
        YamlNode node;
        if (!load_yaml(file, file, manifest_limits, node, diagnostics_)) return true;
        Package package;
        package.kind = kind_;
        package.folder = absolute_path(folder);
        package.folder_order = folder_order_;
        if (node.kind == YamlNode::Kind::null) {
            diagnostics_.error(file, {}, "the file is empty", "a manifest needs a name at least");
            return true;
        }
        ManifestPlace place =
            kind_ == PackageKind::app ? ManifestPlace::app_folder : ManifestPlace::plugin_folder;
        package.manifest = read_manifest(node, file, place, environment_, diagnostics_);
        apply_folder_version(package, version);
        packages.push_back(std::move(package));
        return true;
    }

    /// A dangling link or a FIFO called manifest.yaml is a fault to report, not an absence.
    static bool is_present(const std::string& path) {
        struct stat status {};
        return ::lstat(path.c_str(), &status) == 0;
    }

    void apply_folder_version(Package& package, const std::optional<Version>& version) {
        if (!version) return;
        Manifest& manifest = package.manifest;
        bool differs =
            manifest.version.given() && version_text(*manifest.version) != version_text(*version);
        if (differs) {
            diagnostics_.warning(
                manifest.file, manifest.version.at,
                fmt::format("version: {} is not that of the folder ({})",
                            version_text(*manifest.version), version_text(*version)),
                "the folder's is used");
        }
        manifest.version.value = *version;
    }

    const Environment& environment_;
    Diagnostics& diagnostics_;
    PackageKind kind_ = PackageKind::plugin;
    size_t folder_order_ = 0;
};

/// A name for a mount without one: of its host and base, made unique by a number.
class MountNames {
  public:
    std::string choose(const Manifest& manifest) {
        std::string name = manifest.hosts.empty() ? std::string{} : slug(*manifest.hosts.front());
        std::string base = slug(*manifest.base);
        if (!base.empty()) name += (name.empty() ? "" : "-") + base;
        if (name.empty()) name = "root";
        size_t count = ++used_[name];
        return count == 1 ? name : fmt::format("{}-{}", name, count);
    }

  private:
    static std::string slug(std::string_view text) {
        std::string out;
        for (char c : text) {
            char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
            bool plain = (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9');
            if (plain) {
                out += lower;
            } else if (!out.empty() && out.back() != '-') {
                out += '-';
            }
        }
        while (!out.empty() && out.back() == '-') out.pop_back();
        return out.substr(0, 64);
    }

    std::unordered_map<std::string, size_t> used_;
};

void read_mounts(const Environment& environment, const Settings& settings, const YamlNode& mounts,
                 size_t folder_order, std::vector<Package>& packages, Diagnostics& diagnostics) {
    MountNames names;
    std::string file_folder = absolute_path(settings.config_file);
    file_folder.resize(std::max<size_t>(file_folder.rfind('/'), 1));
    for (const YamlNode& item : mounts.items) {
        if (item.kind != YamlNode::Kind::map) {
            diagnostics.error(settings.config_file, item.at,
                              fmt::format("mounts: an item is {}", describe(item.kind)),
                              "expected a map such as {base: /, upstream: http://127.0.0.1:9000}");
            continue;
        }
        Package package;
        package.kind = PackageKind::mount;
        package.folder = file_folder;
        package.folder_order = folder_order;
        package.manifest = read_manifest(item, settings.config_file, ManifestPlace::runtime_config,
                                         environment, diagnostics);
        Manifest& manifest = package.manifest;
        if (!manifest.name.given()) {
            manifest.name.value = names.choose(manifest);
            manifest.short_name = *manifest.name;
        }
        packages.push_back(std::move(package));
    }
}

std::string path_in(const std::string& folder, const std::string& path) {
    if (!path.empty() && path.front() == '/') return path;
    return folder + "/" + path;
}

/// Absolute path of a named file; empty after an error.
std::string resolve_file(const Package& package, std::string_view key,
                         const Located<std::string>& path, Diagnostics& diagnostics) {
    const Manifest& manifest = package.manifest;
    std::string file = path_in(package.folder, *path);
    auto report = [&](std::string_view what, std::string remedy) {
        Position at = path.given() ? path.at : package_position(package);
        diagnostics.error(manifest.file, at, fmt::format("{}: {} {}", key, quote(*path), what),
                          std::move(remedy));
        return std::string{};
    };
    std::string real = real_path(file);
    if (real.empty()) return report("does not exist", fmt::format("looked for {}", file));
    if (!is_file(real)) return report("is not a file", fmt::format("found {}", real));
    bool operators_own = package.kind == PackageKind::mount;
    if (!operators_own && !is_under(real, real_path(package.folder))) {
        return report("leads out of the package", fmt::format("it is {}", real));
    }
    return file;
}

void resolve_entrypoint(Package& package, Diagnostics& diagnostics) {
    Manifest& manifest = package.manifest;
    if (manifest.entrypoint->empty()) return;
    if (manifest.entrypoint_kind == EntrypointKind::javascript) {
        diagnostics.error(manifest.file, manifest.entrypoint.at,
                          fmt::format("entrypoint: {} is JavaScript, which does not run yet",
                                      quote(*manifest.entrypoint)),
                          "use an .html page, a .so worker module or a worker program");
        return;
    }
    package.entrypoint_file = resolve_file(package, "entrypoint", manifest.entrypoint, diagnostics);
    if (package.entrypoint_file.empty()) return;
    struct stat status {};
    bool is_program = manifest.entrypoint_kind == EntrypointKind::program;
    bool runnable =
        ::stat(package.entrypoint_file.c_str(), &status) == 0 && (status.st_mode & 0111);
    if (is_program && !runnable) {
        diagnostics.error(
            manifest.file, manifest.entrypoint.at,
            fmt::format("entrypoint: {} is not executable", quote(*manifest.entrypoint)),
            fmt::format("run chmod +x {}; sites end in .html, worker modules in .so",
                        package.entrypoint_file));
    }
    // A mount has no folder of its own: it is where its entrypoint lies.
    if (package.kind == PackageKind::mount) {
        size_t slash = package.entrypoint_file.rfind('/');
        package.folder =
            absolute_path(package.entrypoint_file.substr(0, std::max<size_t>(slash, 1)));
    }
}

/// `index.html`, then `index.js`, `.mjs`, `.ts`, where the manifest names no target.
void find_default_entrypoint(Package& package, Diagnostics& diagnostics) {
    Manifest& manifest = package.manifest;
    bool has_base = !manifest.base->empty();
    bool searches = package.kind != PackageKind::mount && has_base && !manifest.upstream &&
                    !manifest.entrypoint.given();
    for (std::string_view name : kDefaultEntrypoints) {
        if (!searches || !is_file(package.folder + "/" + std::string(name))) continue;
        EntrypointKind kind = entrypoint_kind(name);
        bool beside_plugin = kind == EntrypointKind::javascript && manifest.plugin_entry.given();
        if (beside_plugin) break;  // A build file next to a native plugin is no wish to run it.
        manifest.entrypoint = {std::string(name), package_position(package)};
        manifest.entrypoint_kind = kind;
        return;
    }
    bool has_target =
        manifest.upstream || manifest.entrypoint.given() || manifest.plugin_entry.given();
    if (has_target) return;
    std::string_view remedy = package.kind == PackageKind::app
                                  ? "add an entrypoint or an index.html"
                                  : "add entrypoint, upstream or pluginEntry";
    diagnostics.error(manifest.file, package_position(package),
                      fmt::format("{} mounts nothing", quote(*manifest.name)), std::string(remedy));
}

void resolve_plugin_entry(Package& package, const std::vector<std::string>& worker_folders,
                          Diagnostics& diagnostics) {
    Manifest& manifest = package.manifest;
    if (manifest.plugin_entry->empty() || package.kind == PackageKind::app) return;
    std::string file = resolve_file(package, "pluginEntry", manifest.plugin_entry, diagnostics);
    if (file.empty()) return;
    std::string real = real_path(file);
    for (const std::string& folder : worker_folders) {
        if (folder.empty() || !is_under(real, folder)) continue;
        diagnostics.error(manifest.file, manifest.plugin_entry.at,
                          fmt::format("pluginEntry: {} lies in a folder of apps ({})",
                                      quote(*manifest.plugin_entry), folder),
                          "an uploaded app must never become native code of the gateway");
        return;
    }
    package.plugin_entry_file = std::move(file);
}

/// Folders are named once: else all their packages would be there twice.
bool named_once(const Settings& settings, Diagnostics& diagnostics) {
    std::map<std::string, std::string_view> known;
    auto check = [&](const std::vector<std::string>& folders, std::string_view variable) {
        for (const std::string& folder : folders) {
            auto [first, fresh] = known.emplace(real_path(folder), variable);
            if (fresh || first->first.empty()) continue;
            bool same = first->second == variable;
            diagnostics.error(
                "environment", {},
                fmt::format("{}: {} is {}", variable, quote(folder),
                            same ? "named twice" : fmt::format("one of {} as well", first->second)),
                same ? "name it once"
                     : "give apps and plugins folders of their own: what lies among apps never "
                       "becomes native code of the gateway");
        }
    };
    size_t before = diagnostics.list().size();
    check(settings.plugin_dirs, kPluginDirs);
    check(settings.worker_dirs, kWorkerDirs);
    return diagnostics.list().size() == before;
}

}  // namespace

Position package_position(const Package& package) noexcept {
    return package.manifest.name.given() ? package.manifest.name.at : package.manifest.at;
}

std::vector<Package> find_packages(const Environment& environment, const Settings& settings,
                                   const YamlNode& runtime_config, Diagnostics& diagnostics) {
    if (!named_once(settings, diagnostics)) return {};
    Search search(environment, diagnostics);
    auto absence =
        settings.plugin_dirs_given ? Search::Absence::an_error : Search::Absence::allowed;
    for (const std::string& folder : settings.plugin_dirs) {
        search.search(folder, PackageKind::plugin, absence);
    }
    for (const std::string& folder : settings.worker_dirs) {
        search.search(folder, PackageKind::app, Search::Absence::an_error);
    }
    std::vector<Package> packages = std::move(search.packages);
    const YamlNode* mounts = runtime_config.find("mounts");
    if (mounts && mounts->kind == YamlNode::Kind::sequence && !mounts->items.empty()) {
        read_mounts(environment, settings, *mounts, search.folder_order(), packages, diagnostics);
    }
    return packages;
}

void resolve_files(std::vector<Package>& packages, const Settings& settings,
                   Diagnostics& diagnostics) {
    std::vector<std::string> worker_folders;
    for (const std::string& folder : settings.worker_dirs)
        worker_folders.push_back(real_path(folder));
    for (Package& package : packages) {
        Manifest& manifest = package.manifest;
        bool needs_base = package.kind == PackageKind::app && manifest.base->empty();
        if (needs_base && !manifest.short_name.empty()) manifest.base.value = "/" + *manifest.name;
        find_default_entrypoint(package, diagnostics);
        resolve_entrypoint(package, diagnostics);
        resolve_plugin_entry(package, worker_folders, diagnostics);
    }
}

}  // namespace ringtime::config
