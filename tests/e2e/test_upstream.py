#!/usr/bin/env python3
"""Upstreams: retries, balancing, health, queues, names, headers, PROXY headers."""

import os
import re
import select
import socket
import struct
import threading

import harness
from client import Closed, chunked
from names import NameServer
from servers import Upstream, pattern
from upstreams import Case, named, status


class Retries(Case):
    def test_a_refused_connection_goes_to_another_server(self):
        good = self.server(named("good"))
        self.upstream([harness.free_port(), good.port])
        gateway = self.one_core()
        for _ in range(30):
            self.assertEqual(gateway.post("/up", b"x").body, b"good")

    def test_statuses_and_resets_go_to_another_server_when_the_request_may_be_repeated(self):
        def drop(connection, upstream):
            upstream.requests.append(connection.read_request())
            connection.reset()
        for bad_script, answered in ((status(503), 503), (drop, 502)):
            with self.subTest(answered):
                bad, good = self.server(bad_script), self.server(named("good"))
                self.upstream([bad.port, good.port], "  passive: false\n  balance: round-robin\n")
                gateway = self.one_core()
                got = [gateway.get("/up", method=method)
                       for method in ("GET", "PUT", "DELETE") for _ in range(4)]
                self.assertEqual([answer.status for answer in got], [200] * 12)
                self.assertGreater(len(bad.requests), 0)
                lines = [gateway.logged(answer.header("x-request-id")) for answer in got]
                self.assertEqual({line["server"] for line in lines},
                                 {f"http://127.0.0.1:{good.port}"})
                self.assertEqual(sum(line.get("retries", 0) for line in lines), len(bad.requests))
                # What may not be repeated is answered by whoever got it.
                got = {gateway.post("/up", b"x").status for _ in range(4)}
                self.assertEqual(got, {200, answered})
                gateway.stop()

    def test_a_small_body_is_sent_again_and_a_large_one_is_not(self):
        bad, good = self.server(status(503)), self.server(echo)
        self.upstream([bad.port, good.port],
                      "  passive: false\n  balance: round-robin\n"
                      "  retries: {maxBodySize: 100kb}\n")
        gateway = self.one_core()
        for size in (1, 5000, 100_000):
            for _ in range(4):
                self.assertEqual(gateway.get("/up", method="PUT", body=pattern(size)).body,
                                 pattern(size))
            answer = gateway.get("/up", {"Transfer-Encoding": "chunked"}, "PUT",
                                 chunked(pattern(size)[:7], pattern(size)[7:]))
            self.assertEqual(answer.body, pattern(size))
        got = {gateway.get("/up", method="PUT", body=pattern(200_000)).status for _ in range(4)}
        self.assertEqual(got, {200, 503})

    def test_a_server_that_keeps_silent_is_replaced_by_another(self):
        def silent(connection, upstream):
            upstream.requests.append(connection.read_request())
            connection.wait_closed()
        bad, good = self.server(silent), self.server(named("good"))
        self.upstream([bad.port, good.port],
                      "  balance: round-robin\n  timeouts: {head: 2s}\n")
        gateway = self.one_core()
        for _ in range(2):  # In turn: one of them is asked of the silent server first.
            self.assertEqual(gateway.get("/up").body, b"good")
        self.assertEqual(len(bad.requests), 1)

    def test_no_retries_when_none_are_wanted(self):
        bad, good = self.server(status(503)), self.server(named("good"))
        self.upstream([bad.port, good.port],
                      "  passive: false\n  balance: round-robin\n  retries: 0\n")
        gateway = self.one_core()
        self.assertEqual({gateway.get("/up").status for _ in range(4)}, {200, 503})

    def test_the_total_time_is_the_clients_bound(self):
        def slow(connection, upstream):
            connection.read_request()
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            try:
                while True:
                    connection.send(b"1\r\nx\r\n")
                    self.ticks.wait(0.05)
            finally:
                self.gone.set()
        self.ticks, self.gone = threading.Event(), threading.Event()
        server = self.server(slow)
        self.upstream([server.port], "  timeouts: {total: 2s}\n")
        gateway = self.one_core()
        with gateway.connect() as client, self.assertRaises(Closed):
            client.ask("GET", "/up")
        self.assertTrue(self.gone.wait(harness.DEADLINE))


