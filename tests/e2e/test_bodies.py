#!/usr/bin/env python3
"""Plugins that look at bodies: changed on their way, dropped, added to, paused, gathered."""

import harness
from client import Closed, chunked
from servers import Upstream, pattern


def answer_with_tag(connection, upstream):
    """GET: 3,000 bytes with everything that a changed body cannot keep. Else: the body back."""
    while True:
        request = connection.read_request()
        upstream.requests.append(request)
        if request.method == "POST":
            connection.answer(request.body)
            continue
        body = b"" if request.method == "HEAD" else pattern(3000)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\nETag: \"tag\"\r\n"
                        b"Accept-Ranges: bytes\r\n\r\n" + body)


class Bodies(harness.Case):
    plugin = "bodies"

    def setUp(self):
        super().setUp()
        self.upstream = self.add(Upstream(answer_with_tag))
        self.packages.plugin(self.plugin, f"{self.plugin}.so", "base: /plugin\n")
        self.packages.proxy("up", "/up", self.upstream.port)
        self.packages.site("site", {"index.html": "a site\n" * 1000})
        self.gateway = self.start()

    def tearDown(self):
        self.assertEqual(self.upstream.errors, [])


class Passing(Bodies):
    def ask(self, what, path="/up/", method="GET", headers=(), body=b""):
        return self.gateway.get(path, [("X-Body", what), *headers], method, body)

    def test_answers_are_changed_on_their_way(self):
        for path, body in (("/up/", pattern(3000)), ("/", b"a site\n" * 1000)):
            self.assertEqual(self.ask("none", path).body, body)
            self.assertEqual(self.ask("down-loud", path).body, body.upper())
            self.assertEqual(self.ask("down-drop", path).body, b"")
            self.assertEqual(self.ask("down-sign", path).body, body + b"-- signed\n")

    def test_a_changed_answer_promises_neither_length_nor_tag_nor_ranges(self):
        for method in ("GET", "HEAD"):
            answer = self.ask("down-loud", method=method, headers=[("Range", "bytes=0-9")])
            self.assertEqual(answer.status, 200)
            for name in ("content-length", "etag", "accept-ranges"):
                self.assertIsNone(answer.header(name), name)
            self.assertIsNone(self.upstream.requests[-1].header("range"))

    def test_requests_are_changed_on_their_way(self):
        for size in (1, 1000, 300_000):
            body = pattern(size)
            for headers, sent in (((), body), ((("Transfer-Encoding", "chunked"),), chunked(body))):
                answer = self.ask("up-loud", method="POST", headers=headers, body=sent)
                self.assertEqual(answer.body, body.upper())
                self.assertEqual(self.upstream.requests[-1].framing, "chunked")
        self.assertEqual(self.ask("up-sign", method="POST", body=b"x").body, b"x-- signed\n")

    def test_a_paused_body_goes_on(self):
        body = pattern(300_000)
        self.assertEqual(self.ask("up-late", method="POST", body=body).body, body)
        self.assertEqual(self.ask("down-late").body, pattern(3000))

    def test_it_fails_closed(self):
        for what in ("up-fail", "up-never"):
            self.assertEqual(self.ask(what, method="POST", body=b"x").status, 500)
        for what in ("down-fail", "down-never"):
            with self.assertRaises(Closed):
                self.ask(what)
        self.assertEqual(self.gateway.logged("hook_failed")["status"], 500)


class Gathering(Bodies):
    plugin = "gatherer"

    def test_the_whole_body_stands_before_the_hook(self):
        for size in (1, 5000, 100_000):
            body = pattern(size)
            for headers, sent in (((), body), ((("Transfer-Encoding", "chunked"),), chunked(body))):
                answer = self.gateway.get("/up/", headers, "POST", sent)
                self.assertEqual(answer.body, body)
                seen = self.upstream.requests[-1]
                self.assertEqual((seen.header("x-gathered"), seen.framing), (str(size), "length"))
        told = self.gateway.get("/up/", [("X-Body", "tell")], "POST", b"12345")
        self.assertEqual(told.body, b"5\n")

    def test_more_than_it_wants_is_413(self):
        count = len(self.upstream.requests)
        body = pattern(100_001)
        with self.gateway.connect() as client:
            client.send(b"POST /up/ HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n")
            self.assertEqual(client.read_response().status, 413)
        with self.gateway.connect() as client:
            client.send(b"POST /up/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
                        chunked(body))
            self.assertEqual(client.read_response().status, 413)
        self.assertEqual(len(self.upstream.requests), count)

    def test_requests_without_a_body(self):
        self.assertEqual(self.gateway.get("/up/").body, pattern(3000))
        self.assertEqual(self.upstream.requests[-1].header("x-gathered"), "0")


if __name__ == "__main__":
    harness.main()
