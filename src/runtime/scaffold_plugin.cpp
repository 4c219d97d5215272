#include "runtime/scaffold_plugin.h"

#include <fmt/core.h>

#include "runtime/scaffold.h"

namespace ringtime::runtime {
namespace {

constexpr std::string_view kManifest = R"(# Where the plugin is mounted, and what it can be told.
name: {0}
version: 0.1.0
base: /{0}
pluginEntry: build/{0}.so

config:
  greeting:
    type: string
    label: What visitors are greeted with
    default: Hello
)";

constexpr std::string_view kSource =
    R"(// {0}: a Ringtime plugin. Define the hooks you want; what is not here costs nothing.
#include <ringtime/plugin.hpp>

#include <string>

class Plugin {{
 public:
    // At load; throw to refuse.
    explicit Plugin(ringtime::Context& context) : greeting_(context.string("greeting")) {{
        context.route<&Plugin::hello>("GET", "/hello/:name", this);  // below `base`
    }}

    // Every request the gateway gets. A core serves thousands of connections: never block here.
    ringtime::Verdict on_request(ringtime::Request& request) {{
        if (request.field("x-forbidden").data()) return request.respond(403, "No.\n");
        return ringtime::Verdict::next;
    }}

    // Every response, whoever made it.
    void on_response(ringtime::Request&, ringtime::Response& response) {{
        response.set("x-{0}", "seen");
    }}

 private:
    ringtime::Verdict hello(ringtime::Request& request) {{
        std::string text = greeting_ + ", " + std::string(request.parameter("name")) + "!\n";
        return request.respond_owned(200, std::move(text));
    }}

    std::string greeting_;
}};
RINGTIME_PLUGIN(Plugin)
)";

constexpr std::string_view kMeson =
    R"(project('{0}', 'cpp', version: '0.1.0', meson_version: '>=1.0.0',
    default_options: ['cpp_std=c++17', 'warning_level=2', 'buildtype=debugoptimized'])

ringtime = dependency('ringtime-plugin', required: false)
if not ringtime.found()
    # pkg-config knows none: the headers this file was made beside, or what the compiler finds.
    ringtime = declare_dependency(compile_args: [{1}])
endif

# An object with unique symbols can never be unloaded, so a new version could not replace it.
cpp = meson.get_compiler('cpp')
{2} = shared_module('{0}', '{0}.cpp', name_prefix: '', dependencies: ringtime,
    cpp_args: cpp.get_supported_arguments('-fno-gnu-unique'), gnu_symbol_visibility: 'hidden')

test('{0}', find_program('python3'), args: [files('test.py'), {2}], depends: {2})
)";

constexpr std::string_view kTests = R"(
    def test_it_greets(self):
        status, headers, body = self.ask("/{0}/hello/you")
        self.assertEqual((status, body), (200, b"Hello, you!\n"))
        self.assertEqual(headers["x-{0}"], "seen")

    def test_it_forbids(self):
        self.assertEqual(self.ask("/", x_forbidden="1")[0], 403)
)";

constexpr std::string_view kReadme = R"(# {0}

A native plugin for the Ringtime gateway.

```sh
meson setup build
meson compile -C build
meson test -C build                       # needs `ringtime` in PATH, or RINGTIME=/path/to/ringtime
```

Serve it from the folder above this one:

```sh
RUNTIME_PLUGIN_DIRS=./{0} ringtime run
curl localhost:8000/{0}/hello/you
```

A running gateway takes a new build with `ringtime reload`.

| option | default | meaning |
|---|---|---|
| `greeting` | Hello | what visitors are greeted with |
)";

// Names of Meson's variables have no `-`.
std::string variable_of(std::string name) {
    for (char& c : name) {
        if (c == '-') c = '_';
    }
    return name + "_plugin";
}

}  // namespace

bool scaffold_plugin(const std::string& name, std::string& problem) {
    if (!is_package_name(name)) {
        problem = fmt::format(
            "\"{}\" is no name for a plugin: use small letters, digits and -, a letter first",
            name);
        return false;
    }
    std::string headers = find_sdk_headers();
    if (is_system_folder(headers)) headers.clear();
    if (!headers.empty()) headers = fmt::format("'-isystem', '{}'", headers);
    return write_scaffold(
        name,
        {{"manifest.yaml", fmt::format(kManifest, name)},
         {name + ".cpp", fmt::format(kSource, name)},
         {"meson.build", fmt::format(kMeson, name, headers, variable_of(name))},
         {"test.py", test_program({.name = name,
                                   .kind = "plugin",
                                   .door = "plugins",
                                   .built = "build/" + name + ".so",
                                   .tests = fmt::format(kTests, name)})},
         {"README.md", fmt::format(kReadme, name)},
         {".gitignore", "build/\n"}},
        problem);
}

}  // namespace ringtime::runtime
