#!/usr/bin/env python3
"""Hundreds of odd and hostile messages through the gateway, with an upstream that records.

The cases are data: messages/requests.txt and messages/responses.txt, where their format is told.
The peers are those of the other suites and not varnishtest's: a case is one line of data for both
sides, is sent whole and in pieces, and is judged against the bytes the upstream recorded.
"""

import os
import re
import shlex
import socket
import threading

import harness
from client import Client, Closed
from servers import Upstream

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "messages")
MARK = b"GET /behind HTTP/1.1\r\nHost: a\r\n\r\n"


def unescape(text):
    """\\r, \\xNN and so on as bytes, and <text*count> repeated."""
    text = re.sub(r"<([^<]*?)\*(\d+)>", lambda m: m[1] * int(m[2]), text)
    return re.sub(rb"\\(x[0-9a-fA-F]{2}|.)",
                  lambda m: {b"r": b"\r", b"n": b"\n", b"t": b"\t"}.get(m[1]) or
                  (bytes([int(m[1][1:], 16)]) if len(m[1]) == 3 else m[1]), text.encode("utf-8"))


class Message:
    """One case: `verdict`, the words behind it, and the bytes."""

    def __init__(self, line, number, head, text):
        self.line, self.number, self.raw = line, number, unescape(text)
        words = head.split()
        self.verdict = words[0]
        self.what = words[1] if self.verdict in ("refuse", "pass", "local", "cut") else ""
        self.options = {}
        for word in words[1:]:
            name, equals, value = word.partition("=")
            if equals and name in ("body", "method", "without", "to", "then", "interim", "fields"):
                self.options.setdefault(name, []).append(unescape(value))
        self.flags = set(words[1:])

    def option(self, name, otherwise=None):
        return self.options.get(name, [otherwise])[0]

    def __repr__(self):
        return f"line {self.line}, word {self.number}: {self.raw[:120]!r}"


def read_messages(name):
    cases = []
    with open(os.path.join(FOLDER, name), encoding="utf-8") as f:
        lines = f.read().split("\n")
    at = 0
    while at < len(lines):
        if not lines[at] or lines[at].startswith("#"):
            at += 1
            continue
        first, head = at + 1, lines[at]
        at += 1
        words = [None]
        if lines[at].startswith("@ "):
            words = lines[at][2:].split()
            at += 1
        text = ""
        while lines[at]:
            text += lines[at] if lines[at] != '""' else ""
            at += 1
        for number, word in enumerate(words):
            replaced = [part if word is None else part.replace("@", "" if word == '""' else word)
                        for part in (head, text)]
            cases.append(Message(first, number + 1, *replaced))
    return cases


class Recorder(Upstream):
    """An upstream that keeps every byte it gets, and answers each request with 200 and `ok`."""

    def __init__(self):
        super().__init__(self.serve)
        self.streams = []

    @staticmethod
    def serve(connection, upstream):
        received = bytearray()
        upstream.streams.append(received)
        more = connection._more

        def record():
            before = len(connection.data)
            more()
            received.extend(connection.data[before:])
        connection._more = record
        while True:
            request = connection.read_request()
            upstream.requests.append(request)
            head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
            connection.send(head + (b"" if request.method == "HEAD" else b"ok"))


