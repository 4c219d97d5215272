#!/usr/bin/env python3
"""Each rule of tools/tidy refuses its example, and lets the nearest good neighbour pass."""

import contextlib
import importlib.machinery
import importlib.util
import io
import os
import subprocess
import sys
import tempfile
import unittest

TIDY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/tidy")
HEADER = "#pragma once\n// What this is, who owns it.\n"


def function(lines):
    return "int f(int a) {\n" + "    a += 1;\n" * (lines - 2) + "}\n"


# rule: (path, text) that it must refuse.
REFUSED = {
    "arrow": [
        ("src/base/a.cpp", '#include "http/head.h"\n'),
        ("src/http/a.cpp", '#include "net/stream.h"\n'),
        ("src/loop/a.h", HEADER + '#include "net/stream.h"\n'),
        ("src/route/a.cpp", '#include "http/head.h"\n'),
        ("src/hook/a.cpp", '#include "upstream/pool.h"\n'),
        ("src/exchange/a.cpp", '#include "config/manifest.h"\n'),
        ("src/exchange/a.cpp", '  #  include "runtime/server.h"\n'),
        ("src/http/a.cpp", '#include "ringtime/plugin.h"\n'),
        ("src/http/a.cpp", '#include <ringtime/plugin.h>\n'),
        ("src/base/a.cpp", '#include "../base/limits.h"\n'),
        ("src/base/a.cpp", '#include "limits.h"\n'),
        ("src/novelty/a.cpp", "int x;\n"),
        ("plugins/gate/gate.cpp", '#include "base/result.h"\n'),
        ("tools/demo/app.cpp", '#include "http/head.h"\n'),
        ("include/ringtime/a.h", HEADER + '#include "base/result.h"\n'),
    ],
    "dependency": [("src/http/meson.build", "x = static_library('x', dependencies: [net_dep])\n")],
    "owner": [
        ("src/net/a.cpp", "#include <liburing.h>\n"),
        ("src/runtime/a.cpp", "#include <yaml-cpp/yaml.h>\n"),
        ("src/http/a.cpp", "#include <sys/socket.h>\n"),
        ("src/route/a.cpp", "#include <chrono>\n"),
    ],
    "own-header-first": [("src/base/a.cpp", '#include <string>\n\n#include "base/a.h"\n')],
    "file-length": [
        ("src/base/a.cpp", "int x;\n" * 601),
        ("tools/thing", "#!/bin/sh\n" + ":\n" * 600),
    ],
    "columns": [
        ("src/base/a.cpp", "// " + "x" * 98 + "\n"),
        ("tests/e2e/test_a.py", "# " + "x" * 99 + "\n"),
    ],
    "whitespace": [
        ("src/base/a.cpp", "int x; \n"),
        ("src/base/a.cpp", "int x;\r\n"),
        ("src/base/a.cpp", "\tint x;\n"),
        ("src/base/a.cpp", "int x;"),
    ],
    "function-length": [
        ("src/base/a.cpp", function(71)),
        ("src/base/a.cpp", "namespace a {\nnamespace {\n" + function(71) + "}\n}\n"),
        ("src/base/a.cpp", "class A {\n  public:\n    A() : b_{1}, c_(2) {\n" + "    ++b_;\n" * 70
         + "    }\n};\n"),
        ("src/base/a.cpp", "bool operator==(A a, A b) {\n" + "    a = b;\n" * 70 + "}\n"),
        ("tests/base/a.cpp", "TEST(Tidy, long_test) {\n" + "    go();\n" * 70 + "}\n"),
        ("src/base/a.cpp", "int f(int a = 1)\n    noexcept(true) {\n"
         "    auto g = [] { return \"}\"; };\n" + "    ++a;\n" * 70 + "}\n"),
        ("tests/e2e/test_a.py", "def f():\n" + "    a = 1\n" * 70),
    ],
    "pragma-once": [("src/base/a.h", "// What this is, who owns it.\nint x;\n")],
    "concept": [
        ("src/base/a.h", "#pragma once\n#include <string>\n"),
        ("include/ringtime/a.h", "#ifndef A\n#define A\nint x;\n#endif\n"),
    ],
    "using-namespace": [("src/base/a.h", HEADER + "using namespace std;\n")],
    "data-path": [
        ("src/exchange/a.h", HEADER + "std::shared_ptr<int> p;\n"),
        ("src/http/a.cpp", "auto p = std::make_shared<int>();\n"),
        ("src/upstream/a.cpp", "std::recursive_mutex m;\n"),
        ("src/net/a.cpp", "std::function<void()> f;\n"),
    ],
    "exceptions": [("src/http/a.cpp", "void f() { throw 1; }\n")],
    "coroutine": [
        ("src/http/a.cpp", "Fiber f() { co_return; }\n"),
        ("src/worker/a.cpp", "Fiber f() { co_await next_event(); }\n"),
        ("src/exchange/a.cpp", "Fiber f() { co_await op([&](int) { return 1; }); }\n"),
        ("src/exchange/a.cpp", "Fiber f() { co_await until(Timer{5}); }\n"),
        ("src/exchange/a.cpp", "Fiber f() { if ((co_await op(\n    Op{})) < 0) return; }\n"),
        ("src/exchange/a.cpp", "Fiber f() { co_await op(make([x] (int y) noexcept)); }\n"),
    ],
    "bool-parameter": [
        ("src/net/a.h", HEADER + "void open(int fd, bool keep);\n"),
        ("src/net/a.h", HEADER + "void open(bool);\n"),
        ("src/net/a.h", HEADER + "void open(const bool keep = true, int fd = 0);\n"),
    ],
    "sleep": [
        ("tests/net/a.cpp", "void f() { std::this_thread::sleep_for(one_second); }\n"),
        ("src/worker/a.cpp", "void f() { usleep(5); }\n"),
        ("tests/e2e/test_a.py", "time.sleep(1)\n"),
    ],
    "unfinished": [
        ("src/base/a.cpp", "int x;  // TODO: later\n"),
        ("src/base/a.cpp", "// FIXME it leaks\n"),
        ("src/base/a.cpp", "/* good enough for now */\n"),
        ("docs/a.md", "HACK\n"),
    ],
    "machine-path": [
        ("docs/a.md", "see /home/somebody/notes\n"),
        ("tests/e2e/test_a.py", 'PATH = "/root/x"\n'),
    ],
    "readme-length": [("src/base/README.md", "line\n" * 41)],
    "allow-reason": [
        ("src/base/a.cpp", "int x;  // tidy: allow(columns)\n"),
        ("src/base/a.cpp", "int x;  // tidy: allow(nonsense) because of reasons\n"),
    ],
}

