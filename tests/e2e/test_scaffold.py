#!/usr/bin/env python3
"""`ringtime new` makes what builds and runs; every program of the documents compiles."""

import os
import re
import subprocess

import harness

DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs")
HEADERS = os.path.join(DOCS, "../include")


def call(*command, folder=None):
    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=120)


class New(harness.Case):
    def new(self, *arguments):
        return call(harness.BINARY, "new", *arguments, folder=self.packages.apps)

    def served_as_told(self, said):
        """The gateway, once the last two lines that `new` printed work as they stand."""
        serve, ask = said.splitlines()[-2:]
        *settings, program, verb = serve.split()
        self.assertEqual((program, verb), ("ringtime", "run"))
        env = {"RUNTIME_WORKER_DIRS": None, "RUNTIME_PLUGIN_DIRS": None}
        env.update(setting.split("=") for setting in settings)
        gateway = self.launch(env, folder=self.packages.apps).wait_ready()
        command, url = ask.replace("localhost:8000", f"localhost:{gateway.port}").split()
        self.assertEqual(call(command, "-s", url).stdout, "Hello, you!\n")
        return gateway

    def test_an_app_that_builds_and_runs(self):
        made = self.new("app", "shop-2")
        self.assertEqual(made.returncode, 0, made.stdout)
        self.assertIn("make -C shop-2", made.stdout)
        built = call("make", "-C", os.path.join(self.packages.apps, "shop-2"), "CXXFLAGS=-O0 -Wall")
        self.assertEqual(built.returncode, 0, built.stdout)
        self.assertNotIn("warning", built.stdout)
        tested = subprocess.run(["make", "-C", os.path.join(self.packages.apps, "shop-2"), "test"],
                                env=dict(os.environ, RINGTIME=harness.BINARY), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        self.assertEqual(tested.returncode, 0, tested.stdout)
        self.assertIn("Ran 2 tests", tested.stdout)
        # Beside it lies a package of another kind: what was printed works all the same.
        self.assertEqual(self.new("plugin", "till-2").returncode, 0)
        gateway = self.served_as_told(made.stdout)
        self.assertEqual(gateway.post("/shop-2/echo", b"said").body, b"said")
        self.assertEqual(gateway.get("/shop-2/").body, b"<h1>shop-2</h1>\n")

    def plugin(self, pkg_config):
        """Makes a plugin, builds it with what pkg-config knows, runs its own test."""
        made = self.new("plugin", "till-2")
        self.assertEqual(made.returncode, 0, made.stdout)
        folder = os.path.join(self.packages.apps, "till-2")
        env = dict(os.environ, PKG_CONFIG_PATH=pkg_config, RINGTIME=harness.BINARY)
        for name in ("CC", "CXX", "CC_LD", "CXX_LD"):
            env.pop(name, None)
        said = ""
        for command in (["setup", "build"], ["compile", "-C", "build"],
                        ["test", "-C", "build", "--print-errorlogs"]):
            done = subprocess.run(["meson", *command], cwd=folder, env=env, text=True, timeout=120,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            self.assertEqual(done.returncode, 0, done.stdout)
            said += done.stdout
        self.assertNotIn("warning:", said)
        self.served_as_told(made.stdout)
        return said

    def test_a_plugin_that_builds_inside_the_tree_and_passes_its_test(self):
        said = self.plugin(os.path.join(harness.BUILD, "meson-uninstalled"))
        self.assertIn("dependency ringtime-plugin found: YES", said)

    def test_a_plugin_where_pkg_config_knows_nothing(self):
        self.assertIn("dependency ringtime-plugin found: NO", self.plugin("/nowhere"))

    def test_an_installation_has_every_plugin_with_its_manifest(self):
        said = call("meson", "introspect", "--installed", harness.BUILD)
        installed = harness.json.loads(said.stdout).values()
        plugins = {path.split("/")[-2] for path in installed if "/ringtime/plugins/" in path}
        self.assertIn("authn", plugins)
        self.assertEqual(plugins, set(os.listdir(os.path.join(DOCS, "../plugins"))) -
                         {"shared", "meson.build"})
        for plugin in plugins:
            for name in ("manifest.yaml", "README.md", f"{plugin}.so"):
                self.assertTrue(any(path.endswith(f"/ringtime/plugins/{plugin}/{name}")
                                    for path in installed), (plugin, name))

    def test_nothing_is_overwritten(self):
        self.assertEqual(self.new("app", "twice").returncode, 0)
        again = self.new("app", "twice")
        self.assertEqual(again.returncode, 1)
        self.assertIn("twice", again.stdout)
        self.assertIn("exists", again.stdout)

    def test_names_that_are_none(self):
        for name in ("../x", "Shop", "a b", "-x", "9x", ""):
            refused = self.new("app", "--", name)
            self.assertNotEqual(refused.returncode, 0, name)
        self.assertEqual(os.listdir(self.packages.apps), [])
        self.assertEqual(self.new("thing", "x").returncode, 2)


class Documentation(harness.Case):
    def make_app(self, struct):
        """Builds the page's app of that name and writes its manifest."""
        with open(f"{DOCS}/workers.md", encoding="utf-8") as f:
            text = f.read()
        code = next(code for code in re.findall(r"```cpp\n(.*?)```", text, re.S)
                    if f"RINGTIME_APP({struct})" in code)
        name = struct.lower()
        source = self.packages.write(f"{name}.cpp", code)
        self.packages.manifest(f"apps/{name}", f"name: {name}\nentrypoint: {name}.so\nttl: 1h\n"
                               "workersMax: 1\nmaxRequests: 0\n")
        built = call("c++", "-std=c++17", "-fPIC", "-shared", "-pthread", "-fno-gnu-unique",
                     "-isystem", HEADERS, "-o", f"{self.packages.apps}/{name}/{name}.so", source)
        self.assertEqual(built.returncode, 0, built.stdout)

    def subscribe(self, gateway, path):
        client = self.add(gateway.connect())
        client.request("GET", path)
        head = client.read_head()
        self.assertEqual((head.status, head.header("content-type")), (200, "text/event-stream"))
        return client

    def hear(self, client, text):
        """Reads until `text` has come, in however many chunks."""
        heard = b""
        while len(heard) < len(text):
            heard += client.read_chunk()
        self.assertEqual(heard[:len(text)], text)

    def test_its_answers_that_stay_open(self):
        self.make_app("Chat")
        self.make_app("Clock")
        gateway = self.start()
        readers = [self.subscribe(gateway, "/chat/") for _ in range(3)]
        slow = self.add(gateway.connect())  # Its body comes late, and nobody waits for it.
        slow.send(b"POST /chat/ HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nsec")
        for text in ("first", "second"):
            if text == "second":
                slow.send(b"ond")
                self.assertEqual(slow.read_response().status, 204)
            else:
                self.assertEqual(gateway.post("/chat/", text.encode()).status, 204)
            for reader in readers:
                self.hear(reader, f"data: {text}\n\n".encode())
        self.assertEqual(gateway.post("/chat/", b"x" * 4097).status, 413)
        self.assertEqual(gateway.get("/chat/", method="HEAD").status, 200)
        clock = self.subscribe(gateway, "/clock/")
        self.hear(clock, b"data: tick\n\n" * 3)

    def test_its_programs_compile(self):
        with open(f"{DOCS}/workers.md", encoding="utf-8") as f:
            text = f.read()
        programs = [("c++", "-std=c++17", "cpp", code)
                    for code in re.findall(r"```cpp\n(.*?)```", text, re.S)]
        programs += [("cc", "-std=c99", "c", code)
                     for code in re.findall(r"```c\n(.*?)```", text, re.S)]
        self.assertGreaterEqual(len(programs), 4)
        for number, (compiler, standard, suffix, code) in enumerate(programs):
            source = self.packages.write(f"snippet{number}.{suffix}", code)
            done = call(compiler, standard, "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                        "-isystem", HEADERS, source)
            self.assertEqual(done.returncode, 0, f"{code}\n{done.stdout}")

    # Blocks are members of a plugin, statements of a hook, or both; each is compiled as it stands.
    def test_every_snippet_for_plugins_compiles(self):
        with open(f"{DOCS}/plugins.md", encoding="utf-8") as f:
            text = f.read()
        snippets = [(text.count("\n", 0, found.start(1)) + 1, found.group(1))
                    for found in re.finditer(r"```cpp\n(.*?)```", text, re.S)]
        self.assertGreaterEqual(len(snippets), 15)
        source = '#include "plugin_snippets.h"\n'
        for number, (line, code) in enumerate(snippets):
            if "RINGTIME_PLUGIN" in code:
                source += f'#line {line} "plugins.md"\n{code}'
                continue
            members, statements = split_snippet(code, line)
            source += (f"namespace snippet_{number} {{\nstruct Shop : Base {{\n{members}"
                       f"ringtime::Verdict hook({PARAMETERS}) {{\n{statements}"
                       "return ringtime::Verdict::next;\n}\n};\n}\n")
        written = self.packages.write("snippets.cpp", source)
        for standard in ("c++17", "c++20"):
            done = call("c++", f"-std={standard}", "-Wall", "-Wextra", "-fsyntax-only",
                        "-isystem", HEADERS, "-I", os.path.dirname(os.path.abspath(__file__)),
                        written)
            self.assertEqual(done.returncode, 0, done.stdout)


PARAMETERS = """ringtime::Context& context, ringtime::Core& core, ringtime::Request& request,
    ringtime::Response& response, const ringtime::MetricWriter& writer, ringtime::Token token,
    std::string large_string, uint64_t now, Page page"""


def split_snippet(code, line):
    """The functions of a snippet and the rest, each line where it stands in the document."""
    members, statements, inside = "", "", False
    for number, text in enumerate(code.splitlines()):
        begins = re.match(r"(ringtime::Verdict|void) \w+\(", text)
        placed = f'#line {line + number} "plugins.md"\n{text}\n'
        if inside or begins:
            members += placed
            inside = text != "}" and (inside or not text.rstrip().endswith("}"))
        else:
            statements += placed
    return members, statements


if __name__ == "__main__":
    harness.main()
