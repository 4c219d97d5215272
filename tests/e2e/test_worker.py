#!/usr/bin/env python3
"""Worker apps: modules and programs, bodies both ways, and what happens when a process dies."""

import os
import signal
import threading

import harness
from client import Client, Closed, UnixClient, chunked, make_request
from servers import pattern
from websocket import WebSocket

PERSISTENT = "ttl: 1h\ntimeout: 20s\n"


def about(answer):
    """The lines of /about as a dict."""
    return dict(line.split(" ", 1) for line in answer.body.decode().splitlines())


class Answers(harness.Case):
    """The same app as a module and as a program behaves the same."""

    def setUp(self):
        super().setUp()
        self.packages.app("module", "app.so", PERSISTENT)
        self.packages.app("program", "app-program", PERSISTENT)
        self.gateway = self.start()

    def each(self):
        for base in ("/module", "/program"):
            with self.subTest(base=base):
                yield base

    def test_what_a_request_shows(self):
        for base in self.each():
            shown = about(self.gateway.get(base + "/about?a=b&c", {"Host": "Some.Host:81"}))
            self.assertEqual((shown["path"], shown["query"]), ("/about", "a=b&c"))
            self.assertEqual(shown["base"], base)
            self.assertIn("some.host", shown["host"].lower())
            self.assertNotEqual(int(shown["pid"]), self.gateway.pid)

    def test_fields_arrive_and_only_ours_are_ours(self):
        for base in self.each():
            fields = self.gateway.get(base + "/fields", [
                ("X-Own", "value"), ("Cookie", "a=1"), ("X-Identity", "root"),
                ("X-Base", "/forged"), ("X-Ringtime-Secret", "1"), ("Connection", "x-hop"),
                ("X-Hop", "1"),
            ]).body.decode().lower()
            self.assertIn("x-own: value\n", fields)
            self.assertIn("cookie: a=1\n", fields)
            for forged in ("root", "/forged", "x-ringtime-secret", "x-hop"):
                self.assertNotIn(forged, fields)

    def test_bodies_of_every_size_come_back(self):
        for base in self.each():
            with self.gateway.connect() as client:
                for size in (0, 1, 100, 4095, 4096, 65536, 65537, 300_000, 2_000_000):
                    body = pattern(size)
                    self.assertEqual(client.ask("POST", base + "/echo", body=body).body, body, size)
                    pieces = [body[at:at + 9973] for at in range(0, size, 9973)]
                    answer = client.ask("POST", base + "/echo", {"Transfer-Encoding": "chunked"},
                                        chunked(*pieces))
                    self.assertEqual(answer.body, body, size)

    def test_large_answers_arrive_whole(self):
        for base in self.each():
            with self.gateway.connect() as client:
                for size in (0, 1, 65536, 100_000, 5_000_000):
                    answer = client.ask("GET", f"{base}/b/{size}")
                    self.assertEqual(answer.header("content-length"), str(size))
                    self.assertEqual(answer.body, pattern(size))

    def test_several_cookies_stay_several(self):
        for base in self.each():
            self.assertEqual(self.gateway.get(base + "/cookies").all("set-cookie"),
                             ["a=1", "b=2; Path=/"])

    def test_events_arrive_as_they_are_made(self):
        with self.gateway.connect() as client:
            # Gathered first, they would come when there is no more room for them, or never: these
            # are too few to fill a buffer and take an hour.
            client.request("GET", "/module/stream/180000")
            client.read_head()
            for number in range(5):
                self.assertEqual(client.read_chunk(), b"data: %d\n\n" % number)

    def test_status_and_head(self):
        with self.gateway.connect() as client:
            self.assertEqual(client.ask("GET", "/module/status/404").status, 404)
            self.assertEqual(client.ask("GET", "/module/status/204").status, 204)
            answer = client.ask("HEAD", "/module/b/1000")
            self.assertEqual((answer.status, answer.header("content-length")), (200, "1000"))
            self.assertEqual(client.ask("GET", "/module/b/3").body, pattern(3))


