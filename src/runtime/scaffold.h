#pragma once
// `ringtime new`: writes a package that builds and runs as it is. Needs nothing of the gateway;
// what a kind of package consists of is a list of files.

#include <string>
#include <string_view>
#include <vector>

namespace ringtime::runtime {

struct ScaffoldFile {
    std::string path;  ///< Below the package's folder.
    std::string content;
};

/// Writes the files into a folder that must not exist yet. False: `problem` says why; nothing
/// stays.
[[nodiscard]] bool write_scaffold(const std::string& folder,
                                  const std::vector<ScaffoldFile>& files, std::string& problem);

struct ScaffoldTest {
    std::string_view name;
    std::string_view kind;   ///< What the package is.
    std::string_view door;   ///< The folder it is served from: apps, plugins.
    std::string built;       ///< The module, below the package's folder.
    std::string tests;       ///< Methods that call self.ask(path, header=value).
};
/// A program of Python's standard library: starts a gateway with the built package alone, asks it.
[[nodiscard]] std::string test_program(const ScaffoldTest& test);

/// Where the SDK's headers lie, judged by where this program lies; empty when they do not.
[[nodiscard]] std::string find_sdk_headers();
/// Whether every compiler looks there by itself. Named with -isystem such a folder comes before the
/// C++ library's own headers, which then do not find those below them.
[[nodiscard]] bool is_system_folder(std::string_view headers) noexcept;

/// A package's short name: `[a-z0-9-]`, a letter first.
[[nodiscard]] bool is_package_name(std::string_view name) noexcept;

}  // namespace ringtime::runtime
