#!/usr/bin/env python3
"""Administration: the API with keys, roles and origins; the admin socket; the command line."""

import json
import os
import socket
import stat
import subprocess

import harness
from client import Client, UnixClient, make_request


class ApiCase(harness.Case):
    def setUp(self):
        super().setUp()
        self.data = os.path.join(self.packages.root, "data")

    @property
    def admin_socket(self):
        return os.path.join(self.data, "admin.sock")

    def admin(self, path, method="GET", body=b"", headers=()):
        with UnixClient(self.admin_socket) as client:
            return client.ask(method, path, headers, body)

    def make_key(self, role, name=None):
        body = json.dumps({"name": name or role, "role": role}).encode()
        answer = self.admin("/api/keys", "POST", body)
        self.assertEqual(answer.status, 201, answer)
        return json.loads(answer.body)["key"]

    def ringtime(self, *arguments, env=None, expect=0):
        settings = {"PATH": "/usr/bin:/bin", "RUNTIME_WORKER_DIRS": self.packages.apps,
                    "RUNTIME_PLUGIN_DIRS": self.packages.plugins, "RUNTIME_DATA_DIR": self.data,
                    **(env or {})}
        settings.update({n: v for n, v in os.environ.items() if n.endswith("_OPTIONS")})
        done = subprocess.run([harness.BINARY, *arguments], env=settings, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, capture_output=True)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def error_of(self, answer):
        """The error code of an answer, whose shape is checked."""
        self.assertEqual(answer.header("content-type"), "application/json")
        error = json.loads(answer.body)
        self.assertEqual(set(error), {"error", "message", "requestId"})
        self.assertEqual(error["requestId"], answer.header("x-request-id"))
        return error["error"]


