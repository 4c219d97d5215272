#include "route/explain.h"

#include <algorithm>

namespace ringtime::route {
namespace {

/// Nodes a search that ignores case may visit; it branches twice per letter.
constexpr size_t case_visits_max = 10'000;
/// Versions listed in one sentence.
constexpr size_t versions_listed_max = 8;

[[nodiscard]] std::string quoted(std::string_view text) {
    return std::string("`").append(text).append("`");
}

[[nodiscard]] std::string host_words(std::string_view pattern) {
    return pattern.empty() ? "any host" : "host " + quoted(pattern);
}

[[nodiscard]] char other_case(char c) noexcept {
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return letter ? static_cast<char>(c ^ 0x20) : c;
}

[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return x == y || other_case(x) == y; });
}

}  // namespace

/// Reads the sections of a table; the only other reader is the table itself.
class Explainer {
  public:
    Explainer(const RouteTable& table, std::string_view host, std::string_view path,
              uint16_t method_bit)
        : table_(table), path_(path), method_bit_(method_bit) {
        out_.host = host;
        out_.path = path;
        out_.method_bit = method_bit;
        out_.match = table.match(host, path, method_bit);
        first_scope_ = out_.match.scope_;
    }

    [[nodiscard]] Explanation run() {
        std::string_view host = out_.match.host_;
        for (uint32_t at = first_scope_; at != none; at = table_.scopes_[at].next) {
            const Scope& scope = table_.scopes_[at];
            std::string tenant;
            if (scope.suffix_size != 0) tenant = host.substr(0, host.size() - scope.suffix_size);
            out_.hosts.push_back({pattern_of(scope), tenant});
            walk_scope(scope, out_.hosts.size() - 1);
        }
        list_candidates();
        explain_public();
        find_misses();
        return std::move(out_);
    }

    [[nodiscard]] static std::vector<MountRow> rows(const RouteTable& table) {
        std::vector<MountRow> rows;
        Explainer reader(table, {}, "/", 0);
        std::vector<bool> answers_bare(table.mounts_.size());
        std::vector<std::string> versions(table.mounts_.size());
        for (const VersionRecord& version : table.versions_)
            versions[version.mount] = reader.text_of(version);
        for (const App& app : table.apps_) {
            if (app.plain != none) answers_bare[app.plain] = true;
        }
        for (uint32_t at = 0; at < table.mounts_.size(); ++at) {
            const Mount& mount = table.mounts_[at];
            rows.push_back({mount.id, static_cast<uint8_t>(mount.kind),
                            reader.pattern_of(table.scopes_[mount.scope]),
                            std::string(reader.base_of(mount)), versions[at], answers_bare[at]});
        }
        std::stable_sort(rows.begin(), rows.end(), [](const MountRow& a, const MountRow& b) {
            return a.host != b.host ? a.host < b.host : a.base < b.base;
        });
        return rows;
    }

  private:
    [[nodiscard]] std::string pattern_of(const Scope& scope) const {
        return std::string(table_.text(scope.text, scope.text_size));
    }
    [[nodiscard]] std::string_view base_of(const Mount& mount) const noexcept {
        return table_.base_of(mount);
    }
    [[nodiscard]] std::string text_of(const VersionRecord& version) const {
        return std::string(table_.text(version.text, version.text_size));
    }
    /// Nothing on the way of a request asks which version a mount is, so nobody keeps it.
    [[nodiscard]] std::string version_of(const Mount& mount) const {
        auto index = static_cast<uint32_t>(&mount - table_.mounts_.data());
        for (const VersionRecord& version : table_.versions_) {
            if (version.mount == index) return text_of(version);
        }
        return {};
    }
    [[nodiscard]] const Mount& any_mount(const App& app) const noexcept {
        return table_.mounts_[table_.versions_[app.first_version].mount];
    }
    [[nodiscard]] bool in_chain(uint32_t scope) const noexcept {
        for (uint32_t at = first_scope_; at != none; at = table_.scopes_[at].next) {
            if (at == scope) return true;
        }
        return false;
    }
    [[nodiscard]] std::string versions_of(const App& app) const {
        std::string list;
        size_t count = app.releases + app.prereleases;
        for (size_t i = 0; i < std::min(count, versions_listed_max); ++i) {
            const VersionRecord& version = table_.versions_[app.first_version + i];
            list += (i == 0 ? "" : ", ") + text_of(version);
        }
        if (count > versions_listed_max) list += " and others";
        return list.empty() ? "`latest` only" : list;
    }