class Local(Case):
    def test_a_unix_socket_whose_queue_is_full_is_waited_for(self):
        path = os.path.join(self.packages.root, "app.sock")
        listener, crowd = self.closing(socket.socket(socket.AF_UNIX)), []
        listener.bind(path)
        listener.listen(0)
        with self.assertRaises(BlockingIOError):
            while True:
                crowd.append(self.closing(socket.socket(socket.AF_UNIX)))
                crowd[-1].setblocking(False)
                crowd[-1].connect(path)
        self.upstream([f"unix:{path}"], "  retries: 0\n")
        gateway = self.one_core()
        with gateway.connect() as client:
            client.request("POST", "/up", body=b"x")
            harness.wait_until(lambda: self.counters()["servers"][0]["inFlight"] == 1, "it asks")
            for one in crowd:
                one.close()
            listener.settimeout(harness.DEADLINE)
            while True:
                near = self.closing(listener.accept()[0])
                near.settimeout(harness.DEADLINE)
                if near.recv(4096) != b"":
                    break
            near.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            self.assertEqual(client.read_response().body, b"ok")

    def closing(self, opened):
        self.addCleanup(opened.close)
        return opened


def echo(connection, upstream):
    while True:
        request = connection.read_request()
        upstream.requests.append(request)
        connection.answer(request.body)


class Balancing(Case):
    def ask(self, gateway, count=20, headers=()):
        return [gateway.get("/up", headers).body.decode() for _ in range(count)]

    def test_weights_and_backups(self):
        one, two, backup = (self.server(named(n)) for n in ("one", "two", "backup"))
        self.upstream([f"{{url: 'http://127.0.0.1:{one.port}', weight: 3}}",
                       f"'http://127.0.0.1:{two.port}'",
                       f"{{url: 'http://127.0.0.1:{backup.port}', backup: true}}"],
                      "  balance: round-robin\n  retries: 2\n")
        gateway = self.one_core()
        got = self.ask(gateway, 40)
        self.assertEqual((got.count("one"), got.count("two")), (30, 10))
        one.close()
        two.close()
        self.assertEqual(set(self.ask(gateway, 20)), {"backup"})

    def test_a_hash_keeps_clients_with_their_server(self):
        servers = [self.server(named(str(n))) for n in range(4)]
        self.upstream([s.port for s in servers], "  balance: hash:header:X-User\n")
        gateway = self.start()
        seen = {}
        for user in range(40):
            got = set(self.ask(gateway, 3, {"X-User": str(user)}))
            self.assertEqual(len(got), 1)
            seen[user] = got.pop()
        self.assertEqual(set(seen.values()), {"0", "1", "2", "3"})
        servers[0].close()
        for user, server in seen.items():
            got = self.ask(gateway, 1, {"X-User": str(user)})[0]
            if server != "0":
                self.assertEqual(got, server)

    def test_a_cookie_keeps_a_session(self):
        servers = [self.server(named(str(n))) for n in range(4)]
        self.upstream([s.port for s in servers], "  sticky: {cookie: route}\n")
        gateway = self.start()
        first = gateway.get("/up")
        cookie = first.header("set-cookie")
        self.assertRegex(cookie, r"^route=[0-9a-f]{16}; HttpOnly; SameSite=Lax; Path=/up$")
        pair = cookie.split(";")[0]
        for _ in range(10):
            answer = gateway.get("/up", {"Cookie": f"a=b; {pair}"})
            self.assertEqual(answer.body, first.body)
            self.assertIsNone(answer.header("set-cookie"))
        servers[int(first.body)].close()
        answer = gateway.get("/up", {"Cookie": pair})
        self.assertEqual(answer.status, 200)
        self.assertNotEqual(answer.header("set-cookie").split(";")[0], pair)