class Guard(ApiCase):
    def test_without_a_key_only_the_socket_is_answered(self):
        gateway = self.start()
        answer = gateway.get("/api/status")
        self.assertEqual((answer.status, self.error_of(answer)), (403, "forbidden"))
        self.assertIn(b"no API key", answer.body)
        self.assertEqual(self.admin("/api/status").status, 200)

    def test_roles(self):
        gateway = self.start()
        keys = {role: self.make_key(role) for role in ("viewer", "editor", "admin")}
        answer = gateway.get("/api/status")
        self.assertEqual((answer.status, self.error_of(answer)), (401, "unauthorized"))
        self.assertIn("Bearer", answer.header("www-authenticate"))
        for role, key in keys.items():
            for headers in ({"authorization": f"Bearer {key}"}, {"x-api-key": key}):
                self.assertEqual(gateway.get("/api/status", headers).status, 200)
            expected = 200 if role == "admin" else 403
            answer = gateway.get("/api/keys", {"x-api-key": key})
            self.assertEqual(answer.status, expected, role)
        for wrong in ("", "rtk_", keys["admin"][:-1], keys["admin"] + "0", "Bearer"):
            self.assertEqual(gateway.get("/api/status", {"x-api-key": wrong}).status, 401)

    def test_a_removed_key_opens_nothing(self):
        gateway = self.start()
        key, admin = self.make_key("viewer", "grafana"), self.make_key("admin")
        self.assertEqual(gateway.get("/api/status", {"x-api-key": key}).status, 200)
        answer = gateway.get("/api/keys/grafana", {"x-api-key": admin}, "DELETE")
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(gateway.get("/api/status", {"x-api-key": key}).status, 401)
        answer = gateway.get("/api/keys/grafana", {"x-api-key": admin}, "DELETE")
        self.assertEqual((answer.status, self.error_of(answer)), (404, "not_found"))

    def test_a_browser_on_another_site_changes_nothing(self):
        gateway = self.start()
        self.make_key("admin")
        own = f"http://localhost:{gateway.port}"
        for origin, status in ((None, 403), ("https://evil.example", 403), ("null", 403),
                               (f"http://localhost:{gateway.port + 1}", 403), (own, 401)):
            headers = [("Host", f"localhost:{gateway.port}"), ("Cookie", "session=1")]
            if origin:
                headers.append(("Origin", origin))
            for method in ("POST", "DELETE", "PUT", "PATCH"):
                with self.subTest(origin=origin, method=method):
                    answer = gateway.get("/api/keys", headers, method, b"{}")
                    self.assertEqual(answer.status, status, answer)
                    self.assertEqual(self.error_of(answer), "csrf" if status == 403
                                     else "unauthorized")
        self.assertEqual(len(json.loads(self.admin("/api/keys").body)["keys"]), 1)

    def test_a_key_needs_no_origin(self):
        gateway = self.start()
        headers = {"x-api-key": self.make_key("admin"), "origin": "https://elsewhere.example"}
        answer = gateway.post("/api/keys", b'{"name": "a", "role": "viewer"}', headers)
        self.assertEqual(answer.status, 201, answer)

    def test_nothing_a_client_says_makes_it_trusted(self):
        gateway = self.start({"RUNTIME_TRUSTED_PROXIES": "127.0.0.1"})
        self.make_key("admin")
        for headers in ({"x-ringtime-internal": "1"}, {"x-identity": '{"role":"admin"}'},
                        {"X-RINGTIME-ADMIN-SOCKET": "true"}, {"x-forwarded-for": "unix"},
                        {"x-ringtime-role": "admin", "x-ringtime-caller": "admin socket"}):
            self.assertEqual(gateway.get("/api/status", headers).status, 401, headers)
            self.assertEqual(gateway.post("/api/keys", b"{}", headers).status, 403, headers)

    def test_the_api_is_not_reached_by_another_spelling(self):
        self.packages.site("root", {"index.html": "root"})
        gateway = self.start()
        for path in ("/api/status", "/x/../api/status", "/%61pi/status", "/api/./status",
                     "/api", "/api/", "/api/nothing"):
            self.assertEqual(gateway.get(path).status, 403, path)
        self.assertEqual(gateway.get("/apix").body, b"root")

    def test_a_prefix_frees_api_and_takes_the_rules_along(self):
        self.packages.site("mine", {"index.html": "mine"}, base="/api")
        gateway = self.start({"RUNTIME_API_PREFIX": "/_"})
        self.assertEqual(gateway.get("/api/").body, b"mine")
        self.assertEqual(gateway.get("/_/api/status").status, 403)
        self.assertEqual(self.error_of(gateway.post("/_/api/keys", b"{}")), "csrf")
        self.assertEqual(json.loads(gateway.get("/.well-known/ringtime").body)["api"], "/_/api")
        for path in ("/_/api/status", "/api/status"):
            self.assertEqual(self.admin(path).status, 200)

    def test_hooks_see_public_requests_and_cannot_lock_the_operator_out(self):
        self.packages.plugin("hooks", "hooks.so", "base: /hooks\n")
        gateway = self.start()
        key = self.make_key("viewer")
        for hook, status in (("none", 200), ("answer", 418), ("fail", 500), ("path", 404)):
            answer = gateway.get("/api/status", {"x-api-key": key, "x-hook": hook})
            self.assertEqual(answer.status, status, hook)
            self.assertTrue(answer.header("x-signed"))
            answer = self.admin("/api/status", headers={"x-hook": hook})
            self.assertEqual((answer.status, answer.header("x-signed")), (200, None))


