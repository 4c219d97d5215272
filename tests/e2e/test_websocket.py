#!/usr/bin/env python3
"""WebSockets of a plugin: what RFC 6455 asks of a server, and clients that do not care."""

import harness
from client import Closed
from sockets import BINARY, CLOSE, PING, PONG, TEXT, WebSocket, frame


class Case(harness.Case):
    ping = 30_000  # Longer than a busy machine may keep a test from answering.

    def setUp(self):
        super().setUp()
        self.packages.plugin("butler", "butler.so", f"base: /butler\nping: {self.ping}\n")
        self.packages.site("site", {"index.html": "site"})
        self.gateway = self.start()

    def open(self, name="ann", headers=(), **how):
        client = self.add(harness.Client(self.gateway.port, **how))
        socket = WebSocket(client, f"/butler/chat?{name}", headers)
        self.assertEqual(socket.head.status, 101)
        self.assertEqual(socket.head.header("x-kind"), "chat")
        self.assertIsNotNone(socket.head.header("x-request-id"))
        self.assertEqual(socket.read(), (TEXT, f"welcome {name}".encode()))
        return socket

    def closed_with(self, name, code):
        harness.wait_until(lambda: f"socket {name} closed {code}" in self.gateway.log(),
                           lambda: f"on_close {code}: {self.gateway.log()[-500:]}")


