#!/usr/bin/env python3
"""Proxying: every size and framing both ways, pooled connections, and a network that breaks."""

import socket
import threading

import harness
from client import Client, Closed, chunked, make_request
from servers import Gate, Upstream, pattern

SIZES = (0, 1, 100, 1000, 16384, 65535, 65536, 102400, 1 << 20, 5_000_000)


class Proxy(harness.Case):
    script = None
    extra = ""

    def setUp(self):
        super().setUp()
        self.upstream = self.add(Upstream(self.script) if self.script else Upstream())
        self.packages.proxy("up", "/up", self.upstream.port, self.extra)

    def tearDown(self):
        self.assertEqual(self.upstream.errors, [])


class Bodies(Proxy):
    def test_answers_of_every_size(self):
        gateway = self.start()
        with gateway.connect() as client:
            for size in SIZES:
                answer = client.ask("GET", f"/up/b/{size}")
                self.assertEqual(answer.header("content-length"), str(size))
                self.assertEqual(answer.body, pattern(size), size)
                self.assertEqual(client.ask("GET", f"/up/chunked/{size}").body, pattern(size), size)

    def test_requests_of_every_size(self):
        gateway = self.start()
        with gateway.connect() as client:
            for size in SIZES:
                body = pattern(size)
                self.assertEqual(client.ask("POST", "/up/", body=body).body, body, size)
                # An empty body may be announced or not.
                self.assertIn(self.upstream.requests[-1].framing, ("length", *[None][:not size]))
                pieces = [body[at:at + 9973] for at in range(0, size, 9973)]
                answer = client.ask("POST", "/up/", {"Transfer-Encoding": "chunked"},
                                    chunked(*pieces))
                self.assertEqual(answer.body, body, size)
                self.assertEqual(self.upstream.requests[-1].framing, "chunked")

    def test_pieces_of_any_shape(self):
        gate = self.add(Gate(self.upstream.port, piece=3))
        self.packages.proxy("trickle", "/trickle", gate.port)
        gateway = self.start()
        body = pattern(2000)
        data = make_request("POST", "/trickle/", {"Transfer-Encoding": "chunked"}, chunked(body))
        with gateway.connect() as client:
            for at in range(0, len(data), 7):
                client.send(data[at:at + 7])
            self.assertEqual(client.read_response().body, body)
            self.assertEqual(client.ask("GET", "/trickle/chunked/3000").body, pattern(3000))

    def test_head_and_empty_answers(self):
        gateway = self.start()
        with gateway.connect() as client:
            self.assertEqual(client.ask("HEAD", "/up/b/0").status, 200)
            self.assertEqual(client.ask("GET", "/up/b/5").body, pattern(5))

    def test_both_directions_at_once(self):
        """An echo that answers while it still reads: neither side may wait for the other."""
        def echo(connection, _):
            request = connection.read_head()
            left = int(request.header("content-length"))
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % left)
            while left:
                piece = connection.data or connection.socket.recv(65536)
                connection.send(piece)
                left -= len(piece)
                connection.data = bytearray()
        upstream = self.add(Upstream(echo))
        self.packages.proxy("echo", "/echo", upstream.port)
        gateway = self.start()
        body = pattern(20_000_000)
        with gateway.connect() as client:
            sender = threading.Thread(target=client.request, args=("POST", "/echo", (), body))
            sender.start()
            self.assertEqual(client.read_response().body, body)
            sender.join()


class Connections(Proxy):
    def test_upstream_connections_are_kept(self):
        gateway = self.start({"RUNTIME_CORES": "1"})
        for _ in range(20):
            self.assertEqual(gateway.get("/up/b/10").status, 200)
        self.assertEqual(self.upstream.connections, 1)

    def test_pipelined_requests_are_answered_in_order(self):
        gateway = self.start()
        with gateway.connect() as client:
            client.send(b"".join(make_request("GET", f"/up/b/{n}") for n in range(50)))
            for n in range(50):
                self.assertEqual(client.read_response().body, pattern(n))

    def test_connection_close_and_http_1_0(self):
        gateway = self.start()
        with gateway.connect() as client:
            answer = client.ask("GET", "/up/b/10", {"Connection": "close"})
            self.assertEqual((answer.header("connection"), answer.body), ("close", pattern(10)))
            client.wait_closed()
        with gateway.connect() as client:
            client.send(b"GET /up/chunked/100 HTTP/1.0\r\nHost: localhost\r\n\r\n")
            answer = client.read_response()
            self.assertIsNone(answer.header("transfer-encoding"))
            self.assertEqual(answer.body, pattern(100))

    def test_an_idle_connection_the_upstream_closed_is_not_used(self):
        def one_each(connection, upstream):
            upstream.requests.append(connection.read_request())
            connection.answer(b"once")
        upstream = self.add(Upstream(one_each))
        self.packages.proxy("once", "/once", upstream.port)
        gateway = self.start()
        for _ in range(20):
            answer = gateway.get("/once")
            self.assertEqual((answer.status, answer.body), (200, b"once"))

    def test_a_refused_connection_is_502(self):
        gateway = self.start()
        self.upstream.close()
        answer = gateway.get("/up/b/1", {"Accept": "application/json"})
        self.assertEqual(answer.status, 502)
        self.assertEqual(harness.json.loads(answer.body)["error"], "upstream_connect")

    def test_it_starts_before_its_upstream_does(self):
        self.packages.proxy("nobody", "/nobody", harness.free_port())
        gateway = self.start()
        self.assertEqual(gateway.get("/nobody").status, 502)
        self.assertEqual(gateway.get("/up/b/1").status, 200)


