#!/usr/bin/env python3
"""Many connections, slow ones, and such that come and go."""

import os
import resource
import threading

import harness
from client import Client, Closed, make_request
from servers import Upstream, pattern


class Connections(harness.Case):
    def setUp(self):
        super().setUp()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
        self.upstream = self.add(Upstream())
        self.packages.proxy("up", "/up", self.upstream.port)
        self.packages.app("app", "app.so", "ttl: 1h\nworkers: 2\n")
        self.packages.site("site", {"index.html": "site", "large.bin": pattern(2_000_000)})

    def descriptors(self, gateway):
        return len(os.listdir(f"/proc/{gateway.pid}/fd"))

    def test_a_thousand_connections(self):
        gateway = self.start()
        clients = [gateway.connect() for _ in range(1000)]
        try:
            for turn in range(3):
                for n, client in enumerate(clients):
                    client.request("GET", ("/", "/app/about", f"/up/b/{n}")[(n + turn) % 3])
                for n, client in enumerate(clients):
                    answer = client.read_response()
                    self.assertEqual(answer.status, 200)
                    if (n + turn) % 3 == 2:
                        self.assertEqual(answer.body, pattern(n))
        finally:
            for client in clients:
                client.close()

    def test_five_thousand_slow_heads_do_not_stop_the_next_request(self):
        gateway = self.start()
        slow = []
        try:
            for _ in range(5000):
                slow.append(gateway.connect())
                slow[-1].send(b"GET / HTTP/1.1\r\nHost:")
            for path, size in (("/", 4), ("/up/b/1000", 1000)):
                self.assertEqual(len(gateway.get(path).body), size)
            for client in slow:  # One more byte of each changes nothing.
                try:
                    client.send(b" ")
                except OSError:
                    pass  # Its time has run out.
            self.assertEqual(gateway.get("/").body, b"site")
        finally:
            for client in slow:
                client.close()

    def test_closed_connections_leave_nothing(self):
        gateway = self.start()
        gateway.get("/up/b/10")
        for _ in range(2):  # What is allocated once is allocated in the first round.
            before = self.descriptors(gateway)
            for n in range(300):
                client = gateway.connect()
                if n % 3:
                    client.request("GET", "/up/b/100000")
                if n % 3 == 2:
                    client.read_head()
                (client.reset if n % 2 else client.close)()
        # Pooled upstream connections may stay; those of clients may not.
        harness.wait_until(lambda: self.descriptors(gateway) <= before + 130,
                           lambda: f"{self.descriptors(gateway)} descriptors, {before} before")
        self.assertEqual(gateway.get("/up/b/10").status, 200)

    def test_a_request_one_byte_at_a_time(self):
        gateway = self.start()
        body = b"slowly"
        with gateway.connect() as client:
            for path in ("/up/", "/app/echo"):
                for byte in make_request("POST", path, body=body):
                    client.send(bytes([byte]))
                self.assertEqual(client.read_response().body, body)

    def test_slow_readers_do_not_disturb_the_others(self):
        gateway = self.start()
        slow = []
        for n in range(50):
            client = Client(gateway.port, receive_buffer=4096)
            client.request("GET", ("/large.bin", "/up/b/2000000", "/app/b/2000000")[n % 3])
            slow.append(client)
        # Two requests of the app's occupy its two workers; the rest has to go on all the same.
        for _ in range(100):
            self.assertEqual(gateway.get("/up/b/100").body, pattern(100))
            self.assertEqual(gateway.get("/").body, b"site")
        for client in slow:
            self.assertEqual(client.read_response().body, pattern(2_000_000))
            client.close()

    def test_downloads_nobody_reads_leave_buffers_to_the_others(self):
        gateway = self.start({"RUNTIME_CORES": "1"})
        idle = []
        for n in range(100):
            client = Client(gateway.port, receive_buffer=4096)
            self.addCleanup(client.close)
            client.request("GET", ("/up/b/8000000", "/up/chunked/8000000")[n % 2])
            idle.append(client)
        for client in idle:
            self.assertEqual(client.read_head().status, 200)
        for _ in range(20):
            self.assertEqual(gateway.get("/up/b/100000").body, pattern(100000))
            self.assertEqual(gateway.get("/").body, b"site")

    def test_events_nobody_reads_leave_buffers_to_the_others(self):
        """One event a buffer would be thousands of buffers in one client's window."""
        def script(connection, upstream):
            connection.read_request()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                            b"Transfer-Encoding: chunked\r\n\r\n")
            for n in range(3000):
                connection.send(b"e\r\ndata: %06d\n\n\r\n" % n)
            connection.send(b"0\r\n\r\n")
        events = self.add(Upstream(script))
        self.packages.proxy("events", "/events", events.port)
        gateway = self.start({"RUNTIME_CORES": "1"})
        clients = [Client(gateway.port, receive_buffer=4096) for _ in range(10)]
        for client in clients:
            client.request("GET", "/events")
        for client in clients:
            self.assertEqual(client.read_head().status, 200)
        self.assertEqual(gateway.get("/up/b/100000").body, pattern(100000))
        for client in clients:
            body = b"".join(iter(client.read_chunk, b""))
            self.assertEqual(body, b"".join(b"data: %06d\n\n" % n for n in range(3000)))
            client.close()

    def test_requests_sent_ahead_leave_buffers_to_the_others(self):
        silent = self.add(Upstream(lambda connection, upstream: connection.wait_closed()))
        self.packages.proxy("silent", "/silent", silent.port)
        gateway = self.start({"RUNTIME_CORES": "1"})
        ahead = make_request("GET", "/silent", [("X-Padding", "p" * 1000)])
        for _ in range(300):
            client = Client(gateway.port)
            self.addCleanup(client.close)
            client.send(ahead * 40)
        harness.wait_until(lambda: silent.connections >= 300, "all to be forwarded")
        for _ in range(20):
            self.assertEqual(gateway.get("/up/b/1000").body, pattern(1000))

    def test_idle_heads_time_out(self):
        path = self.packages.write("ringtime.yaml", "timeouts: {head: 2s, keepAlive: 2s}\n")
        gateway = self.start({"RUNTIME_CONFIG": path})
        with gateway.connect() as half, gateway.connect() as idle:
            half.send(b"GET / HTTP/1.1\r\nHost:")
            self.assertEqual(idle.ask("GET", "/").status, 200)
            self.assertEqual(half.read_response().status, 408)
            half.wait_closed()
            idle.wait_closed()

    def configured(self, text):
        return self.start({"RUNTIME_CONFIG": self.packages.write("ringtime.yaml", text)})

    def test_a_peer_has_so_many_connections_and_no_more(self):
        gateway = self.configured("limits: {connectionsPerPeer: 5}\n")
        # The connection that asked whether the gateway is ready may still be counted.
        clients = []

        def fill():
            while len(clients) < 5:
                client = gateway.connect()
                try:
                    self.assertEqual(client.ask("GET", "/").status, 200)
                except (Closed, OSError):
                    client.close()
                    return False
                clients.append(client)
            return True
        harness.wait_until(fill, "five connections")
        for _ in range(20):
            with gateway.connect() as more:
                more.wait_closed()
        for client in clients:
            self.assertEqual(client.ask("GET", "/").status, 200)
        self.assertIn("limits.connectionsPerPeer", gateway.log())
        # Lines are rarer than what they tell of: a core writes one in ten seconds.
        self.assertLess(gateway.log().count("connectionsPerPeer"), 20)
        clients.pop().close()
        harness.wait_until(fill, "a place that became free")
        for client in clients:
            client.close()

    def test_a_trusted_proxy_carries_the_connections_of_many(self):
        gateway = self.configured("limits: {connectionsPerPeer: 2}\n"
                                  "trustedProxies: [127.0.0.0/8]\n")
        clients = [gateway.connect() for _ in range(20)]
        for client in clients:
            self.assertEqual(client.ask("GET", "/").status, 200)
            client.close()

    def test_connections_in_all_are_bounded_and_more_of_them_wait(self):
        gateway = self.configured("limits: {connections: 16}\n")
        clients = [gateway.connect() for _ in range(24)]
        for client in clients:
            client.request("GET", "/")
        # Whichever are served first: each that leaves lets another in, and none is turned away.
        waiting = list(clients)
        while waiting:
            served = [c for c in waiting if c.has_bytes()]
            if len(waiting) == 24:
                self.assertLessEqual(len(served), 16)
            for client in served:
                self.assertEqual(client.read_response().status, 200)
                client.close()
                waiting.remove(client)

    def test_a_body_comes_at_some_rate_or_not_at_all(self):
        gateway = self.configured("limits: {bodyRate: 1000}\ntimeouts: {bodyWindow: 2s}\n")
        head = b"POST /up/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"
        with gateway.connect() as stalled, gateway.connect() as slow:
            stalled.send(head)
            # A fast beginning buys nothing.
            slow.send(head + pattern(300_000))
            try:
                # tidy: allow(sleep) a slow sender is what is tested
                while not slow.has_bytes(0.02):
                    slow.send(b"x")
            except OSError:
                pass
            for client in (stalled, slow):
                answer = client.read_response()
                self.assertEqual(answer.status, 408)
                client.wait_closed()
        self.assertEqual(gateway.logged("timeout_body")["status"], 408)
        self.assertEqual(self.upstream.requests, [])
        # One that waits is not slow: nobody asked for more of it.
        self.assertEqual(gateway.post("/up/", pattern(100_000)).status, 200)

    def test_clients_that_reset_at_every_point(self):
        gateway = self.start()
        raw = make_request("POST", "/up/", {"Connection": "keep-alive"}, pattern(2000))
        for at in list(range(0, 120, 7)) + list(range(120, len(raw), 331)):
            client = gateway.connect()
            client.send(raw[:at])
            client.reset()
        self.assertEqual(gateway.post("/up/", b"still here").body, b"still here")

    def test_threads_of_clients_with_mixed_sizes(self):
        gateway = self.start()
        failures = []

        def run(number):
            try:
                with gateway.connect() as client:
                    for n in range(60):
                        size = (number * 7919 + n * 104729) % 200_000
                        if client.ask("GET", f"/up/b/{size}").body != pattern(size):
                            failures.append(size)
            except (Closed, OSError, AssertionError) as error:
                failures.append(repr(error))

        threads = [threading.Thread(target=run, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])


if __name__ == "__main__":
    harness.main()