class Health(Case):
    def test_a_server_whose_checks_fail_gets_no_requests_until_they_pass(self):
        verdict = {"bad": 200}

        def checked(name):
            def script(connection, upstream):
                while True:
                    request = connection.read_request()
                    if request.target == "/healthz":
                        upstream.checks = getattr(upstream, "checks", 0) + 1
                        connection.answer(b"", f"{verdict.get(name, 200)} X")
                    else:
                        connection.answer(name.encode())
            return script
        bad, good = self.server(checked("bad")), self.server(checked("good"))
        self.upstream([bad.port, good.port],
                      "  health: {path: /healthz, interval: 100ms, rise: 2, fall: 2}\n"
                      "  retries: 0\n  balance: round-robin\n")
        gateway = self.start()
        self.assertEqual({gateway.get("/up").body for _ in range(4)}, {b"bad", b"good"})
        verdict["bad"] = 500
        harness.wait_until(lambda: "is down: it answers 500" in gateway.log(), "it is down")
        self.assertEqual({gateway.get("/up").body for _ in range(10)}, {b"good"})
        verdict["bad"] = 204
        harness.wait_until(lambda: "is up again" in gateway.log(), "it is up")
        self.assertEqual({gateway.get("/up").body for _ in range(4)}, {b"bad", b"good"})
        # Once per process, not once per core.
        self.assertLessEqual(bad.connections, bad.checks + 2 * 10)

    def test_all_servers_down_and_no_panic_is_502_at_once(self):
        self.upstream([harness.free_port()], "  health: {interval: 100ms}\n  panic: 0\n")
        gateway = self.start()
        harness.wait_until(lambda: "is down" in gateway.log(), "it is down")
        answer = gateway.get("/up", {"Accept": "application/json"})
        self.assertEqual(answer.status, 502)
        self.assertEqual(harness.json.loads(answer.body)["error"], "upstream_connect")

    def test_traffic_itself_puts_a_failing_server_out(self):
        bad, good = self.server(status(503)), self.server(named("good"))
        self.upstream([bad.port, good.port],
                      "  passive: {failures: 3, ejection: 1h}\n  retries: 0\n"
                      "  balance: round-robin\n")
        gateway = self.one_core()
        got = [gateway.get("/up").status for _ in range(30)]
        self.assertEqual(got.count(503), 3)
        self.assertEqual(set(got[8:]), {200})
        self.assertIn("failed too often", gateway.log())

    def test_a_server_that_is_out_is_back_when_it_answers_for_want_of_another(self):
        # As when servers are restarted in turn: the first is still out when the second one goes.
        port, second = harness.free_port(), self.server(named("second"))
        self.upstream([port, second.port], "  passive: {failures: 1, ejection: 1h}\n"
                      "  balance: round-robin\n")
        gateway = self.one_core()
        for _ in range(2):
            self.assertEqual(gateway.get("/up").body, b"second")
        self.assertEqual([s["state"] for s in self.counters()["servers"]], ["ejected", "up"])
        self.add(Upstream(named("first"), ("127.0.0.1", port)))
        second.close()
        self.assertEqual(gateway.get("/up").body, b"first")
        self.assertEqual(self.counters()["servers"][0]["state"], "up")
        for _ in range(4):
            self.assertEqual(gateway.get("/up").body, b"first")
        self.assertEqual([s["state"] for s in self.counters()["servers"]], ["up", "ejected"])

    def test_a_bad_rate_of_success_puts_a_server_out(self):
        def every_other(connection, upstream):
            while True:
                connection.read_request()
                upstream.requests.append(0)
                connection.answer(b"", "503 No" if len(upstream.requests) % 2 else "200 OK")
        bad, good = self.server(every_other), self.server(named("good"))
        self.upstream([bad.port, good.port],
                      "  passive: {failures: 1000, success: 90%, window: 1s, ejection: 1h}\n"
                      "  retries: 0\n  balance: round-robin\n")
        gateway = self.one_core()

        def ejected():
            for _ in range(20):
                gateway.get("/up")
            return "failed too often" in gateway.log()
        harness.wait_until(ejected, "it is ejected")
        self.assertEqual({gateway.get("/up").body for _ in range(10)}, {b"good"})