# What looks alike and is right.
ACCEPTED = [
    ("src/net/a.cpp", '#include "loop/reactor.h"\n#include "base/limits.h"\n#include <string>\n'),
    ("src/hook/b.cpp", '#include "ringtime/plugin.h"\n#include "route/table.h"\n'),
    ("src/main.cpp", '#include "runtime/server.h"\n#include <CLI/CLI.hpp>\n'),
    ("src/http/b.cpp", '// #include "net/stream.h"\nconst char* s = "#include <chrono>";\n'),
    ("src/net/meson.build", "x = static_library('x', dependencies: [loop_dep, fmt_dep])\n"),
    ("src/base/c.cpp", '#include "base/c.h"\n\n#include <string>\n'),
    ("src/base/d.cpp", function(70)),
    ("src/base/e.cpp", "constexpr int table[] = {\n" + "    1,\n" * 99 + "};\n"),
    ("src/base/f.cpp", "const Table& table() {\n    return t;\n}\n" + "int x;\n" * 99),
    ("src/base/g.cpp", "constexpr auto t = make({\n" + "    {1, 2},\n" * 99 + "});\n"),
    ("src/base/h.h", HEADER + "struct A {\n" + "    int x;\n" * 99 + "};\n"),
    ("src/base/i.cpp", "const char c = '{';  // }\nconst char* r = R\"({{{)\";\n"
     "int n = 1'000'000;\n"
     + function(70)),
    ("src/base/j.cpp", "#define OPEN {\n" + function(70) + function(70)),
    ("src/exchange/b.cpp", "Fiber f() {\n    if (co_await until(timers_[i]) == x) {\n"
     "        go();\n    }\n    while ((co_await op(op_)) > 0) {\n    }\n}\n"),
    ("src/net/b.h", HEADER + "bool empty() const; // (bool keep)\nvoid f(Keep keep);\n"
     "int g(int (*is)(int));\n// tidy: allow(bool-parameter) the language demands this shape\n"
     "void h(bool promise);\n"),
    ("src/config/b.cpp", "void f() { throw 1; }\n"),
    ("src/ring/sim/b.cpp", "std::shared_ptr<int> p;\n"),
    ("src/base/k.cpp", "// TODO(ring): measure splice above 64 KiB\nint x;\n"),
    ("src/net/c.cpp", "const char* text = \"shared_ptr std::mutex throw co_await FIXME\";\n"),
    ("include/ringtime/c.h", "#ifndef C_H\n#define C_H\n/* What this is. */\nint x;\n#endif\n"),
    ("src/base/README.md", "line\n" * 40),
    ("docs/b.md", "a long line of prose is fine " * 9 + "\n"),
    ("tests/e2e/test_b.py", "# tidy: allow(sleep) the pause of a poll\ntime.sleep(1)\n"),
]