    void add_miss(NearMiss::Kind kind, std::string text, uint32_t mount,
                  const PublicRecord* route = nullptr) {
        if (out_.misses.size() == misses_max) return;
        out_.misses.push_back({kind, std::move(text), mount, route ? route->source : none,
                               route ? route->methods : uint16_t{0}});
    }

    void walk_scope(const Scope& scope, size_t level) {
        if (scope.tree == none) {
            out_.ends.push_back("nothing is mounted for " + host_words(pattern_of(scope)));
            return;
        }
        const Node* last = nullptr;
        size_t end = 0;
        walk(table_.view_.radix, scope.tree, 0, path_,
             [&](const Node& node, size_t position) noexcept {
                 last = &node;
                 end = position;
                 add_step(node, position, level);
             });
        std::string at = quoted(path_.substr(0, end));
        if (end == path_.size()) {
            out_.ends.push_back(at + " is the whole path");
        } else if (last->child(static_cast<uint8_t>(path_[end])) == none) {
            out_.ends.push_back("no base goes on with " + quoted(path_.substr(end, 1)) +
                                " behind " + at);
        } else {
            out_.ends.push_back("no base goes on with " + quoted(next_bytes(end)) + " behind " +
                                at);
        }
    }

    [[nodiscard]] std::string_view next_bytes(size_t from) const noexcept {
        size_t end = std::min(path_.find('/', from + 1), path_.size());
        return path_.substr(from, end - from);
    }

    void add_step(const Node& node, size_t position, size_t level) {
        using Outcome = WalkStep::Outcome;
        WalkStep step{level, position, std::string(path_.substr(0, position)), Outcome::branch, {}};
        bool boundary = at_boundary(path_, position);
        if (node.value == none) {
            out_.steps.push_back(std::move(step));
            return;
        }
        if ((node.value & app_flag) == 0) {
            step.base = base_of(table_.mounts_[node.value]);
            step.outcome = boundary ? Outcome::taken : Outcome::not_boundary;
        } else {
            const App& app = table_.apps_[node.value & ~app_flag];
            step.base = base_of(any_mount(app));
            bool found = table_.resolve(app, path_, position).mount != none;
            bool asks_version = !boundary && path_[position] == '@';
            if (asks_version) step.outcome = found ? Outcome::version : Outcome::no_version;
            if (boundary) step.outcome = found ? Outcome::taken : Outcome::no_version;
            if (!boundary && !asks_version) step.outcome = Outcome::not_boundary;
            if (step.outcome == Outcome::no_version) add_version_miss(app, position);
        }
        out_.steps.push_back(std::move(step));
    }

    void add_version_miss(const App& app, size_t position) {
        std::string base(base_of(any_mount(app)));
        bool bare = at_boundary(path_, position);
        std::string asked = bare ? "a release" : quoted(next_bytes(position));
        add_miss(NearMiss::Kind::version,
                 quoted(base) + " has no version for " + asked + ": there is " + versions_of(app),
                 any_mount(app).id);
    }

    void list_candidates() {
        Match at = out_.match;
        while (at.found()) {
            const Mount& mount = mount_of(at);
            const Scope& scope = table_.scopes_[mount.scope];
            CandidateStep step{at.mount,
                               std::string(base_of(mount)),
                               std::string(path_.substr(0, at.base_size)),
                               version_of(mount),
                               pattern_of(scope),
                               std::string(at.tenant),
                               at.kind,
                               {}};
            if (step.spelled.empty()) step.spelled = "/";
            if (out_.candidates.empty()) {
                step.why = "the longest base that takes the path";
            } else if (step.spelled == out_.candidates.back().spelled) {
                step.why = "the same base for a less specific host";
            } else {
                step.why = "a shorter base, asked if the target before it passes";
            }
            out_.candidates.push_back(std::move(step));
            at = table_.pass(at);
        }
        if (out_.candidates.empty()) {
            out_.verdict = "no base takes " + quoted(path_);
            return;
        }
        const CandidateStep& winner = out_.candidates.front();
        out_.verdict = quoted(winner.base) +
                       (winner.version.empty() ? "" : " version " + winner.version) + " for " +
                       host_words(winner.host) + " wins: ";
        bool tie = out_.candidates.size() > 1 && out_.candidates[1].spelled == winner.spelled;
        out_.verdict += tie ? "of equal bases the more specific host's" : winner.why;
    }