class Queues(Case):
    def slow(self):
        self.go = threading.Event()

        def script(connection, upstream):
            while True:
                upstream.requests.append(connection.read_request())
                self.go.wait(harness.DEADLINE)
                connection.answer(b"done")
        return self.server(script)

    def begin(self, gateway, count):
        clients = [gateway.connect() for _ in range(count)]
        for client in clients:
            client.request("GET", "/up")
        return clients

    def test_requests_wait_for_a_connection(self):
        server = self.slow()
        self.upstream([server.port], "  connections: {max: 2}\n  queue: {max: 3, timeout: 30s}\n")
        gateway = self.one_core()
        clients = self.begin(gateway, 2)
        harness.wait_until(lambda: len(server.requests) == 2, "both connections are in use")
        clients += self.begin(gateway, 4)
        answers = []
        # Of the four that come now one finds the queue full.
        full = harness.wait_until(lambda: self.readable(clients[2:]), "one is refused")
        self.assertEqual(full.read_response().status, 503)
        self.go.set()
        for client in clients:
            if client is not full:
                answers.append(client.read_response().body)
            client.close()
        self.assertEqual(answers, [b"done"] * 5)
        self.assertEqual(server.connections, 2)

    def readable(self, clients):
        ready = select.select([c.socket for c in clients], [], [], 0)[0]
        return next((c for c in clients if c.socket in ready), None)

    def test_waiting_ends(self):
        server = self.slow()
        self.upstream([server.port],
                      "  connections: {max: 1}\n  queue: {max: 5, timeout: 100ms}\n")
        gateway = self.one_core()
        first, = self.begin(gateway, 1)
        harness.wait_until(lambda: len(server.requests) == 1, "the connection is in use")
        answer = gateway.get("/up", {"Accept": "application/json"})
        self.assertEqual((answer.status, harness.json.loads(answer.body)["error"]),
                         (503, "queue_timeout"))
        self.go.set()
        self.assertEqual(first.read_response().body, b"done")
        first.close()
        self.assertEqual(gateway.get("/up").body, b"done")

    def test_a_client_that_leaves_the_queue_gives_its_place_to_the_next(self):
        server = self.slow()
        self.upstream([server.port], "  connections: {max: 1}\n")
        gateway = self.one_core()
        first, second, third = self.begin(gateway, 3)
        harness.wait_until(lambda: len(server.requests) == 1, "the connection is in use")
        second.reset()
        self.go.set()
        self.assertEqual(first.read_response().body, b"done")
        self.assertEqual(third.read_response().body, b"done")
        first.close()
        third.close()