loader = importlib.machinery.SourceFileLoader("tidy", TIDY)
tidy = importlib.util.module_from_spec(importlib.util.spec_from_loader("tidy", loader))
sys.dont_write_bytecode = True
loader.exec_module(tidy)


def run(files, *options):
    """(exit status, what it printed) of tidy over a tree of these files."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in files:
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8", newline="") as f:
                f.write(text)
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            status = tidy.main(["--root", root, *options])
        return status, out.getvalue()


class Tidy(unittest.TestCase):
    def test_each_rule_refuses_its_examples(self):
        for name, examples in REFUSED.items():
            for path, text in examples:
                with self.subTest(rule=name, path=path, text=text[:60]):
                    status, out = run([(path, text)])
                    self.assertEqual(status, 1, out)
                    self.assertIn(f": {name}: ", out)

    def test_every_rule_has_an_example(self):
        self.assertEqual(sorted(tidy.RULES), sorted(REFUSED))

    def test_good_neighbours_pass(self):
        status, out = run(ACCEPTED)
        self.assertEqual((status, out), (0, ""))

    def test_an_excuse_with_a_reason_is_accepted_on_its_line_and_the_next_only(self):
        excuse = "// tidy: allow(data-path) resolver thread, off the data path\n"
        lock = "std::mutex m;\n"
        self.assertEqual(run([("src/net/a.cpp", excuse + lock)])[0], 0)
        self.assertEqual(run([("src/net/a.cpp", lock[:-1] + "  " + excuse)])[0], 0)
        self.assertEqual(run([("src/net/a.cpp", excuse + "int x;\n" + lock)])[0], 1)
        other = excuse.replace("data-path", "columns")
        self.assertEqual(run([("src/net/a.cpp", other + lock)])[0], 1)

    def test_findings_name_file_and_line(self):
        _, out = run([("src/base/a.h", HEADER + "int x;\nusing namespace std;\n")])
        self.assertTrue(out.startswith("src/base/a.h:4: using-namespace: "), out)

    def test_a_header_that_needs_another_one_is_refused(self):
        needs = "inline std::string f() { return {}; }\n"
        good = ("src/base/a.h", HEADER + "#include <string>\n" + needs)
        bad = ("src/base/b.h", HEADER + needs)
        twice = ("src/base/d.h", "#ifndef E\n// What\nstruct A {};\n#endif\n")
        self.assertEqual(run([good], "--headers")[0], 0)
        status, out = run([good, bad, twice], "--headers")
        self.assertEqual(status, 1)
        self.assertIn("src/base/b.h:1: header-alone: ", out)
        self.assertIn("src/base/d.h:1: header-alone: ", out)
        self.assertNotIn("src/base/a.h", out)
        # The build finds out about a header that its own source begins with.
        own = ("src/base/b.cpp", '#include "base/b.h"\n')
        other = ("src/base/b.cpp", '#include <string>\n#include "base/b.h"\n')
        self.assertNotIn("header-alone", run([bad, own], "--headers")[1])
        self.assertIn("src/base/b.h:1: header-alone: ", run([bad, other], "--headers")[1])


class Commits(unittest.TestCase):
    def test_as_a_program_it_fails_when_something_is_found(self):
        with tempfile.TemporaryDirectory() as root:
            for text, status in (("int x;\n", 0), ("int x;", 1)):
                with open(os.path.join(root, "a.cpp"), "w", encoding="utf-8") as f:
                    f.write(text)
                done = subprocess.run([TIDY, "--root", root], stderr=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL)
                self.assertEqual(done.returncode, status)

    def log(self, *messages):
        with tempfile.TemporaryDirectory() as root:
            git = ["git", "-C", root, "-c", "user.name=a", "-c", "user.email=a@example.org"]
            subprocess.run([*git, "init", "-q"], check=True)
            for message in messages:
                subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", message], check=True)
            return subprocess.run([TIDY, "--root", root, "--commits", "HEAD"],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def test_subjects_and_machine_paths(self):
        good = "ring, loop: run operations on io_uring\n\nBecause one call a turn is enough."
        self.assertEqual(self.log(good).returncode, 0)
        for bad in ("Fix things", "ring: " + "x" * 70, good + "\nBuilt in /home/me/src."):
            self.assertEqual(self.log(good, bad).returncode, 1, bad)


if __name__ == "__main__":
    sys.exit(unittest.main())