class Sockets(Case):
    # --- Messages ---

    def test_messages_come_back(self):
        socket = self.open()
        for payload in (b"", b"x", b"y" * 125, b"z" * 126, b"w" * 65535, b"v" * 65536):
            for opcode in (TEXT, BINARY):
                socket.send(opcode, payload)
                self.assertEqual(socket.read(), (opcode, payload))

    def test_fragments_with_control_frames_between(self):
        socket = self.open()
        socket.send(TEXT, "κό".encode()[:3], fin=False)
        socket.send(PING, b"are you there?")
        self.assertEqual(socket.read(), (PONG, b"are you there?"))
        socket.send(0, "κό".encode()[3:], fin=False)
        socket.send(0, b"", fin=True)
        self.assertEqual(socket.read(), (TEXT, "κό".encode()))

    def test_many_frames_in_one_packet_and_one_frame_in_many(self):
        socket = self.open()
        socket.client.send(b"".join(frame(TEXT, b"%d" % n) for n in range(200)))
        for n in range(200):
            self.assertEqual(socket.read(), (TEXT, b"%d" % n))
        for byte in frame(BINARY, b"slow"):
            socket.client.send(bytes([byte]))
        self.assertEqual(socket.read(), (BINARY, b"slow"))

    def test_the_first_frame_right_behind_the_request(self):
        with self.gateway.connect() as client:
            client.send(b"GET /butler/chat?fast HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n"
                        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" +
                        frame(TEXT, b"early"))
            head = client.read_head()
            self.assertEqual(head.header("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
            socket = WebSocket.__new__(WebSocket)
            socket.client = client
            self.assertEqual({socket.read(), socket.read()},
                             {(TEXT, b"welcome fast"), (TEXT, b"early")})

    def test_a_message_from_another_thread(self):
        socket = self.open()
        socket.text("from a thread")
        self.assertEqual(socket.read(), (TEXT, b"from afar"))

    def test_an_event_that_throws_is_logged_and_the_socket_lives(self):
        socket = self.open()
        socket.text("throw")
        socket.text("still here")
        self.assertEqual(socket.read(), (TEXT, b"still here"))
        self.assertIn("butler: websocket threw: ", self.gateway.log())

    def test_a_subprotocol(self):
        socket = self.open(headers=[("Sec-WebSocket-Protocol", "butler.v1")])
        self.assertEqual(socket.head.header("sec-websocket-protocol"), "butler.v1")
        self.assertIsNone(self.open("bob").head.header("sec-websocket-protocol"))

    # --- Broadcasts and slow clients ---

    def test_a_broadcast_reaches_every_core(self):
        sockets = [self.open(f"n{n}") for n in range(8)]
        self.assertEqual(self.gateway.post("/butler/shout/10").body.split()[0], b"8")
        for socket in sockets:
            self.assertEqual(socket.read(), (TEXT, b"s" * 10))

    def test_a_client_that_does_not_read_is_closed_by_a_broadcast(self):
        self.open("slow", receive_buffer=4096)
        harness.wait_until(
            lambda: int(self.gateway.post("/butler/shout/50000").body.split()[1]) > 0,
            "never too slow")

    # --- Closing ---

    def test_the_client_closes(self):
        for code, reason in ((1000, b""), (1001, b"bye"), (3000, b"x" * 123)):
            socket = self.open(f"c{code}")
            socket.close_frame(code, reason)
            self.assertEqual(socket.read_close()[0], code)
            socket.client.finish_sending()
            self.assertEqual(socket.client.read_to_end(), b"")
            self.closed_with(f"c{code}", code)
        socket = self.open("none")
        socket.send(CLOSE)
        self.assertEqual(socket.read_close(), (None, b""))
        self.closed_with("none", 1005)

    def test_the_plugin_closes(self):
        socket = self.open("p")
        socket.text("close me")
        self.assertEqual(socket.read_close(), (4321, b"as you wish"))
        socket.close_frame(4321)
        self.assertEqual(socket.client.read_to_end(), b"")
        self.closed_with("p", 4321)

    def test_the_client_goes_without_a_word(self):
        self.open("fin").client.finish_sending()
        self.closed_with("fin", 1006)
        self.open("reset").client.reset()
        self.closed_with("reset", 1006)

    def test_sockets_close_when_the_gateway_drains(self):
        socket = self.open("d")
        self.gateway.signal()
        self.assertEqual(socket.read_close()[0], 1001)
        socket.close_frame(1001)
        self.assertEqual(self.gateway.wait(), 0)

    # --- What a client must not do ---

    def test_errors_close_with_their_code(self):
        cases = {
            "reserved": (frame(TEXT, b"x", reserved=4), 1002),
            "opcode": (frame(3, b"x"), 1002),
            "control": (frame(11), 1002),
            "unmasked": (frame(TEXT, b"x", mask=None), 1002),
            "continuation": (frame(0, b"x"), 1002),
            "nested": (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
            "longping": (frame(PING, b"p" * 126), 1002),
            "partping": (frame(PING, b"p", fin=False), 1002),
            "halfcode": (frame(CLOSE, b"\x03"), 1002),
            "badcode": (frame(CLOSE, b"\x03\xed"), 1002),
            "badreason": (frame(CLOSE, b"\x03\xe8\xff"), 1007),
            "utf8": (frame(TEXT, b"\xc0\xaf"), 1007),
            "cututf8": (frame(TEXT, b"\xe2\x82"), 1007),
            "large": (frame(TEXT, b"x" * 100_001), 1009),
            "parts": (frame(TEXT, b"x" * 60_000, fin=False) + frame(0, b"x" * 60_000), 1009),
        }
        for name, (wire, code) in cases.items():
            with self.subTest(name):
                socket = self.open(name)
                socket.client.send(wire)
                self.assertEqual(socket.read_close()[0], code)
                self.closed_with(name, code)
        self.assertEqual(self.gateway.get("/").status, 200)

    def test_requests_that_are_no_offer(self):
        good = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}

        def ask(**changes):
            fields = {**good, **{k.replace("_", "-"): v for k, v in changes.items()}}
            return self.gateway.get("/butler/chat",
                                    [(k, v) for k, v in fields.items() if v is not None])

        self.assertEqual(self.gateway.get("/butler/chat").status, 426)
        self.assertEqual(self.gateway.get("/butler/chat").header("upgrade"), "websocket")
        self.assertEqual(ask(Connection=None).status, 426)
        self.assertEqual(ask(Upgrade="h2c").status, 426)
        answer = ask(Sec_WebSocket_Version="12")
        self.assertEqual((answer.status, answer.header("sec-websocket-version")), (426, "13"))
        self.assertEqual(ask(Sec_WebSocket_Key="short").status, 400)
        self.assertEqual(ask(Sec_WebSocket_Key=None).status, 400)
        # In the form of the gateway's own errors.
        self.is_json_error(ask(Accept="application/json", Upgrade="h2c"), 426, "upgrade_required")
        answer = ask(Accept="application/json", Sec_WebSocket_Key="short")
        self.is_json_error(answer, 400, "bad_request")
        answer = ask(Upgrade=None)
        self.assertEqual((answer.body, answer.header("cache-control")),
                         (b"This is for WebSockets only.\n", "no-store"))


class Pings(Case):
    ping = 300

    def test_a_client_that_never_answers_pings(self):
        socket = self.open("mute")
        seen = 0
        try:
            while socket.frame()[0] == PING:
                seen += 1
        except (Closed, ConnectionError):
            pass  # Cut, which a client sees as a reset or an end.
        self.assertGreaterEqual(seen, 1)
        self.closed_with("mute", 1006)


if __name__ == "__main__":
    harness.main()
