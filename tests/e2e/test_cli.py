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
            about = self.ringtime(command, "--help")
            self.assertTrue(about.strip())
            self.assertNotIn("RUNTIME_POOL_SIZE", about)
        self.assertIn("RUNTIME_POOL_SIZE", text)

    def test_a_wrong_command_is_usage(self):
        for wrong, said in ((["rotues"], ('there is no command "rotues"', 'mean "routes"?')),
                            ([], ("ringtime: a command is missing", "run, check, routes")),
                            (["new"], ("ringtime new: a command is missing", "app, plugin")),
                            (["new", "thing", "x"], ('no command "thing"', "app, plugin")),
                            (["workers", "dance"], ('no command "dance"', "restart, drain")),
                            (["run", "--dance"], ("--dance",)), (["explain"], ("METHOD",))):
            text = self.ringtime(*wrong, expect=2)
            for words in said:
                self.assertIn(words, text)

    def test_what_is_no_package_is_not_packed(self):
        self.assertIn("there is no folder nope", self.ringtime("pack", "nope", expect=1))
        self.assertIn("has no manifest.yaml",
                      self.ringtime("pack", self.packages.apps, expect=1))

    def test_check_warns_of_workers_the_pool_has_no_room_for(self):
        self.packages.app("app", "app.so", "workers: 5\nttl: 1h\n")
        self.assertIn("apps/app/manifest.yaml:3:10: warning: workers: all apps together keep 5 ",
                      self.ringtime("check", env={"RUNTIME_POOL_SIZE": "2"}))
        self.assertNotIn("warning", self.ringtime("check", env={"RUNTIME_POOL_SIZE": "5"}))

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
        self.assertIn("the answer is 404", self.ringtime("explain", "GET", "/nowhere"))
        self.assertRegex(text, r"/assets/\*\*.*apps/shop/manifest.yaml:4\)")
        self.assertRegex(self.ringtime("explain", "GET", "/health"), r"target +the gateway itself")

    def test_explain_tells_of_a_refusal_what_the_parser_would(self):
        self.shop()
        for method, url, text in (("TRACE", "/shop", "405: TRACE is not allowed"),
                                  ("CONNECT", "/shop", "501: CONNECT"),
                                  ("GET", "/shop?q=a b", "write %20"),
                                  ("GET", "/shop#x", "400"),
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