class Fields(Proxy):
    def test_what_an_upstream_sees(self):
        gateway = self.start()
        gateway.get("/up/a%20b?q=1%2f", [
            ("Host", "shop.example"), ("X-Own", "1"), ("Cookie", "a"), ("Cookie", "b"),
            ("Connection", "x-hop, keep-alive"), ("X-Hop", "1"), ("Keep-Alive", "timeout=1"),
            ("Proxy-Connection", "keep-alive"), ("TE", "trailers"), ("X-Identity", "root"),
            ("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-User", "root"), ("x-FORWARDED-email", "root"),
        ])
        seen = self.upstream.requests[0]
        self.assertEqual((seen.method, seen.version), ("GET", "HTTP/1.1"))
        self.assertEqual(seen.target, "/a%20b?q=1%2f")
        self.assertEqual(seen.header("host"), "shop.example")
        self.assertEqual(seen.header("x-own"), "1")
        self.assertEqual("; ".join(seen.all("cookie")), "a; b")
        for name in ("x-hop", "keep-alive", "proxy-connection", "x-identity",
                     "x-forwarded-user", "x-forwarded-email"):
            self.assertIsNone(seen.header(name), name)
        self.assertNotIn("6.6.6.6", seen.raw.decode())
        self.assertEqual(seen.header("x-forwarded-for"), "127.0.0.1")
        self.assertEqual(seen.header("x-forwarded-proto"), "http")
        self.assertIsNotNone(seen.header("x-request-id"))

    def test_what_a_client_sees(self):
        def answer(connection, _):
            while connection.read_request():
                connection.answer(b"x", headers=[
                    ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Connection", "x-hop"),
                    ("X-Hop", "1"), ("Keep-Alive", "timeout=5"), ("X-Own", "yes")])
        upstream = self.add(Upstream(answer))
        self.packages.proxy("fields", "/fields", upstream.port)
        gateway = self.start()
        with gateway.connect() as client:
            got = client.ask("GET", "/fields")
            self.assertEqual(got.all("set-cookie"), ["a=1", "b=2"])
            self.assertEqual(got.header("x-own"), "yes")
            self.assertIsNone(got.header("x-hop"))
            self.assertIsNone(got.header("keep-alive"))
            self.assertEqual(client.ask("GET", "/fields").status, 200)

    def test_trailers_pass_where_somebody_said_so(self):
        def answer(connection, upstream):
            while True:
                upstream.requests.append(connection.read_request())
                connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                                b"Trailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 5\r\n"
                                b"Content-Length: 9\r\nSet-Cookie: a=b\r\nX-Also: 1\r\n\r\n")
        upstream = self.add(Upstream(answer))
        self.packages.proxy("sums", "/sums", upstream.port)
        gateway = self.start()
        passing = [("x-sum", "5"), ("x-also", "1")]
        body = b"2\r\nhi\r\n0\r\nX-Sum: 2\r\nHost: evil\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n"
        with gateway.connect() as client:
            for te, seen in (("trailers", passing), ("gzip, Trailers", passing), ("gzip", [])):
                got = client.ask("GET", "/sums", {"TE": te, "Connection": "TE"})
                self.assertEqual((got.body, list(got.trailers)), (b"hello", seen), te)
                asked = upstream.requests[-1]
                self.assertEqual((asked.header("te"), asked.header("connection")),
                                 ("trailers", "te") if seen else (None, None))
            for said, seen in (({"Trailer": "X-Sum"}, [b"X-Sum: 2"]), ({}, [])):
                client.request("POST", "/sums", {"Transfer-Encoding": "chunked", **said}, body)
                self.assertEqual(client.read_response().trailers, [])
                self.assertEqual((upstream.requests[-1].body, upstream.requests[-1].trailers),
                                 (b"hi", seen))
            client.send(b"GET /sums HTTP/1.0\r\nHost: a\r\nTE: trailers\r\n\r\n")
            self.assertEqual(client.read_response().body, b"hello")

    def test_interim_answers_lose_what_is_the_hops(self):
        def hint(connection, _):
            while connection.read_request():
                connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n"
                                b"Connection: x-hop, close\r\nX-Hop: 1\r\nKeep-Alive: a\r\n\r\n")
                connection.answer(b"x")
        upstream = self.add(Upstream(hint))
        self.packages.proxy("hints", "/hints", upstream.port)
        with self.start().connect() as client:
            client.request("GET", "/hints")
            hints = client.read_head()
            self.assertEqual((hints.status, hints.header("link")), (103, "</a.css>"))
            for name in ("connection", "x-hop", "keep-alive", "content-length"):
                self.assertIsNone(hints.header(name), name)
            self.assertEqual(client.read_response().body, b"x")

    def test_expect_continue(self):
        gateway = self.start()
        with gateway.connect() as client:
            client.request("POST", "/up/", {"Expect": "100-continue", "Content-Length": "5"})
            self.assertEqual(client.read_head().status, 100)
            client.send(b"hello")
            self.assertEqual(client.read_response().body, b"hello")


