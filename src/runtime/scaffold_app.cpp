#include "runtime/scaffold_app.h"

#include <fmt/core.h>

#include "runtime/scaffold.h"

namespace ringtime::runtime {
namespace {

constexpr std::string_view kManifest = R"(# What is mounted, where, and under which rules.
name: {0}
version: 0.1.0
base: /{0}
entrypoint: {0}.so
ttl: 1h          # instances live on between requests; 0: fresh process state for every request
timeout: 30s     # until the head of an answer
workers: 1       # kept warm; more start while requests queue
)";

constexpr std::string_view kSource =
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

constexpr std::string_view kMakefile =
    "# Where ringtime/*.h are: what pkg-config knows, else where this file was made beside.\n"
    "RINGTIME_CFLAGS ?= $(shell pkg-config --cflags ringtime-worker 2>/dev/null || echo {1})\n"
    "CXXFLAGS ?= -O2 -g -Wall -Wextra\n\n"
    "{0}.so: {0}.cpp\n"
    "\t$(CXX) -std=c++17 $(CXXFLAGS) -fPIC -shared -fvisibility=hidden -fno-gnu-unique \\\n"
    "\t    $(RINGTIME_CFLAGS) -o $@.new $< && mv $@.new $@\n\n"
    "test: {0}.so\n\tpython3 test.py\n\n"
    "clean:\n\trm -f {0}.so\n.PHONY: test clean\n";

constexpr std::string_view kTests = R"(
    def test_it_greets(self):
        status, headers, body = self.ask("/{0}/hello/you")
        self.assertEqual((status, body), (200, b"Hello, you!\n"))
        self.assertEqual(headers["content-type"], "text/plain; charset=utf-8")

    def test_the_rest_is_not_found(self):
        self.assertEqual(self.ask("/{0}/nowhere")[0], 404)
)";

constexpr std::string_view kReadme = R"(# {0}

A worker app for the Ringtime gateway.

```sh
make
make test        # needs `ringtime` in PATH, or RINGTIME=/path/to/ringtime
```

Serve it from the folder above this one:

```sh
RUNTIME_WORKER_DIRS=./{0} ringtime run
curl localhost:8000/{0}/hello/you
```

A running gateway takes a new build with `ringtime reload`.

| path | answer |
|---|---|
| `GET /{0}/` | a page |
| `GET /{0}/hello/:name` | a greeting |
| `POST /{0}/echo` | what was sent |
)";

}  // namespace

bool scaffold_app(const std::string& name, std::string& problem) {
    if (!is_package_name(name)) {
        problem = fmt::format(
            "\"{}\" is no name for an app: use small letters, digits and -, a letter first", name);
        return false;
    }
    std::string headers = find_sdk_headers();
    if (is_system_folder(headers)) headers.clear();
    if (!headers.empty()) headers = "-isystem " + headers;
    std::string module = name + ".so";
    return write_scaffold(name,
                          {{"manifest.yaml", fmt::format(kManifest, name)},
                           {name + ".cpp", fmt::format(kSource, name)},
                           {"Makefile", fmt::format(kMakefile, name, headers)},
                           {"test.py", test_program({.name = name,
                                                     .kind = "app",
                                                     .door = "apps",
                                                     .built = module,
                                                     .tests = fmt::format(kTests, name)})},
                           {"README.md", fmt::format(kReadme, name)},
                           {".gitignore", "*.so\n*.so.new\n"}},
                          problem);
}

}  // namespace ringtime::runtime
