#!/usr/bin/env python3
"""The command line: check, routes, explain, version, and help that helps."""

import json
import subprocess

import harness


class CommandLine(harness.Case):
    def ringtime(self, *arguments, env=None, expect=0):
        settings = {"PATH": "/usr/bin:/bin", "RUNTIME_WORKER_DIRS": self.packages.apps,
                    "RUNTIME_PLUGIN_DIRS": self.packages.plugins, **(env or {})}
        settings.update({n: v for n, v in harness.os.environ.items() if n.endswith("_OPTIONS")})
        done = subprocess.run([harness.BINARY, *arguments], env=settings, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, capture_output=True)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def shop(self):
        self.packages.site("shop", {"index.html": "x"}, base="/shop",
                           extra="publicRoutes: {GET: [/assets/**]}\n")
        self.packages.app("api", "app.so", "base: /shop/api\nttl: 1h\n")
        self.packages.proxy("up", "/up", 9)

    def test_version(self):
        self.assertRegex(self.ringtime("version"), r"\d+\.\d+\.\d+")

    def test_help_names_every_command(self):
        text = self.ringtime("--help")
        for command in ("run", "check", "routes", "explain", "version"):
            self.assertIn(command, text)
            self.assertTrue(self.ringtime(command, "--help").strip())

    def test_a_wrong_command_is_usage(self):
        for wrong in (["dance"], ["run", "--dance"], ["explain"]):
            self.ringtime(*wrong, expect=2)

    def test_check_of_good_and_bad(self):
        self.shop()
        self.ringtime("check")
        self.packages.manifest("apps/bad", "name: bad\nentrypoint: missing.so\n")
        self.assertIn("apps/bad/manifest.yaml:2:", self.ringtime("check", expect=1))

    def test_check_neither_listens_nor_runs(self):
        self.shop()
        with harness.socket.create_server(("127.0.0.1", 0)) as taken:
            self.ringtime("check", env={"PORT": str(taken.getsockname()[1])})

    def test_routes(self):
        self.shop()
        text = self.ringtime("routes")
        for base in ("/shop", "/shop/api", "/up"):
            self.assertIn(base, text)

    def test_explain(self):
        self.shop()
        text = self.ringtime("explain", "GET", "/shop/assets/logo.svg")
        self.assertIn("/shop", text)
        self.assertIn("public", text.lower())
        self.assertIn("/shop/api", self.ringtime("explain", "GET", "/shop/api/x"))
        self.assertIn("up", self.ringtime("explain", "POST", "/up/x?y"))
        self.assertRegex(text, r"/assets/\*\*.*apps/shop/manifest.yaml:4\)")
        self.assertRegex(self.ringtime("explain", "GET", "/health"), r"target +the gateway itself")

    def test_explain_tells_of_a_refusal_what_the_parser_would(self):
        self.shop()
        for method, url, text in (("TRACE", "/shop", "405: TRACE is not allowed"),
                                  ("CONNECT", "/shop", "501: CONNECT"),
                                  ("GET", "/shop?q=a b", "400"), ("GET", "/shop#x", "400"),
                                  ("GET", "/" + "x" * 9000, "414"),
                                  ("GET", "/shop/..%2fup", "400: no reading of the path"),
                                  ("OPTIONS", "*", "answers 204"), ("GET", "*", "no path")):
            self.assertIn(text, self.ringtime("explain", method, url, expect=1))

    def test_explain_names_the_hooks_that_see_the_request(self):
        self.shop()
        self.packages.plugin("audit", "hooks.so", "hooks: {except: ['/shop/assets/**']}\n")
        self.packages.plugin("other", "hooks.so", "hosts: [other.example]\n")
        text = self.ringtime("explain", "GET", "/shop/x")
        self.assertRegex(text, r"(?m)^hook +audit$")
        self.assertRegex(text, r"(?m)^no hook +other: ")
        text = self.ringtime("explain", "GET", "http://other.example/shop/assets/x")
        self.assertRegex(text, r"(?m)^no hook +audit: ")
        self.assertRegex(text, r"(?m)^hook +other .*public")
        told = json.loads(self.ringtime("explain", "--json", "GET", "/shop/assets/x"))
        self.assertEqual(told["hooks"], [])
        self.assertTrue(told["publicManifest"].endswith("apps/shop/manifest.yaml:4"))
        self.assertIn({"path": "/shop", "base": "/shop", "outcome": "taken"}, told["walk"])


if __name__ == "__main__":
    harness.main()
