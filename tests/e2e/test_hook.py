#!/usr/bin/env python3
"""A native plugin over everything: continue, edit, answer, fail, and a sign on every response."""

import os
import re
import signal

import harness
from servers import Upstream


class Hook(harness.Case):
    def setUp(self):
        super().setUp()
        self.upstream = self.add(Upstream())
        self.packages.plugin("hooks", "hooks.so", "base: /hooks\n")
        self.packages.proxy("up", "/up", self.upstream.port)
        self.packages.app("app", "app.so")
        self.packages.site("site", {"index.html": "site"})
        self.gateway = self.start()

    def ask(self, path, what=None, *headers):
        answer = self.gateway.get(path, [*headers, *([("X-Hook", what)] if what else [])])
        # Every response passed the plugin, whoever made it.
        self.assertEqual(answer.header("x-signed"), answer.header("x-request-id"))
        self.assertIsNotNone(answer.header("x-signed"))
        return answer

    def test_it_sees_every_response(self):
        for path, status in (("/", 200), ("/up/b/10", 200), ("/app/about", 200),
                             ("/hooks/items/7", 200), ("/missing.png", 404),
                             ("/app/status/503", 503)):
            self.assertEqual(self.ask(path).status, status, path)

    def test_an_answer_ends_the_chain(self):
        for path in ("/", "/up/b/10", "/app/about"):
            answer = self.ask(path, "answer")
            self.assertEqual((answer.status, answer.body), (418, b"answered\n"))
            self.assertEqual(answer.header("x-kind"), "teapot")
        self.assertEqual(self.upstream.requests, [])

    def test_edits_reach_the_target(self):
        self.ask("/up/", "edit", ("X-Removed", "1"), ("X-Kept", "1"))
        seen = self.upstream.requests[-1]
        self.assertEqual(seen.header("x-added"), "by the plugin")
        self.assertIsNone(seen.header("x-removed"))
        self.assertEqual(seen.header("x-kept"), "1")
        fields = self.ask("/app/fields", "edit", ("X-Removed", "1")).body.decode().lower()
        self.assertIn("x-added: by the plugin\n", fields)
        self.assertNotIn("x-removed", fields)

    def test_framing_belongs_to_the_gateway(self):
        self.ask("/up/", "forge")
        seen = self.upstream.requests[-1]
        self.assertEqual(seen.header("x-refused"), "yes")
        self.assertEqual(seen.header("host"), "localhost")

    def test_the_chain_fails_closed(self):
        for what in ("fail", "throw"):
            answer = self.ask("/up/b/10", what, ("Accept", "application/json"))
            self.assertEqual(answer.status, 500)
            self.assertEqual(harness.json.loads(answer.body)["error"], "hook_failed")
        self.assertEqual(self.upstream.requests, [])
        self.assertEqual(self.ask("/up/b/10").status, 200)

    def test_a_response_can_be_changed(self):
        self.assertEqual(self.ask("/up/b/10", "status").status, 299)

    def test_a_response_can_be_given_up_for_another(self):
        with self.gateway.connect() as client:  # Whatever is given up, the connection goes on.
            for method, path, status in (
                    ("GET", "/", 200), ("GET", "/up/b/3000000", 200), ("HEAD", "/up/b/10", 200),
                    ("GET", "/up/chunked/100000", 200), ("GET", "/app/about", 200),
                    ("GET", "/hooks/items/7", 200), ("GET", "/missing.png", 404),
                    ("POST", "/hooks/items/7", 405), ("POST", "/up/x", 200)):
                body = b"x" * 1000 if method == "POST" else b""
                answer = client.ask(method, path, {"X-Hook": "instead"}, body)
                self.assertEqual(answer.status, 201, (method, path))
                text = b"" if method == "HEAD" else b"instead of %d\n" % status
                self.assertEqual(answer.body, text)
                self.assertEqual(answer.header("x-signed"), answer.header("x-request-id"))
                entry = self.gateway.logged(answer.header("x-request-id"))
                self.assertEqual((entry["status"], entry["plugin"]), (201, "hooks"))
                # The log tells what was wrong, whatever the client is told.
                self.assertEqual(entry.get("reason"), "not_found" if status == 404 else None)
        answer = self.ask("/up/b/10")
        self.assertEqual(answer.body, b"0000000\n00")
        self.assertNotIn("plugin", self.gateway.logged(answer.header("x-request-id")))

    def test_routes_of_a_plugin(self):
        answer = self.ask("/hooks/items/42")
        self.assertEqual((answer.status, answer.body), (200, b"item 42\n"))
        self.assertEqual(self.gateway.post("/hooks/items/42", b"x").status, 405)
        answer = self.gateway.get("/hooks/items/42", [harness.TAKES_JSON], "DELETE")
        self.is_json_error(answer, 405, "method_not_allowed")
        self.assertEqual(answer.header("allow"), "GET, HEAD")

    def test_many_on_one_connection(self):
        with self.gateway.connect() as client:
            for n in range(200):
                what = ("answer", "edit", "none", "status")[n % 4]
                answer = client.ask("GET", "/up/b/100", {"X-Hook": what})
                self.assertEqual(answer.status, {"answer": 418, "status": 299}.get(what, 200))


class Workers(harness.Case):
    def test_plugins_hear_of_worker_processes(self):
        self.packages.plugin("hooks", "hooks.so", "base: /hooks\n")
        self.packages.app("app", "app.so", "ttl: 1h\n")
        self.packages.app("brief", "app.so", "ttl: 0\n")
        gateway = self.start()

        def pid_of(app):
            return int(gateway.get(f"/{app}/about").body.split()[1])

        def wait_logged(text):
            harness.wait_until(lambda: text in gateway.log(), f"the plugin says {text!r}")

        pid = pid_of("app")
        wait_logged(f"app app pid {pid} spawned 0")
        os.kill(pid, signal.SIGKILL)
        wait_logged(f"app app pid {pid} terminated 9")
        pid = pid_of("brief")
        wait_logged(f"app brief pid {pid} spawned 0")
        wait_logged(f"app brief pid {pid} terminated 0")
        harness.wait_until(lambda: gateway.get("/app/about").status == 200, "it is replaced")
        pid = pid_of("app")
        self.assertEqual(gateway.stop(), 0)
        # By itself; or after a while it is killed, on a machine that let it do nothing.
        harness.wait_until(lambda: re.search(f"app app pid {pid} terminated [09]", gateway.log()),
                           "the plugin hears of the end")


class Broken(harness.Case):
    def test_a_plugin_that_is_none(self):
        self.packages.manifest("plugins/bad", "name: bad\npluginEntry: bad.so\n")
        self.packages.write("plugins/bad/bad.so", "no shared object")
        self.refuse_start("bad")

    def test_an_app_may_not_bring_native_code(self):
        self.packages.manifest("apps/bad", "name: bad\npluginEntry: bad.so\n")
        self.packages.write("apps/bad/bad.so", "")
        self.refuse_start("apps/bad/manifest.yaml:2", "pluginEntry")


class Hosts(harness.Case):
    def test_a_mount_of_two_hosts_is_seen_by_the_plugins_of_either(self):
        self.packages.plugin("second", "hooks.so", "base: /second\nhosts: [b.example]\n")
        self.packages.site("both", {"index.html": "both"},
                           extra="hosts: [a.example, b.example]\n")
        gateway = self.start()
        for host, signed in (("a.example", False), ("b.example", True)):
            answer = gateway.get("/", [("Host", host)])
            self.assertEqual(answer.body, b"both")
            self.assertEqual(answer.header("x-signed") is not None, signed, host)


if __name__ == "__main__":
    harness.main()