class Breaks(Proxy):
    def gated(self, **options):
        gate = self.add(Gate(self.upstream.port, **options))
        self.packages.proxy("gated", "/gated", gate.port)
        return gate

    def test_a_cut_answer_never_looks_complete(self):
        cuts = {
            "/length": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 999,
            "/chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "/inside": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
            "/last": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        }

        def cut(connection, _):
            connection.send(cuts[connection.read_request().target])
        upstream = self.add(Upstream(cut))
        self.packages.proxy("cut", "/cut", upstream.port)
        gateway = self.start()
        for path in cuts:
            with gateway.connect() as client, self.subTest(path=path):
                with self.assertRaises(Closed):
                    answer = client.ask("GET", "/cut" + path)
                    if answer.status == 502:  # Noticed before a byte was sent: as good.
                        raise Closed(b"", "refused")

    def test_what_came_before_a_cut_is_delivered(self):
        # A reset may destroy bytes that are under way; where the framing shows the cut, and the
        # client has not read them yet, they arrive and then the stream ends.
        body = pattern(150_000)

        def cut(connection, _):
            request = connection.read_request()
            if request.target == "/close":
                connection.send(b"HTTP/1.1 200 OK\r\n\r\n" + body)
                return connection.reset()
            framing = b"Content-Length: 200000\r\n\r\n" + body
            if request.target == "/chunked":
                framing = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % 200_000 + body
            connection.send(b"HTTP/1.1 200 OK\r\n" + framing)
            connection.socket.shutdown(socket.SHUT_WR)
            connection.wait_closed()
        upstream = self.add(Upstream(cut))
        self.packages.proxy("cut", "/cut", upstream.port)
        gateway = self.start()
        for path in ("/length", "/chunked"):
            with self.subTest(path=path), gateway.connect() as client:
                client.request("GET", "/cut" + path)
                gateway.logged("/cut" + path)  # It is over for the gateway; only now it is read.
                head = client.read_head()
                self.assertEqual(head.status, 200)
                received = client.read_to_end()  # A reset would raise.
                self.assertNotIn(b"\r\n0\r\n", received)
                if path == "/length":
                    self.assertEqual(received, body)
                else:
                    self.assertGreaterEqual(len(received), len(body))
        # Nothing but a reset tells a client of 1.0 that an answer without a length is not whole.
        with gateway.connect() as client:
            client.send(b"GET /cut/close HTTP/1.0\r\nHost: a\r\n\r\n")
            with self.assertRaisesRegex(Closed, "reset"):
                client.read_head()
                client.read_to_end()

    def test_a_cut_head_is_502(self):
        gate = self.gated()
        gate.after(20)
        gateway = self.start()
        self.assertEqual(gateway.post("/gated/", b"x").status, 502)

    def test_wrong_answers_are_502_and_their_connections_are_gone(self):
        wrong = [b"garbage\r\n\r\n", b"HTTP/1.1 99 No\r\n\r\n", b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
                 b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
                 b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
                 b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                 b"0\r\n\r\n",
                 b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n",
                 b"HTTP/1.1 101 Switching Protocols\r\n\r\n"]
        served = []

        def answer(connection, _):
            connection.read_request()
            served.append(connection)
            connection.send(wrong[len(served) - 1])
            connection.wait_closed()
        upstream = self.add(Upstream(answer))
        self.packages.proxy("wrong", "/wrong", upstream.port)
        gateway = self.start()
        for bad in wrong:
            self.assertEqual(gateway.post("/wrong", b"x").status, 502, bad)
        self.assertEqual(upstream.connections, len(wrong))

    def test_a_client_that_goes_away_is_seen_by_the_upstream(self):
        gone = threading.Event()

        def endless(connection, _):
            connection.read_request()
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
            if connection.wait_closed():
                gone.set()
        upstream = self.add(Upstream(endless))
        self.packages.proxy("endless", "/endless", upstream.port)
        gateway = self.start()
        client = gateway.connect()
        client.request("GET", "/endless")
        client.read_head()
        self.assertEqual(client.read_chunk(), b"x")
        client.reset()
        self.assertTrue(gone.wait(harness.DEADLINE))

    def test_an_upload_that_breaks_off_never_ends_at_the_upstream(self):
        complete, gone = threading.Event(), threading.Event()

        def upload(connection, _):
            try:
                connection.read_request()
                complete.set()
            finally:
                gone.set()
        upstream = self.add(Upstream(upload))
        self.packages.proxy("upload", "/upload", upstream.port)
        gateway = self.start()
        ways = [(head, end) for head in ({"Content-Length": "1000"},
                                         {"Transfer-Encoding": "chunked"})
                for end in ("reset", "close")]
        for head, end in ways:
            gone.clear()
            before = upstream.connections
            client = gateway.connect()
            client.request("POST", "/upload", head)
            client.send(b"64\r\n" + b"x" * 100 + b"\r\n")
            harness.wait_until(lambda: upstream.connections > before, "the upload has begun")
            getattr(client, end)()
            self.assertTrue(gone.wait(harness.DEADLINE))
            self.assertFalse(complete.is_set())
        # Nobody was answered anything, least of all an error of the server's.
        logged = lambda: [entry for entry in gateway.access_log() if entry["target"] == "/upload"]
        harness.wait_until(lambda: len(logged()) == len(ways), logged)
        for entry in logged():
            self.assertEqual((entry["status"], entry["complete"]), (0, False), entry)

    def test_a_client_that_only_stopped_sending_gets_its_answer(self):
        gateway = self.start()
        with gateway.connect() as client:
            client.request("GET", "/up/b/100000")
            client.finish_sending()
            self.assertEqual(client.read_response().body, pattern(100000))
            client.wait_closed()

    def test_an_early_answer_is_passed_on_while_the_upload_goes_on(self):
        def refuse(connection, _):
            connection.read_head()
            connection.answer(b"no", "403 Forbidden", [("Connection", "close")])
            connection.wait_closed()
        upstream = self.add(Upstream(refuse))
        self.packages.proxy("refuse", "/refuse", upstream.port)
        gateway = self.start()
        with gateway.connect() as client:
            client.request("POST", "/refuse", {"Content-Length": "10000000"})
            client.send(b"x" * 1000)
            answer = client.read_response()
            self.assertEqual((answer.status, answer.body), (403, b"no"))

    def test_an_answer_outlives_the_upload_that_it_refuses(self):
        # The server answers and closes; what it has not read makes that a reset. The answer is
        # before it, whatever the gateway was doing when sending failed.
        def refuse(connection, _):
            size = int(connection.read_head().target[1:])
            connection.answer(pattern(size), "413 Too Large", [("Connection", "close")])
        upstream = self.add(Upstream(refuse))
        self.packages.proxy("refuse", "/refuse", upstream.port, "  passive: false\n")
        gateway = self.start()
        body = pattern(3_000_000)

        def upload(client):
            try:
                client.send(body)
            except OSError:
                pass  # It is told to stop.
        for turn in range(20):
            size = (10, 10_000)[turn % 2]
            with gateway.connect() as client:
                client.request("POST", f"/refuse/{size}", {"Content-Length": str(len(body))})
                sending = threading.Thread(target=upload, args=(client,))
                sending.start()
                answer = client.read_response()
                self.assertEqual((answer.status, answer.body), (413, pattern(size)))
                client.socket.shutdown(socket.SHUT_RDWR)
                sending.join()

    def test_a_stalled_reader_does_not_fill_the_gateway(self):
        """A slow client holds back its upstream: the gateway is no buffer."""
        sent = []

        def endless(connection, _):
            connection.read_request()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
            connection.socket.settimeout(1)
            piece = pattern(65536)
            try:
                while True:
                    connection.socket.send(piece)
                    sent.append(len(piece))
            except TimeoutError:
                sent.append("blocked")
            connection.wait_closed()
        upstream = self.add(Upstream(endless))
        self.packages.proxy("endless", "/endless", upstream.port)
        gateway = self.start()
        with Client(gateway.port, receive_buffer=4096) as client:
            client.request("GET", "/endless")
            client.read_head()
            harness.wait_until(lambda: sent and sent[-1] == "blocked", "back-pressure")
            # Two kernel buffers and the relay's window; a gateway that gathers has no bound.
            self.assertLess(sum(sent[:-1]), 32 << 20)
            self.assertEqual(gateway.get("/up/b/10").status, 200)


if __name__ == "__main__":
    harness.main()
