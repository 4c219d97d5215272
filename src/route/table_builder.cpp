#include "route/table_builder.h"

#include <algorithm>
#include <cstring>

#include "base/limits.h"
#include "route/names.h"
#include "route/semver.h"
#include "route/table_state.h"

namespace ringtime::route {

using builder::a_mount;
using builder::no_side;
using builder::quoted;

namespace {

[[nodiscard]] bool is_under(std::string_view base, std::string_view reserved) noexcept {
    return base.starts_with(reserved) && at_boundary(base, reserved.size());
}

}  // namespace

void TableBuilder::State::report(ProblemCode code, Side first, Side second, std::string message) {
    Severity severity = code == ProblemCode::shadowed_public ? Severity::warning : Severity::error;
    problems.push_back(
        {severity, code, first.is, second.is, first.id, second.id, std::move(message)});
}

bool TableBuilder::State::failed() const noexcept {
    return std::any_of(problems.begin(), problems.end(),
                       [](const Problem& problem) { return problem.severity == Severity::error; });
}

uint32_t TableBuilder::State::add_text(std::string_view bytes) {
    auto offset = static_cast<uint32_t>(text.size());
    text.insert(text.end(), bytes.begin(), bytes.end());
    return offset;
}

uint32_t TableBuilder::State::scope_of(const std::string& host) {
    auto [entry, added] = scope_index.try_emplace(host, static_cast<uint32_t>(scopes.size()));
    if (!added) return entry->second;
    Scope scope;
    scope.suffix_size =
        host.starts_with("*.") ? static_cast<uint16_t>(host.size() - 1) : uint16_t{0};
    scope.text = add_text(host);
    scope.text_size = static_cast<uint16_t>(host.size());
    scopes.push_back(scope);
    hosts.push_back(host);
    bases.emplace_back();
    return entry->second;
}

std::string_view TableBuilder::State::base_of(const Mount& mount) const noexcept {
    return mount.text_size <= Mount::head_max
               ? std::string_view(mount.head, mount.text_size)
               : std::string_view(text.data() + mount.text, mount.text_size);
}

bool TableBuilder::State::check(const PendingMount& mount) {
    if (const char* fault = host_fault(mount.host)) {
        report(ProblemCode::bad_host, a_mount(mount.id), no_side,
               "host " + quoted(mount.host) + " " + fault);
        return false;
    }
    if (const char* fault = base_fault(mount.base)) {
        report(ProblemCode::bad_base, a_mount(mount.id), no_side,
               "base " + quoted(mount.base) + " " + fault);
        return false;
    }
    for (const std::string& path : reserved) {
        if (!is_under(mount.base, path)) continue;
        report(ProblemCode::reserved, a_mount(mount.id), no_side,
               "base " + quoted(mount.base) + " is at or under the reserved path " + quoted(path));
        return false;
    }
    return true;
}

uint32_t TableBuilder::State::add_record(const PendingMount& mount, uint32_t scope) {
    Mount record;
    record.id = mount.id;
    record.kind = mount.kind;
    record.scope = scope;
    record.text_size = mount.base.size() & 0xfff;
    if (mount.base.size() <= Mount::head_max) {
        std::memcpy(record.head, mount.base.data(), mount.base.size());
    } else {
        record.text = add_text(mount.base);
    }
    mounts.push_back(record);
    versioned.push_back(!mount.version.empty());
    return static_cast<uint32_t>(mounts.size() - 1);
}

uint32_t TableBuilder::State::id_at(uint32_t value) const noexcept {
    if ((value & app_flag) == 0) return mounts[value].id;
    return mounts[versions[apps[value & ~app_flag].first_version].mount].id;
}

void TableBuilder::State::take_base(uint32_t scope, const std::string& base, uint32_t value,
                                    uint32_t id) {
    auto [entry, added] = bases[scope].try_emplace(base == "/" ? "" : base, value);
    if (added) return;
    std::string where =
        hosts[scope].empty() ? std::string("every host") : "host " + quoted(hosts[scope]);
    report(ProblemCode::same_base, a_mount(id_at(entry->second)), a_mount(id),
           "base " + quoted(base) + " is mounted twice for " + where);
}

void TableBuilder::State::add_plain(const PendingMount& mount) {
    uint32_t scope = scope_of(mount.host);
    uint32_t record = add_record(mount, scope);
    take_base(scope, mount.base, record, mount.id);
}

void TableBuilder::State::add_apps(std::vector<PendingMount*> folders) {
    std::stable_sort(folders.begin(), folders.end(),
                     [](const PendingMount* a, const PendingMount* b) {
                         return a->host != b->host ? a->host < b->host : a->base < b->base;
                     });
    for (size_t first = 0; first < folders.size();) {
        size_t last = first;
        while (last < folders.size() && folders[last]->host == folders[first]->host &&
               folders[last]->base == folders[first]->base) {
            ++last;
        }
        add_app(std::span(folders).subspan(first, last - first));
        first = last;
    }
}

/// Folders of one app: sorted so that releases come first, each kind rising, `latest` last.
void TableBuilder::State::add_app(std::span<PendingMount*> folders) {
    struct Folder {
        PendingMount* mount;
        std::optional<Version> version;
    };
    std::vector<Folder> sorted;
    for (PendingMount* mount : folders) {
        auto version = parse_version(mount->version);
        if (!version && mount->version != "latest") {
            report(ProblemCode::bad_version, a_mount(mount->id), no_side,
                   "version " + quoted(mount->version) + " of " + quoted(mount->base) +
                       " is neither a semantic version nor `latest`");
            continue;
        }
        sorted.push_back({mount, version});
    }
    auto rank = [](const Folder& folder) {
        return !folder.version ? 2 : folder.version->is_release() ? 0 : 1;
    };
    std::stable_sort(sorted.begin(), sorted.end(), [&rank](const Folder& a, const Folder& b) {
        if (rank(a) != rank(b)) return rank(a) < rank(b);
        return a.version && compare(*a.version, *b.version) < 0;
    });
    if (sorted.empty()) return;
    uint32_t scope = scope_of(sorted.front().mount->host);
    App app;
    app.first_version = static_cast<uint32_t>(versions.size());
    for (size_t i = 0; i < sorted.size(); ++i) {
        const Folder& folder = sorted[i];
        const PendingMount& mount = *folder.mount;
        const Folder* before = i > 0 ? &sorted[i - 1] : nullptr;
        if (before && rank(*before) == rank(folder) &&
            (!folder.version || compare(*before->version, *folder.version) == 0)) {
            report(
                ProblemCode::same_version, a_mount(before->mount->id), a_mount(mount.id),
                "version " + quoted(mount.version) + " of " + quoted(mount.base) + " exists twice");
        }
        uint32_t record = add_record(mount, scope);
        VersionRecord version{};
        version.mount = record;
        version.text = add_text(mount.version);
        version.text_size = static_cast<uint16_t>(mount.version.size());
        if (folder.version) {
            version.major = folder.version->major;
            version.minor = folder.version->minor;
            version.patch = folder.version->patch;
            version.prerelease = add_text(folder.version->prerelease);
            version.prerelease_size = static_cast<uint16_t>(folder.version->prerelease.size());
            ++(folder.version->is_release() ? app.releases : app.prereleases);
        }
        // The last release stands until `latest`, which comes last, replaces it.
        if (rank(folder) != 1) app.plain = app.latest = record;
        versions.push_back(version);
    }
    apps.push_back(app);
    take_base(scope, sorted.front().mount->base, static_cast<uint32_t>(apps.size() - 1) | app_flag,
              sorted.front().mount->id);
}

BuildResult TableBuilder::State::build() {
    if (pending.size() > limits::mounts_max) {
        report(ProblemCode::too_many_mounts, a_mount(pending.back().id), no_side,
               "more than " + std::to_string(limits::mounts_max) + " mounts");
        return {nullptr, std::move(problems)};
    }
    std::vector<PendingMount*> folders;
    mounts.reserve(pending.size());
    for (PendingMount& mount : pending) {
        if (!check(mount)) continue;
        if (mount.version.empty()) add_plain(mount);
        if (!mount.version.empty()) folders.push_back(&mount);
    }
    add_apps(std::move(folders));
    parse_publics();
    // After an error the trees are built all the same, for the conflicts only they can show.
    if (!failed()) add_globs();
    link_scopes();
    build_trees();
    std::unique_ptr<RouteTable> table(new RouteTable);
    view(*table);
    link_mounts(*table);
    if (failed()) return {nullptr, std::move(problems)};
    warn_of_shadows(*table);
    add_shortcuts();
    text.resize(text.size() + shortcut_bytes_max + 1);
    pack(*table);
    return {std::move(table), std::move(problems)};
}

TableBuilder::TableBuilder() : TableBuilder(AutomatonCaps{}) {}
TableBuilder::TableBuilder(const AutomatonCaps& caps) : state_(std::make_unique<State>(caps)) {}
TableBuilder::~TableBuilder() = default;
TableBuilder::TableBuilder(TableBuilder&&) noexcept = default;
TableBuilder& TableBuilder::operator=(TableBuilder&&) noexcept = default;

void TableBuilder::reserve(std::string_view path) { state_->reserved.emplace_back(path); }

void TableBuilder::add_mount(const MountSpec& spec) {
    state_->pending.push_back(
        {normalise_host(spec.host), std::string(spec.base), "", spec.id, spec.kind});
}

void TableBuilder::add_app_version(const VersionSpec& spec) {
    // An empty version is no version at all; it must not pass for a plain mount.
    std::string version(spec.version.empty() ? " " : spec.version);
    state_->pending.push_back(
        {normalise_host(spec.host), std::string(spec.base), version, spec.id, spec.kind});
}

void TableBuilder::add_public(const PublicSpec& spec) {
    state_->publics.push_back({spec.origin,
                               normalise_host(spec.host),
                               spec.mount,
                               std::string(spec.glob),
                               spec.methods,
                               spec.source,
                               {}});
}

BuildResult TableBuilder::build() {
    BuildResult result = state_->build();
    state_ = std::make_unique<State>(state_->automaton_caps);
    return result;
}

}  // namespace ringtime::route
