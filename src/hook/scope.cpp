#include "hook/scope.h"

#include <fmt/core.h>

#include <algorithm>

namespace ringtime::hook {
namespace {

constexpr uint16_t any_method = 1;

bool is_wildcard(std::string_view host) noexcept { return host.starts_with("*."); }

/// `*.example.com` covers `a.example.com` and `*.b.example.com`, not `example.com`.
bool covers(std::string_view pattern, std::string_view host) noexcept {
    if (!is_wildcard(pattern)) return pattern == host;
    std::string_view suffix = pattern.substr(1);
    if (pattern == host) return true;
    return host.size() > suffix.size() && host.ends_with(suffix);
}

}  // namespace

bool Scope::Globs::build(const std::vector<std::string>& texts, std::string& error) {
    std::vector<route::Glob> globs;
    for (const std::string& text : texts) {
        globs.push_back(route::parse_glob(text));
        if (globs.back().error) {
            error = fmt::format("\"{}\": {}", text, globs.back().error);
            return false;
        }
    }
    if (texts.empty()) return true;
    std::vector<route::GlobPattern> patterns;
    for (const route::Glob& glob : globs) patterns.push_back({glob.items, any_method, 0});
    route::GlobSet set = compiled.compile_set(patterns);
    root = compiled.add_tree(set);
    // A list that cannot be used narrows nothing: the chain stays closed.
    used = set.refused.empty();
    if (used) return true;
    error = fmt::format("\"{}\" and the others together are too complex", texts.front());
    return false;
}

bool Scope::Globs::match(std::string_view path) const noexcept {
    return route::match_globs(compiled.view(), root, path, any_method).payload != route::none;
}

bool Scope::build(const std::vector<std::string>& hosts, const std::vector<std::string>& paths,
                  const std::vector<std::string>& except, std::string& error) {
    hosts_ = hosts;
    return paths_.build(paths, error) && except_.build(except, error);
}

Scope::Relation Scope::relate(std::string_view mount_host) const noexcept {
    if (hosts_.empty()) return Relation::always;
    if (mount_host.empty()) return Relation::depends;
    Relation relation = Relation::never;
    for (const std::string& host : hosts_) {
        if (covers(host, mount_host)) return Relation::always;
        // A wildcard mount serves hosts of which the plugin may see only some.
        if (is_wildcard(mount_host) && covers(mount_host, host)) relation = Relation::depends;
    }
    return relation;
}

bool Scope::contains_host(std::string_view host) const noexcept {
    return hosts_.empty() ||
           std::any_of(hosts_.begin(), hosts_.end(),
                       [&](const std::string& mine) { return covers(mine, host); });
}

}  // namespace ringtime::hook