class Limits(harness.Case):
    def test_over_its_limit_a_body_is_refused(self):
        self.packages.app("small", "app.so", PERSISTENT + "maxBodySize: 1kb\n")
        gateway = self.start()
        self.assertEqual(gateway.post("/small/echo", b"x" * 1024).status, 200)
        self.assertEqual(gateway.post("/small/echo", b"x" * 1025).status, 413)
        answer = gateway.post("/small/echo", chunked(b"x" * 1000, b"y" * 1000),
                              {"Transfer-Encoding": "chunked"})
        self.assertEqual(answer.status, 413)


class Uploads(harness.Case):
    """Bodies of a declared length go straight into the worker's memory."""

    SIZE = 3_000_000

    def setUp(self):
        super().setUp()
        self.packages.app("app", "app.so", PERSISTENT + "workersMax: 1\n")
        self.gateway = self.start()

    def begin(self, client, path="/app/count", extra=""):
        client.send(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {self.SIZE}\r\n"
                    f"{extra}\r\n".encode())

    def pid(self):
        return int(about(self.gateway.get("/app/about"))["pid"])

    def test_what_stands_behind_the_body_is_the_next_request(self):
        body, following = pattern(self.SIZE), make_request("GET", "/app/b/10")
        for cut in (0, 1, 65536, len(following)):
            with self.gateway.connect() as client:
                self.begin(client, "/app/echo")
                reader = threading.Thread(target=client.send, args=(body + following[:cut],))
                reader.start()
                self.assertEqual(client.read_response().body, body)
                reader.join()
                client.send(following[cut:])
                self.assertEqual(client.read_response().body, pattern(10))

    def test_trickles_pass_on_and_continue_is_said(self):
        with self.gateway.connect() as client:
            self.begin(client, "/app/echo", "Expect: 100-continue\r\n")
            self.assertEqual(client.read_head().status, 100)
            client.send(b"a")
            self.assertEqual(client.read_head().status, 200)
            self.assertEqual(client.read_chunk(), b"a")
            for _ in range(20):
                client.send(b"bc")
                self.assertEqual(client.read_chunk(), b"bc")

    def test_the_worker_is_killed_in_the_middle(self):
        for _ in range(5):
            pid = self.pid()
            with self.gateway.connect() as client:
                self.begin(client, "/app/echo")
                client.send(b"x" * 100_000)
                self.assertEqual(client.read_head().status, 200)
                os.kill(pid, signal.SIGKILL)
                # The end of the answer, or, later, that nobody takes bytes any more.
                with self.assertRaises((Closed, ConnectionError)):
                    while True:
                        client.send(b"x")
                        client.read_chunk()
            self.assertNotEqual(self.pid(), pid)

    def test_the_client_goes_away_in_the_middle(self):
        pid = self.pid()
        before = len(os.listdir(f"/proc/{self.gateway.pid}/fd"))
        for how in ("close", "reset", "half"):
            client = self.gateway.connect()
            self.begin(client)
            client.send(b"x" * (self.SIZE // 2))
            if how == "half":
                client.finish_sending()
                with self.assertRaises(Closed):
                    client.read_response()
            if how == "reset":
                client.reset()
            client.close()
            self.assertEqual(self.pid(), pid)
        harness.wait_until(lambda: len(os.listdir(f"/proc/{self.gateway.pid}/fd")) <= before,
                           "their connections are closed")


class Departures(harness.Case):
    """Clients that leave while their app takes nothing of what they sent."""

    def leaves(self, client, path, leave):
        """Asleep in its handler the worker takes what its memory has room for, and no more."""
        pid = int(about(self.gateway.get("/idle/about"))["pid"])
        client.send(f"POST {path} HTTP/1.1\r\nHost: x\r\n"
                    "Content-Length: 500000000\r\n\r\n".encode())
        client.socket.settimeout(0.3)
        with self.assertRaises(TimeoutError):
            while True:
                client.send(b"x" * 65536)
        leave()
        self.gateway.logged(path)
        os.kill(pid, signal.SIGKILL)

    def test_are_noticed(self):
        self.packages.app("idle", "app.so", "ttl: 1h\ntimeout: 60s\nworkersMax: 1\n"
                          "maxBodySize: 1gb\n")
        path, port = os.path.join(self.packages.root, "socket"), harness.free_port()
        self.gateway = self.launch({
            "RUNTIME_LISTEN": f"127.0.0.1:{port} unix:{path}", "RUNTIME_CONFIG":
            self.packages.write("ringtime.yaml", "timeouts: {bodyWindow: 1s}\n")})
        self.gateway.port = port
        self.gateway.wait_ready()
        with self.gateway.connect() as client:
            self.leaves(client, "/idle/sleep/600000", client.reset)
        # Here an end is seen however much stands before it.
        with UnixClient(path) as client:
            self.leaves(client, "/idle/sleep/600001", client.finish_sending)


class Life(harness.Case):
    def test_a_killed_worker_hurts_only_its_own_requests(self):
        """Under load: other requests unaffected, at most the in-flight ones 502, soon replaced."""
        self.packages.app("victim", "app.so", PERSISTENT + "workers: 2\n")
        self.packages.app("other", "app.so", PERSISTENT + "workers: 1\n")
        gateway = self.start()
        ended, results = threading.Event(), {"victim": [], "other": []}

        def load(app):
            with gateway.connect() as client:
                while not ended.is_set():
                    answer = client.ask("GET", f"/{app}/about")
                    results[app].append(answer.status)

        threads = [threading.Thread(target=load, args=(app,)) for app in ("victim", "other") * 2]
        for thread in threads:
            thread.start()
        try:
            harness.wait_until(lambda: len(results["victim"]) > 200, "load runs")
            pid = int(about(gateway.get("/victim/about"))["pid"])
            os.kill(pid, signal.SIGKILL)
            harness.wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "it is reaped")
            count = len(results["victim"])
            harness.wait_until(lambda: len(results["victim"]) > count + 200, "load goes on")
        finally:
            ended.set()
            for thread in threads:
                thread.join()
        self.assertEqual(set(results["other"]), {200})
        bad = [status for status in results["victim"] if status != 200]
        self.assertLessEqual(len(bad), 2, "more failed than was in flight")
        self.assertEqual(set(bad) - {502}, set())

    def test_the_only_worker_is_replaced(self):
        self.packages.app("app", "app.so", PERSISTENT)
        gateway = self.start()
        pid = int(about(gateway.get("/app/about"))["pid"])
        os.kill(pid, signal.SIGKILL)
        harness.wait_until(lambda: gateway.get("/app/about").status == 200, "a new one serves")
        self.assertNotEqual(int(about(gateway.get("/app/about"))["pid"]), pid)

    def test_a_crash_inside_a_request_is_502(self):
        self.packages.app("app", "app.so", PERSISTENT)
        gateway = self.start()
        answer = gateway.post("/app/crash", b"x", {"Accept": "application/json"})
        self.assertEqual(answer.status, 502)
        self.assertEqual(harness.json.loads(answer.body)["error"], "worker_crashed")
        harness.wait_until(lambda: gateway.get("/app/about").status == 200, "it serves again")

    def test_an_answer_that_breaks_off_does_not_look_complete(self):
        self.packages.app("app", "app.so", PERSISTENT)
        gateway = self.start()
        pid = int(about(gateway.get("/app/about"))["pid"])
        with gateway.connect() as client:
            client.request("GET", "/app/stream/500")
            client.read_head()
            client.read_chunk()
            os.kill(pid, signal.SIGKILL)
            with self.assertRaises(Closed):
                while client.read_chunk():
                    pass
                client.read_to_end()
                self.fail("the cut answer ended cleanly")

    def test_a_slow_request_is_504_and_the_others_go_on(self):
        self.packages.app("app", "app.so", "ttl: 1h\ntimeout: 2s\nidleTimeout: 60s\nworkers: 2\n")
        gateway = self.start()
        with gateway.connect() as slow:
            slow.request("GET", "/app/sleep/60000")
            while not slow.has_bytes():
                self.assertEqual(gateway.get("/app/about").status, 200)
            self.assertEqual(slow.read_response().status, 504)

    def test_requests_of_a_busy_app_wait_and_are_all_answered(self):
        self.packages.app("app", "app.so", PERSISTENT + "workers: 2\nworkersMax: 2\n")
        gateway = self.start()
        clients = [gateway.connect() for _ in range(20)]
        for client in clients:
            client.request("GET", "/app/sleep/20")
        self.assertEqual([c.read_response().status for c in clients], [200] * 20)
        for client in clients:
            client.close()

    def test_an_ephemeral_app_gets_a_fresh_process_each_time(self):
        self.packages.app("app", "app.so", "ttl: 0\n")
        gateway = self.start()
        pids = [about(gateway.get("/app/about"))["pid"] for _ in range(5)]
        self.assertEqual(len(set(pids)), 5)

    def test_ephemeral_requests_beyond_the_limits_are_refused(self):
        self.packages.app("app", "app.so", "ttl: 0\n")
        gateway = self.start({"RUNTIME_EPHEMERAL_CONCURRENCY": "1", "RUNTIME_EPHEMERAL_QUEUE": "1",
                              "RUNTIME_CORES": "1"})
        clients = [gateway.connect() for _ in range(6)]
        for client in clients:
            client.send(b"POST /app/count HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n")

        def answered():
            return [client for client in clients if client.has_bytes(0)]
        harness.wait_until(lambda: len(answered()) == 4, "one is served and waits for its body, "
                           "one waits for its turn")
        refused = answered()
        answers = [client.read_response() for client in refused]
        self.assertEqual({answer.status for answer in answers}, {503})
        self.assertEqual({answer.header("retry-after") for answer in answers}, {"1"})
        for client in clients:
            if client not in refused:
                client.send(b"x")
        for client in clients:
            if client not in refused:
                self.assertEqual(client.read_response().body, b"1")
            client.close()

    def test_a_client_that_goes_away_frees_its_worker(self):
        self.packages.app("app", "app.so", PERSISTENT + "workers: 1\nworkersMax: 1\n")
        gateway = self.start()
        client = gateway.connect()
        client.request("GET", "/app/stream/100000")
        client.read_head()
        client.read_chunk()
        client.reset()
        # The only worker is free again long before its 100,000 events are over.
        self.assertEqual(gateway.get("/app/about").status, 200)

    def test_its_configuration_reaches_a_worker(self):
        self.packages.app("app", "app.so", PERSISTENT + "colour: red\nconfig:\n"
                          "  colour: {type: string, default: blue}\n"
                          "  pause: {type: duration, default: 2s}\n"
                          "  secret: {type: string, default: none, env: GATEWAY_SECRET}\n")
        gateway = self.start({"GATEWAY_SECRET": "x"})
        self.assertIn('WORKER_CONFIG={"colour":"red","pause":2000,"secret":"none"}',
                      gateway.get("/app/environment").body.decode().splitlines())

    def test_nothing_of_the_environment_reaches_a_worker(self):
        self.packages.app("app", "app.so", PERSISTENT + "env: {COLOUR: blue, API_KEY: no}\n")
        gateway = self.start({"GATEWAY_SECRET": "x"})
        lines = gateway.get("/app/environment").body.decode().splitlines()
        names = {line.split("=")[0] for line in lines}
        self.assertIn("COLOUR", names)
        self.assertNotIn("API_KEY", names)
        self.assertIn("WORKER_CONFIG={}", lines)
        self.assertNotIn("GATEWAY_SECRET", names)


class WebSockets(harness.Case):
    TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

    def setUp(self):
        super().setUp()
        self.packages.app("talk", "talker.so", PERSISTENT + "workersMax: 4\n")
        self.gateway = self.start()

    def test_messages_of_every_size_come_back(self):
        with self.gateway.connect() as client:
            socket = WebSocket(client, "/talk/")
            for size in (0, 1, 125, 126, 65535, 65536, 1 << 20):
                for kind in (self.TEXT, self.BINARY):
                    socket.send(pattern(size), kind)
                    self.assertEqual(socket.receive(), (kind, pattern(size)), size)
            socket.send("größer".encode(), self.TEXT, final=False)
            socket.send(b"ping", self.PING)  # Between the parts of a message.
            socket.send(b", ", 0, final=False)
            socket.send(b"and whole", 0)
            self.assertEqual(socket.receive(), (self.PONG, b"ping"))
            self.assertEqual(socket.receive(), (self.TEXT, "größer, and whole".encode()))
            socket.send(b"bye")
            self.assertEqual(socket.receive(), (self.CLOSE, b"\x0f\xa0as you wish"))
            client.wait_closed()
        self.assertEqual(self.gateway.logged("/talk/")["status"], 101)

    def test_what_breaks_the_protocol_is_told_why(self):
        def sent(data, opcode=self.TEXT, final=True):
            return lambda socket: socket.send(data, opcode, final)

        def raw(data):
            return lambda socket: socket.client.send(data)

        for what, act, code in (
                ("no mask", raw(b"\x81\x01x"), 1002),
                ("reserved bit", raw(b"\xc1\x80\0\0\0\0"), 1002),
                ("unknown kind", sent(b"", 3), 1002),
                ("unknown control", sent(b"", 11), 1002),
                ("control in parts", sent(b"", self.PING, False), 1002),
                ("long control", sent(b"x" * 126, self.PING), 1002),
                ("length not the shortest", raw(b"\x81\xfe\0\x01\0\0\0\0x"), 1002),
                ("a part of nothing", sent(b"", 0), 1002),
                ("not UTF-8", sent(b"\xc0\xaf"), 1007),
                ("half a surrogate", sent(b"\xed\xa0\x80"), 1007),
                ("too large", raw(b"\x81\xff" + (1 << 40).to_bytes(8, "big")), 1009),
                ("close code", sent(b"\x03\xed", self.CLOSE), 1002),
                ("close", sent(b"\x03\xe9", self.CLOSE), 1001),
                ("close without code", sent(b"", self.CLOSE), 1000)):
            with self.subTest(what=what), self.gateway.connect() as client:
                socket = WebSocket(client, "/talk/")
                act(socket)
                self.assertEqual(socket.receive(), (self.CLOSE, code.to_bytes(2, "big")))
                client.wait_closed()

    def test_what_is_no_handshake_is_refused(self):
        upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket")]
        version, key = ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "A" * 22 + "==")
        for method, fields, status in (
                ("GET", [], 426), ("GET", [version, key], 426), ("GET", [*upgrade, key], 426),
                ("GET", [*upgrade, key, ("Sec-WebSocket-Version", "8")], 426),
                ("GET", [*upgrade, version], 400), ("HEAD", [*upgrade, version, key], 426),
                ("GET", [*upgrade, version, ("Sec-WebSocket-Key", "short")], 400)):
            with self.subTest(fields=fields), self.gateway.connect() as client:
                client.send(make_request(method, "/talk/", fields))
                answer = client.read_response(method)
                self.assertEqual(answer.status, status)
                if status == 426:
                    self.assertEqual(answer.header("sec-websocket-version"), "13")

    def test_ends_of_either_side(self):
        with self.gateway.connect() as client:
            socket = WebSocket(client, "/talk/")
            socket.send(b"throw")
            client.wait_closed()
        with self.gateway.connect() as client:
            WebSocket(client, "/talk/")
            client.reset()
        with self.gateway.connect() as client:
            socket = WebSocket(client, "/talk/")
            for pid in harness.descendants(self.gateway.pid):
                if "worker:talk" in harness.command_line(pid):
                    os.kill(pid, signal.SIGKILL)
            client.wait_closed()
        harness.wait_until(lambda: self.gateway.get("/talk/").status == 426, "it serves again")


class Concurrency(harness.Case):
    def test_many_connections_and_both_apps(self):
        self.packages.app("module", "app.so", PERSISTENT + "workers: 2\n")
        self.packages.app("program", "app-program", PERSISTENT + "workers: 2\n")
        gateway = self.start()
        failures = []

        def client(number):
            try:
                with Client(gateway.port) as connection:
                    for size in range(number * 100, number * 100 + 5000, 250):
                        base = ("/module", "/program")[size // 250 % 2]
                        body = pattern(size)
                        if connection.ask("POST", base + "/echo", body=body).body != body:
                            failures.append(size)
            except Exception as error:
                failures.append(repr(error))

        threads = [threading.Thread(target=client, args=(n,)) for n in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])


if __name__ == "__main__":
    harness.main()