class Shape(ApiCase):
    def test_errors_name_what_is_wrong(self):
        gateway = self.start()
        headers = {"x-api-key": self.make_key("admin")}
        answer = gateway.get("/api/status", headers, "POST")
        self.assertEqual((answer.status, answer.header("allow")), (405, "GET, HEAD"))
        self.assertEqual(gateway.get("/api/keys", headers, "PUT").header("allow"),
                         "GET, HEAD, POST")
        self.assertEqual(self.error_of(gateway.get("/api/nothing", headers)), "not_found")
        for path, what in (("/api/status?colour=red", b"colour"),
                           ("/api/explain?method=GET", b"url"),
                           ("/api/status?format=%zz", b"encoded")):
            answer = gateway.get(path, headers)
            self.assertEqual((answer.status, self.error_of(answer)), (400, "bad_request"))
            self.assertIn(what, answer.body)
        for body in (b"", b"[]", b'{"name": "a"}', b'{"name": 1, "role": "viewer"}',
                     b'{"name": "a", "role": "king"}', b"{" * 5000):
            self.assertEqual(gateway.post("/api/keys", body, headers).status, 400, body)

    def test_bodies_are_bounded(self):
        gateway = self.start()
        headers = {"x-api-key": self.make_key("admin")}
        self.assertEqual(gateway.post("/api/keys", b"x" * 70000, headers).status, 413)
        with gateway.connect() as client:
            client.send(make_request("POST", "/api/keys", [*headers.items(),
                        ("Transfer-Encoding", "chunked")]) + b"11170\r\n" + b"x" * 70000)
            self.assertEqual(client.read_response().status, 413)

    def test_head_and_keep_alive(self):
        gateway = self.start()
        key = self.make_key("viewer")
        with gateway.connect() as client:
            for _ in range(20):
                self.assertEqual(client.ask("HEAD", "/api/status", {"x-api-key": key}).status, 200)
                self.assertEqual(client.ask("GET", "/api/status").status, 401)
                # Refused before the hooks, but understood: the connection goes on.
                self.assertEqual(client.ask("POST", "/api/keys").status, 403)

    def test_openapi_describes_what_there_is(self):
        self.start()
        description = json.loads(self.admin("/api/openapi.json").body)
        self.assertEqual(description["openapi"], "3.1.0")
        for path, methods in description["paths"].items():
            for method, operation in methods.items():
                real = path.replace("{", "no-such-").replace("}", "")
                answer = self.admin("/api" + real, method.upper())
                with self.subTest(method=method, path=path):
                    self.assertNotIn(answer.status, (401, 403, 405, 500))
                    self.assertTrue(operation["summary"])
                    wrong = self.admin("/api" + real, "PATCH")
                    self.assertEqual(wrong.status, 405)
                    self.assertIn(method.upper(), wrong.header("allow"))

    def test_a_client_that_leaves_costs_nothing(self):
        gateway = self.start()
        key = self.make_key("viewer")
        for _ in range(50):
            client = gateway.connect()
            client.send(make_request("GET", "/api/status", {"x-api-key": key}) * 3)
            client.reset()
        self.assertEqual(gateway.get("/api/status", {"x-api-key": key}).status, 200)


