#!/usr/bin/env python3
"""Answers no server should give: the client gets 502 or a cut, and never somebody else's."""

import harness
from client import Closed
from servers import Upstream

OK = b"HTTP/1.1 200 OK\r\n"

# The gateway answers 502: nothing of these can be understood in one way only.
REFUSED = {
    "nothing of HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "HTTP/0.9": b"<html>hello</html>",
    "a bare line end first": b"\r\n" + OK + b"Content-Length: 0\r\n\r\n",
    "another protocol": b"ICY 200 OK\r\nContent-Length: 0\r\n\r\n",
    "lower case": b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "version 2": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "version without a dot": b"HTTP/11 200 OK\r\nContent-Length: 0\r\n\r\n",
    "version of two digits": b"HTTP/1.10 200 OK\r\nContent-Length: 0\r\n\r\n",
    "two digits of status": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "four digits of status": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "letters for a status": b"HTTP/1.1 2OO OK\r\nContent-Length: 0\r\n\r\n",
    "a sign before the status": b"HTTP/1.1 +200 OK\r\nContent-Length: 0\r\n\r\n",
    "status 099": b"HTTP/1.1 099 No\r\nContent-Length: 0\r\n\r\n",
    "two spaces": b"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n",
    "a tab": b"HTTP/1.1\t200 OK\r\nContent-Length: 0\r\n\r\n",
    "NUL in the phrase": b"HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n",
    "CR in the phrase": b"HTTP/1.1 200 O\rK\r\nContent-Length: 0\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "LF after one field": OK + b"A: b\nContent-Length: 0\r\n\r\n",
    "CR CR LF": OK + b"A: b\r\r\nContent-Length: 0\r\n\r\n",
    "a space before the colon": OK + b"Content-Length : 5\r\n\r\nhello",
    "a tab before the colon": OK + b"Content-Length\t: 5\r\n\r\nhello",
    "no colon": OK + b"Content-Length 5\r\n\r\nhello",
    "no name": OK + b": x\r\nContent-Length: 0\r\n\r\n",
    "a space before the first field": OK + b" A: b\r\nContent-Length: 0\r\n\r\n",
    "NUL in a name": OK + b"A\0B: x\r\nContent-Length: 0\r\n\r\n",
    "NUL in a value": OK + b"A: x\0y\r\nContent-Length: 0\r\n\r\n",
    "a control byte in a value": OK + b"A: x\x01y\r\nContent-Length: 0\r\n\r\n",
    "8 bits in a name": OK + b"\xc3\xa4: x\r\nContent-Length: 0\r\n\r\n",
    "two lengths": OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "a list of lengths": OK + b"Content-Length: 5, 6\r\n\r\nhello!",
    "an empty length": OK + b"Content-Length:\r\n\r\n",
    "a signed length": OK + b"Content-Length: +5\r\n\r\nhello",
    "a negative length": OK + b"Content-Length: -1\r\n\r\n",
    "a hexadecimal length": OK + b"Content-Length: 0x5\r\n\r\nhello",
    "a length with a blank": OK + b"Content-Length: 1 0\r\n\r\n0123456789",
    "a length beyond 63 bits": OK + b"Content-Length: 18446744073709551616\r\n\r\n",
    "a length and a coding":
        OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a coding and a length":
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "an unknown coding": OK + b"Transfer-Encoding: gzip\r\n\r\nx",
    "chunked twice": OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked on two lines":
        OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and then something": OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "something before chunked": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a parameter of chunked": OK + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    "a quoted coding": OK + b"Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
    "a vertical tab": OK + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a switch nobody asked for":
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "interim answers without end": b"HTTP/1.1 103 Hints\r\n\r\n" * 100,
    "more fields than anybody needs": OK + b"A: b\r\n" * 200 + b"Content-Length: 0\r\n\r\n",
    "a head without end": OK + b"A: " + b"x" * 200_000,
}

# The head is good, the body breaks off: the client sees that.
CUT = {
    "a bad chunk size": b"xyz\r\nhello\r\n0\r\n\r\n",
    "a signed chunk size": b"+5\r\nhello\r\n0\r\n\r\n",
    "a prefixed chunk size": b"0x5\r\nhello\r\n0\r\n\r\n",
    "a blank before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "an empty size": b"\r\nhello\r\n0\r\n\r\n",
    "a size beyond 63 bits": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "too long a chunk": b"5\r\nhello!\r\n0\r\n\r\n",
    "too short a chunk": b"5\r\nhell\r\n0\r\n\r\n",
    "LF behind the size": b"5\nhello\r\n0\r\n\r\n",
    "LF behind the data": b"5\r\nhello\n0\r\n\r\n",
    "a NUL in an extension": b"5;a=\0\r\nhello\r\n0\r\n\r\n",
    "a bad trailer": b"5\r\nhello\r\n0\r\nA b\r\n\r\n",
    "a trailer without end": b"5\r\nhello\r\n0\r\n" + b"A: b\r\n" * 5000,
    "an end too soon": b"5\r\nhello\r\n",
}


class BadAnswers(harness.Case):
    def setUp(self):
        super().setUp()
        self.answers = {f"/refused/{n}": bad for n, bad in enumerate(REFUSED.values())}
        for n, bad in enumerate(CUT.values()):
            self.answers[f"/cut/{n}"] = OK + b"Transfer-Encoding: chunked\r\n\r\n" + bad

        def answer(connection, upstream):
            while True:
                target = connection.read_request().target
                if target not in self.answers:
                    connection.answer(b"good")
                    continue
                connection.send(self.answers[target])
                connection.socket.shutdown(harness.socket.SHUT_WR)
                connection.wait_closed()
        self.upstream = self.add(Upstream(answer))
        self.packages.proxy("bad", "/bad", self.upstream.port, "  passive: false\n")
        self.gateway = self.start({"RUNTIME_CORES": "1"})

    def test_heads_that_cannot_be_understood_are_502(self):
        for n, name in enumerate(REFUSED):
            with self.subTest(name), self.gateway.connect() as client:
                got = client.ask("POST", f"/bad/refused/{n}", {"Accept": "application/json"}, b"x")
                self.assertEqual(got.status, 502)
                self.assertIn(harness.json.loads(got.body)["error"],
                              ("upstream_protocol", "upstream_reset"))
                # The next one on the same connection gets its own answer.
                self.assertEqual(client.ask("GET", "/bad/ok").body, b"good")

    def test_bodies_that_break_off_never_look_complete(self):
        for n, name in enumerate(CUT):
            with self.subTest(name), self.gateway.connect() as client:
                with self.assertRaises(Closed):
                    got = client.ask("POST", f"/bad/cut/{n}", body=b"x")
                    if got.status == 502:  # Noticed before a byte was sent: as good.
                        raise Closed(b"", "refused")
        self.assertEqual(self.gateway.get("/bad/ok").body, b"good")


if __name__ == "__main__":
    harness.main()