    /// The mount a match stands for: the cursor it was taken from has moved on, so it is looked up.
    [[nodiscard]] const Mount& mount_of(const Match& match) const noexcept {
        const Mount* found = nullptr;
        auto compare = [&](Cursor cursor) noexcept {
            const Mount& mount = table_.mounts_[cursor.mount];
            bool same = mount.id == match.mount && cursor.base_size == match.base_size;
            if (same && !found) found = &mount;
        };
        for (uint32_t at = first_scope_; at != none; at = table_.scopes_[at].next) {
            table_.walk_bases(table_.scopes_[at].tree, 0, path_, compare, [](uint32_t) noexcept {});
        }
        ASSERT(found != nullptr);
        return *found;
    }

    [[nodiscard]] const PublicRecord* public_record(std::string_view path, uint16_t method_bit,
                                                    const Mount* owner,
                                                    std::string_view rest) const {
        if (owner) {
            if (owner->globs == none) return nullptr;
            GlobMatch match = match_globs(table_.view_, owner->globs, rest, method_bit);
            return match.payload == none ? nullptr : &table_.publics_[match.payload];
        }
        for (uint32_t at = first_scope_; at != none; at = table_.scopes_[at].next) {
            if (table_.scopes_[at].has_globs == 0) continue;
            GlobMatch match = match_globs(table_.view_, table_.scopes_[at].tree, path, method_bit);
            if (match.payload != none) return &table_.publics_[match.payload];
        }
        return nullptr;
    }

    /// The public route that decides for `path`, the mount being what it is.
    [[nodiscard]] const PublicRecord* decides(std::string_view path, uint16_t method_bit) const {
        if (const PublicRecord* record = public_record(path, method_bit, nullptr, {}))
            return record;
        if (!out_.match.found() || path.size() < out_.match.base_size) return nullptr;
        return public_record(path, method_bit, &mount_of(out_.match),
                             path.substr(out_.match.base_size));
    }

    [[nodiscard]] std::string_view glob_of(const PublicRecord& record) const noexcept {
        return table_.text(record.text, record.text_size);
    }

    void explain_public() {
        const PublicRecord* record = decides(path_, method_bit_);
        ASSERT((record != nullptr) == out_.match.is_public);
        if (!record) {
            out_.public_verdict = "not public: no public route takes the path with this method";
            return;
        }
        out_.public_glob = glob_of(*record);
        out_.public_verdict = "public through " + quoted(out_.public_glob) + " of " +
                              (record->origin == Origin::plugin ? "a plugin" : "the app");
    }

    void find_misses() {
        miss_boundaries();
        miss_case();
        miss_hosts();
        if (!out_.match.is_public) miss_publics();
    }

    void miss_boundaries() {
        for (const WalkStep& step : out_.steps) {
            if (step.outcome != WalkStep::Outcome::not_boundary) continue;
            size_t end = std::min(path_.find('/', step.position), path_.size());
            add_miss(NearMiss::Kind::segment_boundary,
                     quoted(path_.substr(0, end)) + " did not match " + quoted(step.base) +
                         ": not a segment boundary",
                     none);
        }
    }

