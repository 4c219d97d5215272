#include "runtime/scaffold.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace ringtime::runtime {
namespace {

bool write_file(const std::string& path, const std::string& content) {
    FILE* file = std::fopen(path.c_str(), "wxe");
    if (!file) return false;
    bool written = std::fwrite(content.data(), 1, content.size(), file) == content.size();
    return std::fclose(file) == 0 && written;
}

std::string parent_of(const std::string& path) {
    size_t slash = path.rfind('/');
    return slash == std::string::npos ? std::string{} : path.substr(0, slash);
}

constexpr std::string_view kAppManifest = R"(# What is mounted, where, and under which rules.
name: {0}
version: 0.1.0
base: /{0}
entrypoint: {0}.so
ttl: 1h          # instances live on between requests; 0: fresh process state for every request
timeout: 30s     # until the head of an answer
workers: 1       # kept warm; more start while requests queue
)";

constexpr std::string_view kAppSource =
    R"(// {0}: a Ringtime worker app. `make` builds {0}.so, which manifest.yaml names.
#include <ringtime/worker.hpp>

#include <string>
using namespace ringtime::worker;

struct App {{
    Routes routes() {{
        Routes routes;
        routes.get("/", [](const Request&) {{ return Response::html("<h1>{0}</h1>\n"); }});
        routes.get("/hello/:name", [](const Request& request) {{
            return Response::text("Hello, " + std::string(request.param("name")) + "!\n");
        }});
        routes.post("/echo", [](const Request& request) {{
            return Response::text(request.text());
        }});
        return routes;
    }}
}};
RINGTIME_APP(App)
)";

}  // namespace

bool write_scaffold(const std::string& folder, const std::vector<ScaffoldFile>& files,
                    std::string& problem) {
    if (::mkdir(folder.c_str(), 0777) != 0) {
        problem = fmt::format("cannot make the folder {}: {}", folder, std::strerror(errno));
        return false;
    }
    for (size_t i = 0; i < files.size(); ++i) {
        if (write_file(folder + "/" + files[i].path, files[i].content)) continue;
        problem = fmt::format("cannot write {}/{}: {}", folder, files[i].path,
                              std::strerror(errno));
        for (size_t done = 0; done <= i; ++done)
            (void)::unlink((folder + "/" + files[done].path).c_str());
        (void)::rmdir(folder.c_str());
        return false;
    }
    return true;
}

std::string find_sdk_headers() {
    char path[4096];
    ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
    std::string folder(path, size > 0 ? static_cast<size_t>(size) : 0);
    // Installed it is PREFIX/bin beside PREFIX/include; in a build folder the source is above it.
    while (!(folder = parent_of(folder)).empty()) {
        std::string headers = folder + "/include";
        if (::access((headers + "/ringtime/worker.hpp").c_str(), R_OK) == 0) return headers;
    }
    return {};
}

bool is_package_name(std::string_view name) noexcept {
    if (name.empty() || name.size() > 64 || name[0] < 'a' || name[0] > 'z') return false;
    for (char c : name) {
        if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-') return false;
    }
    return true;
}

bool is_system_folder(std::string_view headers) noexcept {
    return headers == "/usr/include" || headers == "/usr/local/include";
}

std::string module_makefile(std::string_view module, std::string_view source) {
    std::string headers = find_sdk_headers();
    bool found = headers.empty() || is_system_folder(headers);
    return fmt::format(
        "# Where ringtime/*.h are: what pkg-config knows, else where this file was made beside.\n"
        "RINGTIME_CFLAGS ?= $(shell pkg-config --cflags ringtime-worker 2>/dev/null || echo {})\n"
        "CXXFLAGS ?= -O2 -g -Wall -Wextra\n\n"
        "{}: {}\n"
        "\t$(CXX) -std=c++17 $(CXXFLAGS) -fPIC -shared -fvisibility=hidden -fno-gnu-unique \\\n"
        "\t    $(RINGTIME_CFLAGS) -o $@.new $< && mv $@.new $@\n\n"
        "clean:\n\trm -f {}\n.PHONY: clean\n",
        found ? std::string() : "-isystem " + headers, module, source, module);
}

bool scaffold_app(const std::string& name, std::string& problem) {
    if (!is_package_name(name)) {
        problem = fmt::format(
            "\"{}\" is no name for an app: use small letters, digits and -, a letter first", name);
        return false;
    }
    std::string module = name + ".so";
    std::string source = name + ".cpp";
    return write_scaffold(name,
                          {{"manifest.yaml", fmt::format(kAppManifest, name)},
                           {source, fmt::format(kAppSource, name)},
                           {"Makefile", module_makefile(module, source)},
                           {".gitignore", "*.so\n*.so.new\n"}},
                          problem);
}

}  // namespace ringtime::runtime