class Names(Case):
    def test_a_name_is_looked_up_again_as_it_expires(self):
        names = self.add(NameServer())
        one = self.server(named("one"))
        names.answers["shop.test"] = (["127.0.0.1"], 1)
        self.upstream([f"'http://shop.test:{one.port}'"])
        gateway = self.start({"RUNTIME_RESOLVER": f"127.0.0.1:{names.port}"})
        harness.wait_until(lambda: gateway.get("/up").status == 200, "it resolves")
        self.add(Upstream(named("two"), address=("127.0.0.2", one.port)))
        names.answers["shop.test"] = (["127.0.0.2"], 1)

        def moved():
            answer = gateway.get("/up")
            self.assertEqual(answer.status, 200)
            return answer.body == b"two"
        # Nothing fails meanwhile, and nothing stays with the old address.
        harness.wait_until(moved, "the other address is used")
        for _ in range(20):
            self.assertEqual(gateway.get("/up").body, b"two")
        harness.wait_until(lambda: not one.open, "kept connections to the old one are closed")

    def test_the_start_waits_for_no_name(self):
        names = self.add(NameServer())
        server = self.server(named("late"))
        self.upstream([f"'http://late.test:{server.port}'"])
        gateway = self.start({"RUNTIME_RESOLVER": f"127.0.0.1:{names.port}"})
        self.assertEqual(gateway.get("/up").status, 502)
        names.answers["late.test"] = (["127.0.0.1"], 60)
        harness.wait_until(lambda: gateway.get("/up").status == 200, "it resolves")
        # While the name server is away what it said last is used.
        names.close()
        self.assertEqual(gateway.get("/up").body, b"late")

    def test_a_name_server_that_keeps_silent_delays_nobody(self):
        names = self.add(NameServer())
        names.held = True
        server = self.server(named("x"))
        names.answers["slow.test"] = (["127.0.0.1"], 60)
        self.upstream([f"'http://slow.test:{server.port}'"], name="slow")
        self.upstream([server.port])
        gateway = self.start({"RUNTIME_RESOLVER": f"127.0.0.1:{names.port}"})
        harness.wait_until(lambda: names.questions, "it is asked")
        answer = gateway.get("/slow", {"Accept": "application/json"})
        self.assertEqual((answer.status, harness.json.loads(answer.body)["error"]),
                         (502, "upstream_connect"))
        self.assertEqual(gateway.get("/up").body, b"x")
        self.assertEqual(self.counters("slow")["servers"][0]["state"], "unresolved")
        names.held = False
        harness.wait_until(lambda: gateway.get("/slow").status == 200, "it resolves")

    def test_an_answer_under_way_survives_a_change_of_addresses(self):
        names = self.add(NameServer())
        moved = threading.Event()

        def old(connection, upstream):
            while connection.read_request().target != "/long":
                connection.answer(b"old")
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nbegi")
            moved.wait(harness.DEADLINE)
            connection.send(b"nend")
            connection.wait_closed()
        server = self.server(old)
        names.answers["shop.test"] = (["127.0.0.1"], 1)
        self.upstream([f"'http://shop.test:{server.port}'"])
        gateway = self.start({"RUNTIME_RESOLVER": f"127.0.0.1:{names.port}"})
        harness.wait_until(lambda: gateway.get("/up").status == 200, "it resolves")
        with gateway.connect() as client:
            client.request("GET", "/up/long")
            self.assertEqual(client.read_head().status, 200)
            self.add(Upstream(named("new"), address=("127.0.0.3", server.port)))
            names.answers["shop.test"] = (["127.0.0.3"], 1)
            harness.wait_until(lambda: gateway.get("/up").body == b"new", "the name has moved")
            moved.set()
            while len(client.data) < 8:
                client.data += client.socket.recv(8)
            self.assertEqual(bytes(client.data), b"beginend")

    def test_an_address_that_does_not_answer_is_passed_over(self):
        names = self.add(NameServer())
        server = self.server(named("four"))
        names.answers["both.test"] = (["127.0.0.1"], 60)
        names.answers6["both.test"] = (["::1"], 60)
        self.upstream([f"'http://both.test:{server.port}'"], "  retries: 0\n")
        gateway = self.start({"RUNTIME_RESOLVER": f"127.0.0.1:{names.port}"})
        harness.wait_until(lambda: gateway.get("/up").status == 200, "it resolves")
        for _ in range(10):
            self.assertEqual(gateway.get("/up", {"Connection": "close"}).body, b"four")