    /// The longest base that would take the path if case did not matter.
    [[nodiscard]] Cursor longest_ignoring_case(const Scope& scope) const {
        struct Visit {
            uint32_t node;
            size_t position;
        };
        Cursor best;
        if (scope.tree == none) return best;
        std::vector<Visit> open{{scope.tree, 0}};
        for (size_t visits = 0; !open.empty() && visits < case_visits_max; ++visits) {
            auto [index, position] = open.back();
            open.pop_back();
            const Node& node = table_.view_.radix.nodes[index];
            bool longer = best.mount == none || position > best.base_size;
            if (node.value != none && at_boundary(path_, position) && longer) {
                uint32_t mount = (node.value & app_flag)
                                     ? table_.apps_[node.value & ~app_flag].plain
                                     : node.value;
                if (mount != none) best = {mount, static_cast<uint32_t>(position)};
            }
            if (position == path_.size()) continue;
            char byte = path_[position];
            for (char c : {byte, other_case(byte)}) {
                uint32_t child = node.child(static_cast<uint8_t>(c));
                if (child == none) continue;
                std::string_view label = table_.view_.radix.label(table_.view_.radix.nodes[child]);
                if (!equal_ignoring_case(label, path_.substr(position + 1, label.size()))) continue;
                open.push_back({child, position + 1 + label.size()});
                if (other_case(byte) == byte) break;
            }
        }
        return best;
    }

    void miss_case() {
        for (uint32_t at = first_scope_; at != none; at = table_.scopes_[at].next) {
            Cursor best = longest_ignoring_case(table_.scopes_[at]);
            if (best.mount == none ||
                (out_.match.found() && best.base_size <= out_.match.base_size))
                continue;
            const Mount& mount = table_.mounts_[best.mount];
            add_miss(NearMiss::Kind::letter_case,
                     quoted(path_.substr(0, best.base_size)) + " did not match " +
                         quoted(base_of(mount)) + ": upper and lower case differ",
                     mount.id);
        }
    }

    void miss_hosts() {
        for (uint32_t at = 0; at < table_.scopes_.size() && out_.misses.size() < misses_max; ++at) {
            if (in_chain(at)) continue;
            Cursor best = table_.longest(table_.scopes_[at], path_);
            if (best.mount == none || (out_.match.found() && best.base_size < out_.match.base_size))
                continue;
            const Mount& mount = table_.mounts_[best.mount];
            if (out_.match.found() && mount.id == out_.match.mount) continue;
            add_miss(NearMiss::Kind::other_host,
                     quoted(base_of(mount)) + " is mounted for " +
                         host_words(pattern_of(table_.scopes_[at])) + ", which " +
                         (out_.host.empty() ? "a request without host" : quoted(out_.host)) +
                         " is not",
                     mount.id);
        }
    }

    void miss_publics() {
        for (unsigned bit = 0; bit < 16; ++bit) {
            auto method = static_cast<uint16_t>(1U << bit);
            const PublicRecord* record = method == method_bit_ ? nullptr : decides(path_, method);
            if (!record) continue;
            add_miss(NearMiss::Kind::other_method,
                     "public route " + quoted(glob_of(*record)) +
                         " takes the path, but with other methods",
                     none, record);
            break;
        }
        std::string slashed = std::string(path_) + "/";
        if (path_.size() > 1 && path_.back() == '/') slashed = path_.substr(0, path_.size() - 1);
        if (const PublicRecord* record = decides(slashed, method_bit_)) {
            add_miss(NearMiss::Kind::trailing_slash,
                     "public route " + quoted(glob_of(*record)) + " takes " + quoted(slashed) +
                         ", not " + quoted(path_),
                     none, record);
        }
        Match at = out_.match.found() ? table_.pass(out_.match) : out_.match;
        for (; at.found(); at = table_.pass(at)) {
            const PublicRecord* record =
                public_record(path_, method_bit_, &mount_of(at), path_.substr(at.base_size));
            if (!record) continue;
            add_miss(NearMiss::Kind::other_mount,
                     "public route " + quoted(glob_of(*record)) + " of " +
                         quoted(base_of(mount_of(at))) + " does not count: " +
                         quoted(out_.candidates.front().base) + " takes the request",
                     at.mount, record);
        }
    }

    const RouteTable& table_;
    std::string_view path_;
    uint16_t method_bit_;
    uint32_t first_scope_ = 0;
    Explanation out_;
};

Explanation explain(const RouteTable& table, std::string_view host, std::string_view path,
                    uint16_t method_bit) {
    return Explainer(table, host, path, method_bit).run();
}

std::vector<MountRow> list_mounts(const RouteTable& table) { return Explainer::rows(table); }

}  // namespace ringtime::route
