#!/usr/bin/env python3
"""Request ids on every response, and an access log that knows each of them."""

import harness
from servers import Upstream


class Ids(harness.Case):
    def setUp(self):
        super().setUp()
        self.upstream = self.add(Upstream())
        self.packages.proxy("up", "/up", self.upstream.port)
        self.packages.proxy("down", "/down", harness.free_port())
        self.packages.app("app", "app.so", "ttl: 1h\n")
        self.packages.site("site", {"index.html": "site"})
        self.gateway = self.start()

    def test_every_response_has_one_of_its_own(self):
        seen = set()
        with self.gateway.connect() as client:
            for path, status in (("/", 200), ("/app/about", 200), ("/up/b/5", 200), ("/down", 502),
                                 ("/missing.png", 404), ("/app/status/404", 404), ("/health", 200)):
                answer = client.ask("GET", path)
                self.assertEqual(answer.status, status, path)
                self.assertIsNotNone(answer.header("x-request-id"), path)
                seen.add(answer.header("x-request-id"))
            client.send(b"nonsense\r\n\r\n")
            seen.add(client.read_response().header("x-request-id"))
        self.assertEqual(len(seen - {None}), 8)

    def test_the_upstream_and_the_worker_see_the_same_one(self):
        answer = self.gateway.get("/up/b/5")
        self.assertEqual(self.upstream.requests[-1].header("x-request-id"),
                         answer.header("x-request-id"))
        answer = self.gateway.get("/app/fields")
        self.assertIn(f"x-request-id: {answer.header('x-request-id')}\n", answer.body.decode())

    def test_a_client_of_no_trust_cannot_choose_it(self):
        answer = self.gateway.get("/", {"X-Request-Id": "chosen-by-me"})
        self.assertNotEqual(answer.header("x-request-id"), "chosen-by-me")


class Trusted(harness.Case):
    def test_a_trusted_peer_may_choose_a_sane_one(self):
        self.packages.site("site", {"index.html": "site"})
        gateway = self.start({"RUNTIME_TRUSTED_PROXIES": "127.0.0.1"})
        answer = gateway.get("/", {"X-Request-Id": "chosen-by-me"})
        self.assertEqual(answer.header("x-request-id"), "chosen-by-me")
        answer = gateway.get("/", {"X-Request-Id": 'in sane"'})
        self.assertNotEqual(answer.header("x-request-id"), 'in sane"')


class AccessLog(harness.Case):
    def test_each_request_is_a_line_of_json(self):
        self.packages.proxy("down", "/down", harness.free_port())
        self.packages.site("site", {"index.html": "site"})
        gateway = self.start()
        answer = gateway.get("/page?q=\"1\"", {"User-Agent": "a \"quoted\" \\ agent"})
        entry = gateway.logged(answer.header("x-request-id"))
        self.assertEqual((entry["status"], entry["method"]), (200, "GET"))
        self.assertIn("/page", str(entry))
        failed = gateway.logged(gateway.get("/down").header("x-request-id"))
        self.assertEqual((failed["status"], failed["reason"], failed["cause"]),
                         (502, "upstream_connect", "ECONNREFUSED"))
        self.assertTrue(failed["server"].startswith("http://127.0.0.1:"), failed)

    def test_a_line_is_whole_whatever_its_request_holds(self):
        self.packages.site("site", {"index.html": "site"})
        gateway = self.start()
        with gateway.connect() as client:
            for agent in (b"\xe9" * 3000, b'"\\' * 1500, b"plain"):
                client.send(b"GET /" + b'"' * 3000 + b" HTTP/1.1\r\nHost: a\r\nUser-Agent: " +
                            agent + b"\r\n\r\n")
                entry = gateway.logged(client.read_response().header("x-request-id"))
                self.assertEqual(entry["method"], "GET")
                self.assertTrue(agent.decode("latin-1").startswith(entry["agent"]))

    def test_refusals_are_logged_with_their_reason(self):
        self.packages.site("site", {"index.html": "site"})
        gateway = self.start()
        with gateway.connect() as client:
            client.send(b"GET / HTTP/1.1\r\n\r\n")
            entry = gateway.logged(client.read_response().header("x-request-id"))
        self.assertEqual((entry["status"], entry["reason"], entry["cause"]),
                         (400, "bad_request", "host_missing"))

    def test_no_line_is_lost_at_the_end(self):
        self.packages.site("site", {"index.html": "site"})
        gateway = self.start()
        ids = set()
        with gateway.connect() as client:
            for _ in range(500):
                ids.add(client.ask("GET", "/").header("x-request-id"))
        self.assertEqual(gateway.stop(), 0)
        logged = {value for entry in gateway.access_log() for value in map(str, entry.values())}
        self.assertEqual(ids - logged, set())

    def test_a_reader_that_stopped_reading_does_not_stop_the_gateway(self):
        """On a full pipe lines are dropped; requests are not."""
        self.packages.site("site", {"index.html": "site"})
        read_end, write_end = harness.os.pipe()
        self.addCleanup(harness.os.close, read_end)
        self.addCleanup(harness.os.close, write_end)
        gateway = self.launch(stdout=write_end).wait_ready()
        with gateway.connect() as client:
            for _ in range(2000):
                self.assertEqual(client.ask("GET", "/").status, 200)

    def test_it_can_be_off_or_a_file(self):
        self.packages.site("site", {"index.html": "site"})
        path = self.packages.root + "/access.log"
        gateway = self.start({"RUNTIME_ACCESS_LOG": path})
        identifier = gateway.get("/").header("x-request-id")
        self.assertEqual(gateway.stop(), 0)
        with open(path, encoding="utf-8") as f:
            self.assertIn(identifier, f.read())
        self.assertEqual(gateway.access_log(), [])


if __name__ == "__main__":
    harness.main()