class Fields(Case):
    def test_edits_both_ways(self):
        def script(connection, upstream):
            while True:
                upstream.requests.append(connection.read_request())
                connection.answer(b"", headers=[("Server", "old"), ("X-A", "1"), ("X-A", "2")])
        server = self.server(script)
        self.upstream([server.port], "  headers: {set: {X-Own: one}, add: {X-More: two},"
                      " remove: [Cookie]}\n  responseHeaders: {set: {X-A: three},"
                      " add: {X-B: four}, remove: [Server]}\n  host: rewrite\n")
        gateway = self.start()
        answer = gateway.get("/up", {"Cookie": "a=b", "X-Own": "client", "X-More": "client"})
        seen = server.requests[0]
        self.assertEqual(seen.header("host"), f"127.0.0.1:{server.port}")
        self.assertEqual(seen.header("x-own"), "one")
        self.assertEqual(seen.all("x-more"), ["client", "two"])
        self.assertIsNone(seen.header("cookie"))
        self.assertIsNone(answer.header("server"))
        self.assertEqual((answer.header("x-a"), answer.header("x-b")), ("three", "four"))

    def test_forwarding_fields_grow_behind_trusted_proxies_only(self):
        server = self.server(named("x"))
        self.upstream([server.port])
        claims = [("Host", "shop.example"), ("X-Forwarded-For", "1.1.1.1"),
                  ("X-Forwarded-For", "2.2.2.2"), ("X-Forwarded-Proto", "https"),
                  ("X-Forwarded-Prefix", "/outer"), ("Forwarded", "for=1.1.1.1"),
                  ("X-Forwarded-User", "me"),
                  ("Via", "1.1 edge")]
        gateway = self.start()
        gateway.get("/up/a", claims)
        seen = server.requests[-1]
        self.assertEqual(seen.header("x-forwarded-for"), "127.0.0.1")
        self.assertEqual(seen.header("x-forwarded-proto"), "http")
        self.assertEqual(seen.header("x-forwarded-host"), "shop.example")
        self.assertEqual(seen.header("x-forwarded-prefix"), "/up")
        self.assertEqual(seen.header("forwarded"),
                         'for=127.0.0.1;host="shop.example";proto=http')
        self.assertEqual(seen.header("via"), "1.1 edge, 1.1 ringtime")
        gateway.stop()
        gateway = self.start({"RUNTIME_TRUSTED_PROXIES": "127.0.0.0/8"})
        gateway.get("/up/a", claims)
        seen = server.requests[-1]
        self.assertEqual(seen.header("x-forwarded-for"), "1.1.1.1, 2.2.2.2, 127.0.0.1")
        self.assertEqual(seen.header("x-forwarded-proto"), "https")
        self.assertEqual(seen.header("x-forwarded-prefix"), "/outer/up")
        self.assertEqual(seen.header("x-forwarded-user"), "me")
        self.assertEqual(seen.header("forwarded"),
                         'for=1.1.1.1, for=127.0.0.1;host="shop.example";proto=https')

    def test_locations_and_cookie_paths_follow_the_base(self):
        def script(connection, upstream):
            while True:
                request = connection.read_request()
                connection.answer(b"", "302 Found", [
                    ("Location", "/login"), ("Set-Cookie", "a=1"),
                    ("Set-Cookie", "b=2; Path=/; Secure"), ("Set-Cookie", "c=3; Path=/x")])
        server = self.server(script)
        self.upstream([server.port])
        self.upstream([server.port], "  rewriteLocation: false\n", name="plain")
        self.upstream([server.port], "  strip: false\n", name="kept")
        gateway = self.start()
        answer = gateway.get("/up")
        self.assertEqual(answer.header("location"), "/up/login")
        self.assertEqual(answer.all("set-cookie"),
                         ["a=1", "b=2; Path=/up; Secure", "c=3; Path=/up/x"])
        for base in ("/plain", "/kept"):
            self.assertEqual(gateway.get(base).header("location"), "/login")


