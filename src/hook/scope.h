#pragma once
// Which requests a plugin sees: those of its hosts, narrowed by the manifest's `hooks: {paths,
// except}`. What the host of a mount decides is decided when chains are compiled; the rest once per
// request.

#include <string>
#include <string_view>
#include <vector>

#include "route/glob_set.h"

namespace ringtime::hook {

class Scope {
 public:
    /// Globs over whole canonical paths. False, with `error` naming the text, when one is no glob.
    [[nodiscard]] bool build(const std::vector<std::string>& hosts,
                             const std::vector<std::string>& paths,
                             const std::vector<std::string>& except, std::string& error);

    enum class Relation : uint8_t { never, depends, always };
    /// How requests of a mount relate to the hosts: "" is a mount for any host, `*.example.com` one
    /// of a wildcard, anything else an exact host.
    [[nodiscard]] Relation relate(std::string_view mount_host) const noexcept;
    /// Whether paths have a say.
    [[nodiscard]] bool narrows_paths() const noexcept { return paths_.used || except_.used; }

    /// `host`: lower case, without port. `path`: canonical, whole.
    [[nodiscard]] bool contains(std::string_view host, std::string_view path) const noexcept {
        return contains_host(host) && contains_path(path);
    }

 private:
    struct Globs {
        [[nodiscard]] bool build(const std::vector<std::string>& texts, std::string& error);
        [[nodiscard]] bool match(std::string_view path) const noexcept;

        bool used = false;
        uint32_t root = 0;
        route::GlobCompiler compiled;
    };

    [[nodiscard]] bool contains_host(std::string_view host) const noexcept;
    [[nodiscard]] bool contains_path(std::string_view path) const noexcept {
        return (!paths_.used || paths_.match(path)) && (!except_.used || !except_.match(path));
    }

    std::vector<std::string> hosts_;  ///< Empty: every host.
    Globs paths_;
    Globs except_;
};

}  // namespace ringtime::hook
