#!/usr/bin/env python3
"""What upstreams do, as the API tells it."""

import json
import threading

import harness
from client import Closed
from upstreams import Case, named, status


class Counters(Case):
    def test_the_api_tells_what_servers_do(self):
        bad, good = self.server(status(503)), self.server(named("good"))
        self.upstream([bad.port, good.port], "  balance: round-robin\n"
                      "  passive: {failures: 4, ejection: 1h}\n")
        gateway = self.one_core()
        for _ in range(20):
            self.assertEqual(gateway.get("/up").status, 200)
        first, second = self.counters()["servers"]
        self.assertEqual((first["state"], second["state"]), ("ejected", "up"))
        self.assertEqual((first["requests"], first["statuses"]["5xx"]), (4, 4))
        self.assertEqual((first["ejections"], second["ejections"]), (1, 0))
        self.assertGreater(first["ejectedForMs"], 3_000_000)
        self.assertEqual((second["requests"], second["statuses"]["2xx"]), (20, 20))
        self.assertEqual((second["retries"], second["connects"]), (4, 1))
        self.assertEqual((second["reused"], second["reusePercent"]), (19, 95))
        self.assertEqual((second["idle"], second["inFlight"]), (1, 0))
        latency = second["latencyUs"]
        self.assertEqual(sum(one["count"] for one in latency["buckets"]), 20)
        self.assertTrue(0 < latency["p50"] <= latency["p90"] <= latency["p99"])
        for text in (self.admin("/api/upstreams?format=text"),
                     self.admin("/api/status?format=text")):
            self.assertIn(f"http://127.0.0.1:{bad.port}  ejected", text)
        self.assertEqual(len(json.loads(self.admin("/api/status"))["upstreams"]), 1)

    def told(self, gateway, path, headers):
        """What the log says of a POST, which is not repeated, to `path`."""
        agent = f"asks {path}"
        with gateway.connect() as client:
            try:
                client.ask("POST", path, {**headers, "User-Agent": agent}, b"x")
            except Closed:
                pass
        entry = gateway.logged(agent)
        return entry["status"], entry["reason"], entry.get("cause"), entry.get("server")

    def test_failures_are_told_apart(self):
        def script(connection, upstream):
            while True:
                target = connection.read_request().target
                if target == "/reset":
                    connection.reset()
                elif target == "/close":
                    return
                elif target == "/half":
                    return connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
                elif target == "/garbage":
                    connection.send(b"garbage\r\n\r\n")
                elif target == "/silence":
                    connection.wait_closed()
                else:
                    connection.answer(b"ok")
        server, refused = self.server(script), harness.free_port()
        self.upstream([server.port, refused],
                      "  passive: false\n  retries: 0\n  balance: hash:header:X\n"
                      "  timeouts: {head: 3s}\n")
        gateway = self.one_core()
        # A value that leads to the server that listens, and one that leads to the other.
        ways = {}
        for value in range(1000):
            ways.setdefault(gateway.get("/up/", {"X": str(value)}).status, {"X": str(value)})
            if len(ways) == 2:
                break
        before = self.counters()["servers"]
        for path, told in (("/up/reset", (502, "upstream_reset", "ECONNRESET")),
                           ("/up/close", (502, "upstream_reset", "closed")),
                           ("/up/garbage", (502, "upstream_protocol", "status_line_malformed")),
                           ("/up/silence", (504, "upstream_timeout", "head_timeout")),
                           ("/up/half", (200, "upstream_reset", "closed")),
                           ("/up/", (502, "upstream_connect", "ECONNREFUSED"))):
            port = refused if path == "/up/" else server.port
            self.assertEqual(self.told(gateway, path, ways[502 if path == "/up/" else 200]),
                             (*told, f"http://127.0.0.1:{port}"))
        after = self.counters()["servers"]
        for kind, count in (("resets", 3), ("invalid", 1), ("timeouts", 1)):
            self.assertEqual(after[0][kind] - before[0][kind], count, kind)
        self.assertEqual(after[1]["connectFailures"] - before[1]["connectFailures"], 1)

    def test_the_queue_is_seen(self):
        go = threading.Event()

        def script(connection, upstream):
            while True:
                connection.read_request()
                go.wait(harness.DEADLINE)
                connection.answer(b"done")
        server = self.server(script)
        self.upstream([server.port], "  connections: {max: 1}\n  queue: {max: 2}\n")
        gateway = self.one_core()
        clients = [gateway.connect() for _ in range(3)]
        for client in clients:
            client.request("GET", "/up")
        harness.wait_until(lambda: self.counters()["queued"] == 2, "two wait")
        self.assertEqual(self.counters()["servers"][0]["inFlight"], 1)
        self.assertEqual(gateway.get("/up").status, 503)
        self.assertEqual(self.counters()["queueFull"], 1)
        go.set()
        for client in clients:
            self.assertEqual(client.read_response().body, b"done")
            client.close()
        self.assertEqual(self.counters()["queued"], 0)

    def test_a_kept_connection_changes_cores(self):
        server = self.server(named("x"))
        self.upstream([server.port])
        gateway = self.start()
        if json.loads(self.admin("/api/status"))["coreCount"] < 2:
            self.skipTest("one core has nobody to ask")

        def handed_over():
            for _ in range(10):
                with gateway.connect() as client:
                    self.assertEqual(client.ask("GET", "/up").status, 200)
            return self.counters()["servers"][0]["handedOver"] > 0
        harness.wait_until(handed_over, "a core asks the other")


if __name__ == "__main__":
    harness.main()