class ProxyHeaders(Case):
    def test_out(self):
        lines = []

        def script(connection, upstream):
            head = connection.take(16)
            if head.startswith(b"PROXY "):
                lines.append(head + connection.line())
            else:
                lines.append(head + connection.take(struct.unpack(">H", head[14:])[0]))
            connection.read_request()
            connection.answer(b"ok")
            connection.wait_closed()
        server = self.server(script)
        self.upstream([server.port], "  proxyProtocol: v1\n", name="one")
        self.upstream([server.port], "  proxyProtocol: v2\n", name="two")
        gateway = self.start()
        with gateway.connect() as client:
            mine = client.socket.getsockname()[1]
            self.assertEqual(client.ask("GET", "/one").body, b"ok")
            self.assertEqual(client.ask("GET", "/two").body, b"ok")
            self.assertEqual(client.ask("GET", "/two").body, b"ok")
        self.assertEqual(lines[0], b"PROXY TCP4 127.0.0.1 127.0.0.1 %d %d"
                         % (mine, gateway.port))
        binary = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([127, 0, 0, 1] * 2)
                  + struct.pack(">HH", mine, gateway.port))
        # A connection speaks for one client: it is not shared.
        self.assertEqual(lines[1:], [binary, binary])

    def test_in(self):
        server = self.server(named("x"))
        self.upstream([server.port])
        port = harness.free_port()
        config = self.packages.write("ringtime.yaml",
                                     f"listen: [{{address: '127.0.0.1:{port}', "
                                     "proxyProtocol: true}]\n")
        gateway = self.launch({"RUNTIME_CONFIG": config, "RUNTIME_LISTEN": None})
        harness.wait_until(lambda: "listening" in gateway.log(), "it listens")
        gateway.port = port
        binary = (b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24" + bytes(15) + b"\x01" + bytes(15)
                  + b"\x02" + struct.pack(">HH", 7, 443))
        for header, address in ((b"PROXY TCP4 10.9.8.7 10.0.0.1 1234 80\r\n", "10.9.8.7"),
                                (binary, "::1"),
                                (b"PROXY UNKNOWN\r\n", "127.0.0.1")):
            with gateway.connect() as client:
                for at in range(len(header)):
                    client.send(header[at:at + 1])
                self.assertEqual(client.ask("GET", "/up").status, 200)
                self.assertEqual(client.ask("GET", "/up").status, 200)
            self.assertEqual(server.requests[-1].header("x-forwarded-for"), address)
        before = len(server.requests)
        signature = b"\r\n\r\n\0\r\nQUIT\n"
        for bad in (b"GET /up HTTP/1.1\r\nHost: a\r\n\r\n", b"PROXY TCP4 1.1.1.1\r\n",
                    b"proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n", b"PROXY TCP4 1.1.1.1 ::1 1 1\r\n",
                    b"PROXY TCP4 1.1.1.1 1.1.1.1 1 65536\r\n", b"PROXY " + b"x" * 200,
                    signature + b"\x11\x11\0\x0c" + bytes(12),  # Another version.
                    signature + b"\x22\x11\0\x0c" + bytes(12),  # Another command.
                    signature + b"\x21\x11\0\x04" + bytes(4),   # Shorter than its addresses.
                    b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n\r\nGET /up HTTP/1.1\r\nHost: a\r\n\r\n"):
            with gateway.connect() as client:
                client.send(bad)
                client.wait_closed()
        self.assertEqual(len(server.requests), before)


class Examples(Case):
    def test_the_manual(self):
        """Every example of docs/upstreams.md, each as a package of its own."""
        path = os.path.join(os.path.dirname(__file__), "../../docs/upstreams.md")
        with open(path, encoding="utf-8") as manual:
            examples = re.findall(r"```yaml\n(.*?)```", manual.read(), re.S)
        self.assertGreater(len(examples), 4)
        servers = [self.server(named(str(n))) for n in range(3)]
        for number, text in enumerate(examples):
            for n, server in enumerate(servers):
                text = text.replace(f":{3000 + n}", f":{server.port}")
            text = text.replace("name: shop", f"name: shop{number}")
            text = text.replace("base: /shop", f"base: /shop{number}")
            self.packages.manifest(f"plugins/shop{number}", text)
        gateway = self.start()
        self.assertNotIn("no effect", gateway.log())
        for number in range(len(examples)):
            self.assertEqual(gateway.get(f"/shop{number}/cart?x=1").status, 200)
        self.assertEqual({r.target for s in servers for r in s.requests
                          if not r.target == "/healthz"}, {"/cart?x=1"})


if __name__ == "__main__":
    harness.main()
