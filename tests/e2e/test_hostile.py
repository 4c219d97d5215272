#!/usr/bin/env python3
"""Requests that could be read in two ways, or that want too much: refused, and never forwarded."""

import harness
from client import Closed
from servers import Upstream, pattern

H = b"Host: a\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"

# raw bytes: the status they are refused with.
REFUSED = {
    # Framing that two readers could see differently.
    b"POST /up HTTP/1.1\r\n" + H + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n": 400,
    b"POST /up HTTP/1.1\r\n" + H + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!": 400,
    b"POST /up HTTP/1.1\r\n" + H + b"Content-Length: +5\r\n\r\nhello": 400,
    b"POST /up HTTP/1.1\r\n" + H + b"Content-Length: 0x5\r\n\r\nhello": 400,
    b"POST /up HTTP/1.1\r\n" + H + b"Content-Length: 99999999999999999999\r\n\r\n": 400,
    b"POST /up HTTP/1.1\r\n" + H + b"Content-Length:\r\n\r\n": 400,
    b"POST /up HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n": 400,
    b"POST /up HTTP/1.1\r\n" + H + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n": 501,
    b"POST /up HTTP/1.1\r\n" + H + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n": 501,
    b"POST /up HTTP/1.1\r\n" + H + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n": 400,
    b"POST /up HTTP/1.0\r\n" + H + CHUNKED + b"\r\n0\r\n\r\n": 400,
    b"POST /up HTTP/1.1\r\n" + H + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n": 400,
    b"POST /up HTTP/1.1\r\n" + H + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n": 400,
    # Lines that are none.
    b"GET /up HTTP/1.1\r\n" + H + b"A: b\r\n folded\r\n\r\n": 400,
    b"GET /up HTTP/1.1\r\n" + H + b"A: b\x00c\r\n\r\n": 400,
    b"GET /up HTTP/1.1\r\n" + H + b"A: b\rC: d\r\n\r\n": 400,
    b"GET /up HTTP/1.1\r\n" + H + b": nameless\r\n\r\n": 400,
    b"GET /up HTTP/1.1\r\n" + H + b"no colon\r\n\r\n": 400,
    b"GET /up HTTP/1.1\r\n" + H + b"B\xe9: c\r\n\r\n": 400,
    b"GET  /up HTTP/1.1\r\n" + H + b"\r\n": 400,
    b"GET /up  HTTP/1.1\r\n" + H + b"\r\n": 400,
    b"GET /up\r\n" + H + b"\r\n": 400,
    b"GET /up HTTP/1.1 \r\n" + H + b"\r\n": 400,
    b"G{}T /up HTTP/1.1\r\n" + H + b"\r\n": 400,
    b"GET /up http/1.1\r\n" + H + b"\r\n": 400,
    b"GET /up HTTP/2.0\r\n" + H + b"\r\n": 505,
    # Whose request is it?
    b"GET /up HTTP/1.1\r\n\r\n": 400,
    b"GET /up HTTP/1.1\r\n" + H + b"Host: b\r\n\r\n": 400,
    b"GET /up HTTP/1.1\r\nHost: a b\r\n\r\n": 400,
    b"GET /up HTTP/1.1\r\nHost: a/b\r\n\r\n": 400,
    b"GET /up HTTP/1.1\r\nHost: a@b\r\n\r\n": 400,
    # Paths that lead elsewhere.
    b"GET /up/%00 HTTP/1.1\r\n" + H + b"\r\n": 400,
    b"GET /up/%zz HTTP/1.1\r\n" + H + b"\r\n": 400,
    b"GET /up/\x01 HTTP/1.1\r\n" + H + b"\r\n": 400,
    b"GET /up#fragment HTTP/1.1\r\n" + H + b"\r\n": 400,
    b"GET up HTTP/1.1\r\n" + H + b"\r\n": 400,
    # Methods and wishes that are not served.
    b"CONNECT up:80 HTTP/1.1\r\nHost: up:80\r\n\r\n": 501,
    b"TRACE /up HTTP/1.1\r\n" + H + b"\r\n": 405,
    b"GET /up HTTP/1.1\r\n" + H + b"Expect: a miracle\r\n\r\n": 417,
    # Too much.
    b"GET /up/" + b"a" * 9000 + b" HTTP/1.1\r\n" + H + b"\r\n": 414,
    b"GET /up HTTP/1.1\r\n" + H + b"A: " + b"b" * 40000 + b"\r\n\r\n": 431,
    b"GET /up HTTP/1.1\r\n" + H + b"A: b\r\n" * 120 + b"\r\n": 431,
}

# Chunked bodies that break off the way they began.
BAD_CHUNKS = [b"x\r\n", b"5\nhello\r\n", b"5\r\nhelloX\r\n", b"-1\r\n", b"0x5\r\nhello\r\n",
              b"FFFFFFFFFFFFFFFFF\r\n", b" 5\r\nhello\r\n", b"5;" + b"e" * 70000,
              b"0\r\nTrailer : x\r\n\r\n"]

NOT_OURS = b"GET /up/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


