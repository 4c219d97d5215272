#!/usr/bin/env python3
"""What the gateway does for plugins beyond their hooks, asked for by a plugin of public headers."""

import re

import harness
from servers import Upstream


class Services(harness.Case):
    def setUp(self):
        super().setUp()
        self.upstream = self.add(Upstream())
        self.packages.plugin("butler", "butler.so", "base: /butler\n")
        self.packages.site("site", {"index.html": "site"})

    def begin(self, env=None):
        self.gateway = self.start(env)
        return self.gateway

    def ask(self, path, method="GET", body=b"", headers=()):
        return self.gateway.get("/butler" + path, headers, method, body)

    def metrics(self):
        lines = self.ask("/metrics").body.decode().splitlines()
        return dict(line.rsplit(" ", 1) for line in lines)

    # --- Metrics ---

    def test_everything_is_counted_by_mount_method_and_class(self):
        self.begin()
        for _ in range(3):
            self.gateway.get("/")
        self.gateway.get("/missing.png")
        self.gateway.get("/", method="DELETE")
        self.ask("/echo", "POST", b"12345")
        metrics = self.metrics()

        def requests(mount, method, kind):
            return metrics.get(f"http.server.requests{{mount={mount},"
                               f"http.request.method={method},status_class={kind}}}")

        self.assertEqual(requests("site", "GET", "2xx"), "3")
        self.assertEqual(requests("site", "GET", "4xx"), "1")
        self.assertEqual(requests("site", "DELETE", "4xx"), "1")
        self.assertEqual(requests("butler", "POST", "2xx"), "1")
        histogram = "http.server.request.duration{mount=site,status_class=2xx} in buckets 3 of"
        self.assertEqual(metrics[histogram], "3")
        self.assertEqual(metrics["ringtime.request.body.bytes{mount=butler}"], "5")
        # The one that asks is itself being answered.
        self.assertEqual(metrics["http.server.active_requests"], "1")
        self.assertEqual(metrics["ringtime.plugin.calls{plugin=butler,hook=route}"], "2")
        self.assertIn("butler.heard{by=the butler}", metrics)
        self.assertEqual(metrics["ringtime.plugin.probe{plugin=butler,probe=mood}"], "1")
        self.assertGreater(int(metrics["process.memory.resident"]), 1_000_000)

    def test_upstreams_are_counted_by_server(self):
        self.packages.proxy("up", "/up", self.upstream.port)
        self.begin({"RUNTIME_CORES": "1"})
        for _ in range(3):
            self.assertEqual(self.gateway.get("/up/x").status, 200)
        metrics = self.metrics()
        labels = f"upstream=up,server=http://127.0.0.1:{self.upstream.port}"
        for name, value in (("requests", "3"), ("connects", "1"), ("reused", "2"), ("idle", "1"),
                            ("in_flight", "0"), ("up", "1")):
            self.assertEqual(metrics[f"ringtime.upstream.{name}{{{labels}}}"], value, name)
        self.assertEqual(metrics[f"ringtime.upstream.answers{{{labels},status=2xx}}"], "3")
        self.assertEqual(metrics[f"ringtime.upstream.failures{{{labels},cause=reset}}"], "0")
        self.assertEqual(metrics["ringtime.upstream.queued{upstream=up}"], "0")
        duration = f"http.client.request.duration{{{labels}}} in buckets 3 of"
        self.assertEqual(metrics[duration], "3")

    def test_refusals_are_counted_by_reason(self):
        self.begin()
        with self.gateway.connect() as client:
            client.send(b"GET / HTTP/1.1\r\nBad : x\r\n\r\n")
            self.assertEqual(client.read_response().status, 400)
        self.gateway.get("/", headers=[("Expect", "miracles")])
        metrics = self.metrics()
        self.assertEqual(metrics["ringtime.refusals{reason=bad_request}"], "1")
        self.assertEqual(metrics["ringtime.refusals{reason=expectation}"], "1")

    # --- The log ---

    def test_a_tap_hears_events_and_requests(self):
        self.begin()
        self.gateway.get("/missing.png")
        self.ask("/say/attention", "POST")

        def heard():
            log = self.ask("/log").body.decode()
            return "attention" in log and "/missing.png" in log and log

        log = harness.wait_until(heard, "the tap heard nothing")
        self.assertIn("0 0 [butler] attention\n", log)
        line = re.search(r"1 404 \[site\] (\{.*\})", log)
        self.assertEqual(harness.json.loads(line.group(1))["target"], "/missing.png")
        self.assertNotIn("hearing itself", log)

    def test_a_tap_hears_requests_when_no_access_log_is_written(self):
        self.begin({"RUNTIME_ACCESS_LOG": "off"})
        self.gateway.get("/missing.png")
        harness.wait_until(lambda: "/missing.png" in self.ask("/log").body.decode(), "not heard")

    # --- Helpers ---

    def test_work_leaves_the_core_and_comes_back(self):
        self.begin()
        self.assertEqual(self.ask("/thread?fine").body, b"elsewhere and back\n")
        self.assertEqual(self.ask("/thread").body, b"threw and back\n")

    # --- Requests to other servers ---

    def fetch(self, path):
        return self.ask(f"/fetch/{self.upstream.port}/{path}").body.decode()

    def test_a_fetch_by_name(self):
        self.begin()
        self.assertTrue(self.fetch("b/10").startswith("200 "))
        seen = self.upstream.requests[-1]
        self.assertEqual(seen.header("x-from"), "butler")
        self.assertEqual(seen.header("host"), f"localhost:{self.upstream.port}")
        self.assertEqual(self.fetch("b/100000").split()[1], "100000")

    def test_an_answer_larger_than_asked_for(self):
        self.begin()
        self.assertEqual(self.fetch("b/300000"), "-3 \n")

    def test_a_body_is_sent(self):
        self.begin()
        for size in (0, 1, 700_000):
            self.ask(f"/post/{self.upstream.port}/{size}")
            seen = self.upstream.requests[-1]
            self.assertEqual((seen.method, len(seen.body)), ("POST", size))

    def test_nobody_there(self):
        self.begin()
        self.assertEqual(self.ask(f"/fetch/{harness.free_port()}/x").body,
                         b"-7 upstream_connect\n")

    def test_a_server_that_does_not_answer(self):
        silent = self.add(Upstream(script=lambda connection, _: connection.wait_closed()))
        self.begin()
        self.assertEqual(self.ask(f"/fetch/{silent.port}/x?hurry").body,
                         b"-7 upstream_timeout\n")

    def test_the_client_leaves_while_a_fetch_is_on_its_way(self):
        silent = self.add(Upstream(script=lambda connection, _: connection.wait_closed()))
        self.begin()
        with self.gateway.connect() as client:
            client.request("GET", f"/butler/fetch/{silent.port}/x")
            harness.wait_until(lambda: silent.requests or silent.connections, "no connection")
            client.reset()
        self.assertEqual(self.gateway.get("/").status, 200)
        # What is still on its way is cancelled: the gateway ends without waiting for it.

    def test_a_server_not_asked_for_long_makes_room_for_others(self):
        self.begin()
        with self.gateway.connect() as client:  # On one core: each has 256 of them.
            for i in range(300):
                path = f"/butler/fetch/{self.upstream.port}/x?127.0.{i // 200}.{2 + i % 200}"
                self.assertEqual(client.ask("GET", path).body, b"-7 upstream_connect\n")
            for _ in range(2):
                path = f"/butler/fetch/{self.upstream.port}/b/10?127.0.0.1"
                self.assertEqual(client.ask("GET", path).body[:4], b"200 ")

    # --- Events ---

    def subscribe(self):
        client = self.gateway.connect()
        client.request("GET", "/butler/events")
        head = client.read_head()
        self.assertEqual(head.status, 200)
        self.assertEqual(head.header("content-type"), "text/event-stream")
        self.assertEqual(head.header("x-kind"), "news")
        return client

    def until(self, client, text):
        got = b""
        while text not in got:
            got += client.read_chunk()
        return got

    def test_events_reach_every_subscriber_on_every_core(self):
        self.begin({"RUNTIME_CORES": "2"})
        clients = [self.subscribe() for _ in range(8)]
        for client in clients:
            self.until(client, b"id: 7\nevent: hello\ndata: welcome\ndata: in two lines\n\n")
        self.assertEqual(self.ask("/publish/1?one", "POST").body.split()[0], b"8")
        for client in clients:
            self.until(client, b"data: news one\n\n")
            self.until(client, b":\n\n")  # Nothing else is said: a heartbeat.
            client.close()
        harness.wait_until(lambda: self.ask("/publish/0", "POST").body.split()[0] == b"0",
                           "subscribers that left are still counted")

    def test_however_much_a_subscriber_missed_comes_first(self):
        self.begin()
        with self.gateway.connect() as client:
            client.request("GET", "/butler/events?missed")
            self.assertEqual(client.read_head().status, 200)
            got = self.until(client, b"that is all\n\n")
            self.assertEqual(got.count(b"one more"), 500)
            self.assertEqual(self.ask("/publish/1?later", "POST").body, b"1 0\n")
            self.until(client, b"data: news later\n\n")

    def test_a_slow_subscriber_is_dropped_and_counted(self):
        self.begin({"RUNTIME_CORES": "1"})
        client = harness.Client(self.gateway.port, receive_buffer=4096)
        self.add(client)
        client.request("GET", "/butler/events")
        client.read_head()
        long = "x" * 6000
        harness.wait_until(
            lambda: self.ask(f"/publish/50?{long}", "POST").body.split()[1] == b"1",
            "never dropped")
        client.close()

    def test_streams_end_when_the_gateway_drains(self):
        self.begin()
        client = self.add(self.subscribe())
        self.gateway.signal()
        self.assertIn(b"welcome", client.read_to_end())
        self.assertEqual(self.gateway.wait(), 0)

    # --- Bodies ---

    def test_a_route_gets_the_whole_body(self):
        self.begin()
        for body in (b"", b"x", bytes(range(256)) * 300):
            self.assertEqual(self.ask("/echo", "POST", body).body, body)
        with self.gateway.connect() as client:
            for _ in range(3):
                client.send(b"POST /butler/echo HTTP/1.1\r\nHost: a\r\n"
                            b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
                client.send(b"4\r\ndefg\r\n0\r\n\r\n")
                self.assertEqual(client.read_response().body, b"abcdefg")

    def test_a_body_that_is_too_large_is_refused_before_the_route(self):
        self.begin()
        with self.gateway.connect() as client:
            client.send(b"POST /butler/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n")
            self.assertEqual(client.read_response().status, 413)
        with self.gateway.connect() as client:
            client.send(b"POST /butler/echo HTTP/1.1\r\nHost: a\r\n"
                        b"Transfer-Encoding: chunked\r\n\r\n")
            for _ in range(11):
                client.send(b"%x\r\n" % 10_000 + b"y" * 10_000 + b"\r\n")
            self.assertEqual(client.read_response().status, 413)

    # --- Probes ---

    def test_a_critical_probe_gates_ready(self):
        self.begin()
        self.assertEqual(self.gateway.get("/ready").status, 200)
        self.ask("/well/no", "POST")
        harness.wait_until(lambda: self.gateway.get("/ready").status == 503, "still ready")
        self.assertEqual(self.gateway.get("/ready").body,
                         b"plugin butler: its readiness probe mood is not well\n")
        self.ask("/well/yes", "POST")
        harness.wait_until(lambda: self.gateway.get("/ready").status == 200, "not ready again")


if __name__ == "__main__":
    harness.main()
