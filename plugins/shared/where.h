#pragma once
// Which requests a rule of a plugin is about: `paths` are bases, `methods` are names; without them
// every one.

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <ringtime/plugin.hpp>

namespace shared {

/// `/api` takes `/api` and what is below it.
inline bool below(std::string_view path, std::string_view base) {
    if (path.substr(0, base.size()) != base) return false;
    return base.back() == '/' || path.size() == base.size() || path[base.size()] == '/';
}

class Where {
 public:
    /// Throws std::invalid_argument, beginning with `key`, for what is no path.
    Where(const std::vector<std::string_view>& paths, const std::vector<std::string_view>& methods,
          const std::string& key)
        : paths_(paths.begin(), paths.end()), methods_(methods.begin(), methods.end()) {
        for (const std::string& path : paths_) {
            if (path.empty() || path[0] != '/')
                throw std::invalid_argument(key + ".paths: \"" + path +
                                            "\" does not begin with /");
        }
    }
    [[nodiscard]] bool holds(const ringtime::Request& request) const {
        return holds(request.full_path(), request.method_text());
    }
    [[nodiscard]] bool holds(std::string_view at, std::string_view by) const {
        bool here = paths_.empty();
        for (const std::string& path : paths_) here = here || below(at, path);
        bool so = methods_.empty();
        for (const std::string& method : methods_) so = so || by == method;
        return here && so;
    }

 private:
    std::vector<std::string> paths_;
    std::vector<std::string> methods_;
};

}  // namespace shared