class Hostile(harness.Case):
    def setUp(self):
        super().setUp()
        self.upstream = self.add(Upstream())
        self.packages.proxy("up", "/up", self.upstream.port)
        self.gateway = self.start()

    def test_each_is_refused_and_its_connection_closed(self):
        for raw, status in REFUSED.items():
            with self.gateway.connect() as client, self.subTest(raw=raw[:80]):
                # Whatever stands behind a refused request is not a request.
                client.send(raw + NOT_OURS)
                answer = client.read_response()
                self.assertEqual(answer.status, status)
                self.assertIsNotNone(answer.header("x-request-id"))
                try:
                    client.wait_closed()
                except Closed:
                    pass
        self.assertEqual([r.raw for r in self.upstream.requests], [])
        self.assertEqual(self.gateway.get("/up/b/10").status, 200)

    def test_byte_by_byte_they_are_refused_as_well(self):
        for raw, status in REFUSED.items():
            if len(raw) > 200:
                continue
            with self.gateway.connect() as client, self.subTest(raw=raw):
                try:
                    for at in range(len(raw)):
                        client.send(raw[at:at + 1])
                except OSError:
                    pass  # Refused before its end.
                self.assertEqual(client.read_response().status, status)
        self.assertEqual(self.upstream.requests, [])

    def test_the_server_itself_is_asked_for_its_options(self):
        # RFC 9110 9.3.7: no mount answers for it, not even one that takes every path.
        self.packages.site("site", {"index.html": "hello"})
        gateway = self.start()
        for raw in (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
                    b"OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n"):
            with gateway.connect() as client:
                client.send(raw * 2)
                for _ in range(2):
                    answer = client.read_response()
                    self.assertEqual(answer.status, 204)
                    self.assertIn("OPTIONS", answer.header("allow"))
        self.assertEqual(self.upstream.requests, [])

    def test_a_method_that_is_not_allowed_is_told_which_are(self):
        for raw in (b"TRACE /up HTTP/1.1\r\nHost: a\r\n\r\n",
                    b"DELETE /health HTTP/1.1\r\nHost: a\r\n\r\n"):
            with self.gateway.connect() as client:
                client.send(raw)
                answer = client.read_response()
                self.assertEqual(answer.status, 405)
                self.assertIn("GET", answer.header("allow"))

    def test_bad_chunks_never_complete_a_request(self):
        for bad in BAD_CHUNKS:
            with self.gateway.connect() as client, self.subTest(bad=bad[:40]):
                client.send(b"POST /up HTTP/1.1\r\n" + H + CHUNKED + b"\r\n3\r\nabc\r\n" + bad)
                try:
                    self.assertEqual(client.read_response().status, 400)
                except Closed:
                    pass  # The answer had no chance any more.
        self.assertEqual(self.upstream.requests, [])

    def test_a_body_nobody_reads_is_no_request(self):
        # RFC 9112 9.3, CVE-2025-4366: answered early it is drained, or the connection ends.
        smuggled = NOT_OURS * 3
        framings = [b"Content-Length: %d\r\n\r\n%s" % (len(smuggled), smuggled),
                    CHUNKED + b"\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(smuggled), smuggled),
                    # CVE-2024-24791: sent without waiting for the 100 that never comes.
                    b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n%s" %
                    (len(smuggled), smuggled),
                    # More than the gateway is willing to drain.
                    b"Content-Length: %d\r\n\r\n" % (1 << 24) + NOT_OURS * 20000]
        self.packages.proxy("down", "/down", harness.free_port())
        gateway = self.start()
        for head in (b"POST /nowhere", b"GET /nowhere", b"TRACE /up", b"POST /down",
                     b"DELETE /health", b"OPTIONS *"):
            for framing in framings:
                with gateway.connect() as client, self.subTest(head=head, framing=framing[:60]):
                    self.check_unread(client, head + b" HTTP/1.1\r\n" + H + framing)
        targets = {r.target for r in self.upstream.requests}
        self.assertLessEqual(targets, {"/b/7"})

    def check_unread(self, client, raw):
        try:
            client.send(raw + b"GET /up/b/7 HTTP/1.1\r\n" + H + b"\r\n")
        except OSError:
            pass  # It does not read on.
        try:
            first = client.read_response()
            self.assertIn(first.status, (204, 404, 405, 413, 502))
            if first.header("connection") != "close":
                self.assertEqual(client.read_response().body, pattern(7))
            client.finish_sending()
            client.wait_closed()
        except (Closed, OSError) as end:
            self.assertEqual(getattr(end, "data", b""), b"")

    def test_garbage(self):
        for raw in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", bytes(range(256)) * 10,
                    b"\r\n" * 50, b"\x00" * 1000, b"SSH-2.0-x\r\n"):
            with self.gateway.connect() as client, self.subTest(raw=raw[:30]):
                client.send(raw)
                client.finish_sending()
                try:
                    self.assertIn(client.read_response().status, (400, 408, 431, 501, 505))
                except Closed:
                    pass
        self.assertEqual(self.gateway.get("/up/b/10").status, 200)

    def test_paths_are_canonical_before_they_are_matched(self):
        for path in ("/up/../up/b/5", "/up/./b/5", "/%75p/b/5", "/x/%2e%2e/up/b/5"):
            self.assertEqual(self.gateway.get(path).body, pattern(5), path)
        self.assertEqual({r.target for r in self.upstream.requests}, {"/b/5"})
        count = len(self.upstream.requests)
        for path in ("/up/../other", "/upper", "/Up/b/5", "/up%2fb/5"):
            self.assertEqual(self.gateway.get(path).status, 404, path)
        for path in ("/../up", "/up/..\\x", "/up/%252e%252e/x", "/up/..;a/x", "/up/..%2fx"):
            self.assertEqual(self.gateway.get(path).status, 400, path)
        self.assertEqual(len(self.upstream.requests), count)

    def test_equal_lengths_and_lone_percents_in_queries_pass(self):
        with self.gateway.connect() as client:
            client.send(b"GET /up/b/5?a=100%&b=%zz HTTP/1.1\r\n" + H + b"\r\n")
            self.assertEqual(client.read_response().body, pattern(5))
            client.send(b"\r\nGET /up/b/6 HTTP/1.1\r\n" + H + b"\r\n")
            self.assertEqual(client.read_response().body, pattern(6))


if __name__ == "__main__":
    harness.main()