class Endpoints(ApiCase):
    def test_status_counts(self):
        self.packages.site("root", {"index.html": "root"})
        gateway = self.start()
        for path in ("/", "/", "/missing.css"):
            gateway.get(path)
        status = json.loads(self.admin("/api/status").body)
        self.assertEqual(status["coreCount"], len(status["cores"]))
        self.assertGreaterEqual(status["requests"]["statuses"]["2xx"], 2)
        self.assertGreaterEqual(status["requests"]["statuses"]["4xx"], 1)
        self.assertEqual(status["pid"], gateway.pid)
        self.assertGreater(status["residentBytes"], 1024 * 1024)

    def test_routes_and_explain_say_what_the_command_line_says(self):
        self.packages.site("shop", {"index.html": "x"}, base="/shop")
        self.start()
        for arguments in (["routes"], ["routes", "--json"], ["explain", "GET", "/shop/a?b=c"],
                          ["explain", "GET", "/shopping", "--host", "example.com", "--json"]):
            self.assertEqual(self.ringtime(*arguments), self.ringtime(*arguments, "--live"))
        self.assertIn("no method", self.ringtime("explain", "G T", "/", "--live", expect=1))

    def test_workers_and_upstreams_are_listed(self):
        self.packages.app("work", "app.so", "ttl: 1h\nworkers: 2\n")
        self.packages.proxy("up", "/up", 9)
        self.start()
        workers = json.loads(self.admin("/api/workers").body)["workers"]
        self.assertEqual([(one["app"], one["state"]) for one in workers], [("work", "idle")] * 2)
        first = workers[0]
        self.assertIn(str(first["pid"]), self.ringtime("workers"))
        self.ringtime("workers", "restart", str(first["id"]))

        def replaced():
            now = json.loads(self.admin("/api/workers").body)["workers"]
            ready = [one["pid"] for one in now if one["state"] == "idle"]
            return len(ready) == 2 and first["pid"] not in ready
        harness.wait_until(replaced, "the worker is replaced")
        for which in ("99999", "x", "-1", str(first["id"]) + "x", "work@9.9.9", "%2Fup"):
            self.assertEqual(self.admin(f"/api/workers/{which}/drain", "POST").status, 404)
        upstreams = json.loads(self.admin("/api/upstreams").body)["upstreams"]
        self.assertEqual(upstreams[0]["servers"][0]["url"], "http://127.0.0.1:9")
        self.assertIn("127.0.0.1:9", self.ringtime("upstreams"))

    def test_all_workers_of_an_app_are_replaced(self):
        self.packages.app("work", "app.so", "ttl: 1h\nworkers: 2\n")
        self.packages.app("brief", "app.so", "ttl: 0\n")
        self.start({"RUNTIME_POOL_SIZE": "20"})

        def ready(app="work"):
            return {one["pid"] for one in json.loads(self.admin("/api/workers").body)["workers"]
                    if one["app"] == app and one["state"] == "idle" and one["role"] != "spare"}

        for which in ("work", "/work", "work@latest"):
            before = ready()
            self.assertEqual(self.ringtime("workers", "restart", which),
                             "2 workers of work are being replaced\n")
            harness.wait_until(lambda: len(ready()) == 2 and not ready() & before, which)
        before, others = ready(), ready("brief")
        told = json.loads(self.admin("/api/workers/work/drain", "POST").body)
        self.assertEqual((told["app"], len(told["workers"]), told["done"]),
                         ("work", 2, "are draining"))
        harness.wait_until(lambda: len(ready()) == 2 and not ready() & before, "others come")
        self.assertEqual(ready("brief"), others)
        self.assertEqual(self.ringtime("workers", "restart", "brief"),
                         "1 worker of brief is being replaced\n")
        harness.wait_until(lambda: len(ready("brief")) == 1 and not ready("brief") & others,
                           "a new origin")

    def test_plugins_show_what_hooks_do(self):
        self.packages.plugin("hooks", "hooks.so", "base: /hooks\n")
        gateway = self.start()
        for _ in range(100):
            gateway.get("/nothing")
        plugins = json.loads(self.admin("/api/plugins").body)["plugins"]
        hooks = next(p for p in plugins if p["name"] == "hooks")["hooks"]
        self.assertGreaterEqual(hooks["on_request"]["calls"], 100)
        self.assertGreaterEqual(hooks["on_request"]["sampled"], 1)
        self.assertEqual(hooks["on_request"]["errors"], 0)
        self.assertIn("on_request", self.ringtime("plugins"))