def check_sent(stream):
    """What the gateway sends is cut at the same places by the sloppiest of readers: all lines end
    in CRLF and only there, and there is at most one thing that says where a body ends."""
    at = 0
    while at < len(stream):
        end = stream.find(b"\r\n\r\n", at)
        if end < 0:
            return
        lines = bytes(stream[at:end]).split(b"\r\n")
        for line in lines:
            assert not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", line), line
        first = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e]+ HTTP/1\.1"
        assert re.fullmatch(first, lines[0]), lines[0]
        names = [line.partition(b":")[0].lower() for line in lines[1:]]
        for name in names:
            assert re.fullmatch(rb"[!#$%&'*+.^_`|~0-9a-z-]+", name), name
        assert names.count(b"host") == 1, lines
        assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1, lines
        at = end + 4
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                assert re.fullmatch(rb"[0-9]+", value.strip()), line
                at += int(value)
            if name.lower() == b"transfer-encoding":
                assert value.strip() == b"chunked", line
                while True:
                    end = stream.find(b"\r\n", at)
                    if end < 0:
                        return
                    assert re.fullmatch(rb"[0-9a-f]+", stream[at:end]), stream[at:end]
                    size = int(stream[at:end], 16)
                    at = end + 2 + size + 2
                    assert len(stream) < at or stream[at - 2:at] == b"\r\n"
                    if size == 0:
                        break


