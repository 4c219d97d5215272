#!/usr/bin/env python3
"""`ringtime new` makes what builds and runs; every program of docs/workers.md compiles."""

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

    def test_an_app_that_builds_and_runs(self):
        made = self.new("app", "shop-2")
        self.assertEqual(made.returncode, 0, made.stdout)
        self.assertIn("make -C shop-2", made.stdout)
        built = call("make", "-C", os.path.join(self.packages.apps, "shop-2"), "CXXFLAGS=-O0 -Wall")
        self.assertEqual(built.returncode, 0, built.stdout)
        self.assertNotIn("warning", built.stdout)
        gateway = self.start()
        self.assertEqual(gateway.get("/shop-2/hello/you").body, b"Hello, you!\n")
        self.assertEqual(gateway.post("/shop-2/echo", b"said").body, b"said")
        self.assertEqual(gateway.get("/shop-2/").body, b"<h1>shop-2</h1>\n")

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


if __name__ == "__main__":
    harness.main()