class Socket(ApiCase):
    def test_the_socket_and_the_keys_are_private(self):
        self.start()
        self.make_key("viewer")
        mode = os.stat(self.admin_socket).st_mode
        self.assertTrue(stat.S_ISSOCK(mode))
        self.assertEqual(stat.S_IMODE(mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.join(self.data, "keys.json")).st_mode), 0o600)

    def test_another_user_is_not_let_in(self):
        if os.geteuid() != 0:
            self.skipTest("only root can become another user")
        self.start()
        # Even where the modes would let it.
        for path, mode in ((self.packages.root, 0o755), (self.data, 0o755),
                           (self.admin_socket, 0o666)):
            os.chmod(path, mode)
        code = ("import os, socket, sys\nos.setuid(65534)\ns = socket.socket(socket.AF_UNIX)\n"
                "s.connect(sys.argv[1])\n"
                "try:\n"
                "    s.sendall(b'GET /api/status HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')\n"
                "    sys.exit(1 if s.recv(1) else 0)\n"
                "except ConnectionError: sys.exit(0)\n")
        done = subprocess.run(["python3", "-c", code, self.admin_socket], timeout=harness.DEADLINE)
        self.assertEqual(done.returncode, 0)

    def test_it_serves_the_api_alone(self):
        self.packages.site("root", {"index.html": "root"})
        self.start()
        self.assertEqual(self.admin("/").status, 404)
        self.assertEqual(self.admin("/health").status, 200)

    def test_a_dead_gateways_socket_is_replaced_and_a_living_ones_is_not(self):
        first = self.start()
        first.kill()
        self.assertTrue(os.path.exists(self.admin_socket))
        self.start()
        self.assertEqual(self.admin("/api/status").status, 200)
        pid = json.loads(self.admin("/api/status").body)["pid"]
        third = self.start()
        self.assertIn("another gateway", third.log())
        self.assertEqual(json.loads(self.admin("/api/status").body)["pid"], pid)
        third.stop()
        self.assertEqual(json.loads(self.admin("/api/status").body)["pid"], pid)

    def test_it_goes_with_the_gateway(self):
        gateway = self.start()
        gateway.stop()
        self.assertFalse(os.path.exists(self.admin_socket))

    def test_without_a_folder_to_write_it_serves_all_the_same(self):
        self.packages.write("data", "a file")
        gateway = self.start()
        self.assertEqual(gateway.get("/health").status, 200)
        self.assertIn("RUNTIME_DATA_DIR", gateway.log())
        self.assertEqual(gateway.get("/api/status").status, 403)

    def test_a_long_path_works(self):
        self.data = os.path.join(self.packages.root, "d" * 120)
        self.start({"RUNTIME_DATA_DIR": self.data})
        self.assertIn("up ", self.ringtime("status"))


class Commands(ApiCase):
    def test_without_a_gateway_they_say_where_they_looked(self):
        for command in (["status"], ["plugins"], ["routes", "--live"]):
            text = self.ringtime(*command, expect=1)
            self.assertIn(self.admin_socket, text)
            self.assertIn("RUNTIME_DATA_DIR", text)

    def test_keys_before_and_while_it_runs(self):
        before = self.ringtime("keys", "create", "early", "--role", "admin").strip()
        self.assertIn("early", self.ringtime("keys"))
        gateway = self.start()
        self.assertEqual(gateway.get("/api/keys", {"x-api-key": before}).status, 200)
        while_it_runs = self.ringtime("keys", "create", "late").strip()
        self.assertEqual(gateway.get("/api/status", {"x-api-key": while_it_runs}).status, 200)
        keys = json.loads(self.ringtime("keys", "--json"))["keys"]
        self.assertEqual([key["name"] for key in keys], ["early", "late"])
        self.assertIn("late", self.ringtime("keys"))
        self.ringtime("keys", "remove", "late")
        self.assertEqual(gateway.get("/api/status", {"x-api-key": while_it_runs}).status, 401)
        self.assertIn("no key", self.ringtime("keys", "remove", "late", expect=1))
        self.ringtime("keys", "create", "x", "--role", "king", expect=2)

    def test_status(self):
        self.start()
        self.assertRegex(self.ringtime("status"), r"(?s)ringtime.*up .*connections.*CORE")
        self.assertIn("cores", json.loads(self.ringtime("status", "--json")))


if __name__ == "__main__":
    harness.main()