class Requests(harness.Case):
    def setUp(self):
        super().setUp()
        self.upstream = self.add(Recorder())
        self.packages.proxy("all", "/", self.upstream.port)
        self.gateway = self.start()

    def tearDown(self):
        self.assertEqual(self.gateway.get("/after").body, b"ok")
        self.assertEqual(self.upstream.errors, [])
        for stream in self.upstream.streams:
            check_sent(stream)

    def settle(self):
        """Whatever is under way to the upstream has arrived there when this has."""
        self.gateway.get("/settled")
        return [r for r in self.upstream.requests if r.target != "/settled"]

    def send(self, client, case, step):
        """Whole, or `step` bytes at a time; the gateway may end the connection meanwhile."""
        try:
            for at in range(0, len(case.raw), step):
                client.send(case.raw[at:at + step])
            client.send(MARK)
        except OSError:
            pass

    def expect_refusal(self, client, case):
        answer = client.read_response("HEAD" if case.raw.startswith(b"HEAD ") else "GET")
        self.assertEqual(str(answer.status), case.what)
        self.assertEqual(answer.header("connection"), "close")
        self.assertIsNotNone(answer.header("x-request-id"))
        client.wait_closed()

    def expect_broken(self, client):
        try:
            answer = client.read_response()
            self.assertEqual(answer.status // 100, 4)
            client.wait_closed()
        except Closed as end:
            self.assertEqual(end.data, b"")

    def expect_pass(self, client, case):
        method = case.raw.lstrip(b"\r\n").split(b" ")[0].decode()
        answer = client.read_response(method)
        self.assertEqual(answer.status, 200)
        requests = [r for r in self.settle() if r.target != "/behind"]
        self.assertEqual(len(requests), 1, requests)
        self.assertEqual(requests[0].target.encode(), unescape(case.what))
        self.assertEqual(requests[0].method, method)
        self.assertEqual(requests[0].body, case.option("body", b""))
        self.assertEqual(requests[0].trailers, [])
        head = case.raw.partition(b"\r\n\r\n")[0].split(b"\r\n")
        for name in case.options.get("without", []):
            given = {line.partition(b":")[2].strip().decode("latin-1") for line in head
                     if line.partition(b":")[0].lower() == name.lower()}
            self.assertTrue(given)
            self.assertFalse(given & set(requests[0].all(name.decode().lower())), requests[0])
        if "close" in case.flags:
            client.wait_closed()
        else:
            self.assertEqual(client.read_response().body, b"ok")

    def expect_local(self, client, case):
        self.assertEqual(str(client.read_response().status), case.what)
        self.assertEqual(client.read_response().body, b"ok")
        self.assertEqual([r.target for r in self.settle()], ["/behind"])

    def run_case(self, case, step):
        self.upstream.requests.clear()
        with self.gateway.connect() as client:
            self.send(client, case, step)
            if case.verdict == "refuse":
                self.expect_refusal(client, case)
            elif case.verdict == "broken":
                self.expect_broken(client)
            elif case.verdict == "local":
                return self.expect_local(client, case)
            else:
                return self.expect_pass(client, case)
        self.assertEqual(self.settle(), [])

    def run_all(self, step, longest):
        count = 0
        for case in read_messages("requests.txt"):
            if len(case.raw) > longest:
                continue
            with self.subTest(case=case):
                self.run_case(case, step)
            count += 1
        return count

    def test_each_is_understood_or_refused_as_a_whole(self):
        self.assertGreater(self.run_all(1 << 20, 1 << 20), 500)

    def test_and_in_the_same_way_when_it_comes_in_pieces(self):
        self.assertGreater(self.run_all(3, 300), 450)


class Scripted(Upstream):
    """An upstream that answers /case with the message in force, everything else with `next`."""

    def __init__(self):
        super().__init__(self.serve)
        self.case, self.served = None, []

    @staticmethod
    def serve(connection, upstream):
        while True:
            request = connection.read_request()
            if request.target != "/case":
                upstream.served.append(connection.number)
                connection.answer(b"next")
                continue
            upstream.case_connection = connection.number
            case = upstream.case
            connection.send(case.raw)
            then = case.option("then")
            if then == b"reset":
                return connection.reset()
            if then == b"close":
                connection.socket.shutdown(socket.SHUT_WR)
                connection.wait_closed()
                return


class Responses(harness.Case):
    def setUp(self):
        super().setUp()
        self.upstream = self.add(Scripted())
        # One core: then the next request finds the same pool.
        self.packages.proxy("all", "/", self.upstream.port, "  retries: {max: 0}\n")
        self.gateway = self.start({"RUNTIME_CORES": "1"})

    def read(self, client, case):
        method = "HEAD" if case.option("to") == b"HEAD" else "GET"
        version = "1.0" if case.option("to") == b"1.0" else "1.1"
        # POST is not sent a second time, whatever becomes of it.
        method = "POST" if case.verdict == "502" and method == "GET" else method
        length = "Content-Length: 0\r\n" if method == "POST" else ""
        client.send(f"{method} /case HTTP/{version}\r\nHost: a\r\n{length}\r\n".encode())
        return client.read_response(method, with_interim=True)

    def run_case(self, case):
        self.upstream.case, self.upstream.served = case, []
        open_still = False
        with self.gateway.connect() as client:
            if case.verdict == "cut":
                with self.assertRaises(Closed) as caught:
                    interim, answer = self.read(client, case)
                    # Noticed before a byte of it was sent: as good.
                    self.assertEqual(answer.status, 502)
                    raise Closed(b"", "answered 502")
                self.assertNotIn(b"poisoned", caught.exception.data)
            else:
                interim, answer = self.read(client, case)
                self.assertEqual(str(answer.status), case.what or "502")
                if "body" in case.options:
                    self.assertEqual(answer.body, case.option("body"))
                for head in [*interim, answer]:
                    self.check_lacks(head, case)
                self.check_fields(answer, case)
                if "interim" in case.options:
                    self.assertEqual(len(interim), int(case.option("interim")))
                open_still = answer.header("connection") != "close" and case.option("to") != b"1.0"
            if open_still:
                self.assertEqual(client.ask("GET", "/next").body, b"next")
            elif case.verdict != "cut":
                client.wait_closed()
        self.assertEqual(self.gateway.get("/next").body, b"next")
        reused = self.upstream.case_connection in self.upstream.served
        self.assertEqual(reused, "reused" in case.flags)

    def check_fields(self, answer, case):
        for wanted in case.options.get("fields", []):
            name, _, value = wanted.decode().partition(":")
            self.assertIn(value, answer.all(name.lower()))

    def check_lacks(self, answer, case):
        for name in case.options.get("without", []):
            self.assertEqual(answer.all(name.decode().lower()), [])

    def test_each_is_relayed_or_a_502(self):
        cases = read_messages("responses.txt")
        self.assertGreater(len(cases), 150)
        for case in cases:
            with self.subTest(case=case):
                self.run_case(case)
        self.assertEqual(self.upstream.errors, [])


if __name__ == "__main__":
    harness.main()
