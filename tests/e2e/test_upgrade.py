#!/usr/bin/env python3
"""Upgrades: a request that changes protocols becomes a tunnel, through whatever stands behind."""

import os
import signal
import socket
import struct
import threading

import harness
from client import Client, Closed, make_request
from servers import Upstream, pattern
from websocket import WebSocket, accept_key

OFFER = (("Connection", "Upgrade"), ("Upgrade", "echo/1"))
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\n"


def echo(connection, upstream):
    """Switches, then sends back what comes until FIN; answers anything else like a server."""
    while True:
        request = connection.read_request()
        upstream.requests.append(request)
        if not request.header("upgrade"):
            connection.answer(b"plain")
            continue
        connection.send(SWITCH)
        while True:
            piece = bytes(connection.data) or connection.socket.recv(65536)
            connection.data.clear()
            if not piece:
                return
            connection.send(piece)


def websocket_server(connection, upstream):
    """Echoes messages; answers a close frame and then closes."""
    request = connection.read_request()
    upstream.requests.append(request)
    accept = accept_key(request.header("sec-websocket-key"))
    connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                    b"Upgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n" % accept.encode())
    while True:
        first, second = connection.take(2)
        size = second & 0x7f
        if size == 126:
            size, = struct.unpack(">H", connection.take(2))
        elif size == 127:
            size, = struct.unpack(">Q", connection.take(8))
        mask = connection.take(4)
        payload = bytes(b ^ mask[i % 4] for i, b in enumerate(connection.take(size)))
        head = (bytes([first, size]) if size < 126 else
                bytes([first, 126]) + struct.pack(">H", size) if size < 65536 else
                bytes([first, 127]) + struct.pack(">Q", size))
        connection.send(head + payload)
        if first & 0xf == 8:
            return


class Upgrade(harness.Case):
    script = staticmethod(echo)
    extra = ""

    def setUp(self):
        super().setUp()
        self.upstream = self.add(Upstream(self.script))
        self.packages.proxy("up", "/up", self.upstream.port, self.extra)

    def tearDown(self):
        self.assertEqual(self.upstream.errors, [])

    def open(self, client, path="/up/x"):
        answer = client.ask("GET", path, OFFER)
        self.assertEqual((answer.status, answer.header("upgrade"), answer.header("connection")),
                         (101, "echo/1", "upgrade"))
        self.assertIsNone(answer.header("content-length"))
        self.assertIsNone(answer.header("transfer-encoding"))
        self.assertIsNotNone(answer.header("x-request-id"))


class Echo(Upgrade):
    def test_bytes_pass_both_ways(self):
        gateway = self.start()
        with gateway.connect() as client:
            self.open(client)
            for size in (1, 10, 70_000, 1):
                client.send(pattern(size))
                self.assertEqual(client._take(size), pattern(size))
            client.finish_sending()
            self.assertEqual(client.read_to_end(), b"")
        entry = gateway.logged("/up/x")
        self.assertEqual((entry["status"], entry["received"], entry["sent"]),
                         (101, 70_012, 70_012))
        self.assertNotIn("complete", entry)

    def test_bytes_behind_the_handshake_are_the_first_ones(self):
        def eager(connection, _):
            connection.read_head()
            connection.send(SWITCH + b"hello")
            self.assertEqual(connection.take(5), b"early")
            connection.send(b"bye")
        upstream = self.add(Upstream(eager))
        self.packages.proxy("eager", "/eager", upstream.port)
        gateway = self.start()
        with gateway.connect() as client:
            client.send(make_request("GET", "/eager", OFFER) + b"early")
            self.assertEqual(client.read_head().status, 101)
            self.assertEqual(client._take(8), b"hellobye")
            client.wait_closed()
        self.assertEqual(upstream.errors, [])

    def test_a_large_transfer_in_both_directions_at_once(self):
        gateway = self.start()
        body = pattern(20_000_000)
        with gateway.connect() as client:
            self.open(client)
            sender = threading.Thread(target=lambda: (client.send(body), client.finish_sending()))
            sender.start()
            self.assertEqual(client.read_to_end(), body)
            sender.join()

    def test_a_receiver_that_rests_stops_the_sender(self):
        """Back-pressure: an echo whose client does not read stops taking bytes, and goes on."""
        gateway = self.start()
        with Client(gateway.port, receive_buffer=4096) as client:
            self.open(client)
            client.socket.settimeout(1)
            sent = 0
            block = pattern(65536)
            with self.assertRaises(socket.timeout):
                while sent < 200_000_000:
                    sent += client.socket.send(block[sent % 65536:])
            client.socket.settimeout(harness.DEADLINE)
            taken = client._take(sent)
            self.assertEqual(taken, pattern(sent))

    def test_the_request_as_the_upstream_sees_it(self):
        gateway = self.start()
        with gateway.connect() as client:
            self.open(client, "/up/path?q=1")
        request = self.upstream.requests[-1]
        self.assertEqual((request.target, request.header("connection"), request.header("upgrade")),
                         ("/path?q=1", "upgrade", "echo/1"))
        self.assertEqual(request.header("x-forwarded-for"), "127.0.0.1")

    def test_a_tunnel_ends_with_its_upstream(self):
        def short(connection, _):
            connection.read_head()
            connection.send(SWITCH + b"that was all")
        upstream = self.add(Upstream(short))
        self.packages.proxy("short", "/short", upstream.port)
        gateway = self.start()
        with gateway.connect() as client:
            self.open(client, "/short")
            self.assertEqual(client.read_to_end(), b"that was all")


class Aborts(Upgrade):
    def test_a_client_that_resets_takes_the_upstream_with_it(self):
        ended = threading.Event()
        def watch(connection, _):
            connection.read_head()
            connection.send(SWITCH)
            connection.wait_closed()
            ended.set()
        upstream = self.add(Upstream(watch))
        self.packages.proxy("watch", "/watch", upstream.port)
        gateway = self.start()
        client = gateway.connect()
        self.open(client, "/watch")
        client.reset()
        self.assertTrue(ended.wait(harness.DEADLINE))
        entry = gateway.logged("/watch")
        self.assertEqual((entry["status"], entry["reason"], entry.get("complete")),
                         (101, "client_reset", False))

    def test_an_upstream_that_resets_is_a_reset(self):
        def break_off(connection, _):
            connection.read_head()
            connection.send(SWITCH + b"begin")
            connection.take(2)
            connection.reset()
        upstream = self.add(Upstream(break_off))
        self.packages.proxy("break", "/break", upstream.port)
        gateway = self.start()
        with gateway.connect() as client:
            self.open(client, "/break")
            self.assertEqual(client._take(5), b"begin")
            client.send(b"go")
            with self.assertRaises(Closed) as seen:
                client._take(1)
            self.assertIn("reset", str(seen.exception))
        self.assertEqual(gateway.logged("/break")["reason"], "upstream_reset")

    def test_draining_waits_for_tunnels_until_its_deadline(self):
        gateway = self.start({"RUNTIME_DRAIN": "4s"})
        with gateway.connect() as client:
            self.open(client)
            gateway.signal(signal.SIGTERM)
            harness.wait_until(lambda: "drain" in gateway.log(), "the gateway drains")
            client.send(b"still there")
            self.assertEqual(client._take(11), b"still there")
            with self.assertRaises(Closed):
                client._take(1)
        gateway.wait()
        self.assertEqual(gateway.logged("/up/x")["reason"], "draining")

    def test_a_quiet_tunnel_is_closed(self):
        config = self.packages.write("config.yaml", "timeouts: {tunnelIdle: 200ms}\n")
        gateway = self.start({"RUNTIME_CONFIG": config})
        with gateway.connect() as client:
            self.open(client)
            with self.assertRaises(Closed):
                client._take(1)
        self.assertEqual(gateway.logged("/up/x")["reason"], "idle")


class Refusals(Upgrade):
    def test_what_does_not_upgrade(self):
        """A body, HTTP/1.0, another method, no Connection option, h2c: served, not upgraded."""
        gateway = self.start()
        for data in (
                make_request("GET", "/up/", [*OFFER, ("Content-Length", "0")]),
                make_request("GET", "/up/", OFFER, b"body"),
                make_request("POST", "/up/", OFFER),
                make_request("GET", "/up/", [("Upgrade", "echo/1")]),
                make_request("GET", "/up/", [("Connection", "Upgrade"), ("Upgrade", "h2c")]),
                make_request("GET", "/up/", OFFER).replace(b"HTTP/1.1", b"HTTP/1.0")):
            with gateway.connect() as client:
                client.send(data)
                self.assertEqual(client.read_response().body, b"plain", data)
            self.assertIsNone(self.upstream.requests[-1].header("upgrade"))

    def test_an_upstream_that_declines_keeps_the_connection(self):
        def decline(connection, upstream):
            while True:
                upstream.requests.append(connection.read_request())
                connection.answer(b"no")
        upstream = self.add(Upstream(decline))
        self.packages.proxy("decline", "/decline", upstream.port)
        gateway = self.start({"RUNTIME_CORES": "1"})
        with gateway.connect() as client:
            for _ in range(3):
                self.assertEqual(client.ask("GET", "/decline", OFFER).body, b"no")
        self.assertEqual(upstream.connections, 1)

    def test_a_101_nobody_asked_for(self):
        def unasked(connection, _):
            connection.read_head()
            connection.send(SWITCH)
            connection.wait_closed()
        upstream = self.add(Upstream(unasked))
        self.packages.proxy("unasked", "/unasked", upstream.port)
        gateway = self.start()
        self.assertEqual(gateway.get("/unasked").status, 502)
        other = [("Connection", "Upgrade"), ("Upgrade", "other/2")]
        self.assertEqual(gateway.get("/unasked", other).status, 502)

    def test_an_upstream_with_websocket_off(self):
        self.packages.proxy("off", "/off", self.upstream.port, "  websocket: false\n")
        gateway = self.start()
        self.assertEqual(gateway.get("/off/", OFFER).body, b"plain")
        self.assertIsNone(self.upstream.requests[-1].header("upgrade"))


class Worker(Upgrade):
    def test_bytes_pass_both_ways(self):
        self.packages.app("app", "app.so")
        gateway = self.start()
        with gateway.connect() as client:
            client.send(make_request("GET", "/app/tunnel", OFFER) + b"early")
            answer = client.read_head()
            self.assertEqual((answer.status, answer.header("upgrade")), (101, "echo/1"))
            self.assertEqual(client._take(5), b"early")
            for size in (1, 70_000, 1):
                client.send(pattern(size))
                self.assertEqual(client._take(size), pattern(size))
            body = pattern(5_000_000)
            sender = threading.Thread(target=lambda: (client.send(body), client.finish_sending()))
            sender.start()
            self.assertEqual(client.read_to_end(), body)
            sender.join()
        self.assertEqual(gateway.logged("/app/tunnel")["status"], 101)

    def test_a_worker_may_decline_or_not_be_asked(self):
        self.packages.app("app", "app.so")
        gateway = self.start()
        with gateway.connect() as client:
            for path, headers, status in (("/app/about", OFFER, 200), ("/app/echo", OFFER, 200),
                                          ("/app/tunnel", (), 426)):
                self.assertEqual(client.ask("GET", path, headers).status, status)

    def test_a_protocol_that_was_not_offered_is_502(self):
        self.packages.app("app", "app.so")
        gateway = self.start()
        other = [("Connection", "Upgrade"), ("Upgrade", "other/2")]
        self.assertEqual(gateway.get("/app/tunnel", other).status, 502)

    def test_a_client_that_resets_frees_the_worker(self):
        self.packages.app("app", "app.so")
        gateway = self.start()
        client = gateway.connect()
        self.open(client, "/app/tunnel")
        client.reset()
        self.assertEqual(gateway.get("/app/about").status, 200)


class Sockets(Upgrade):
    script = staticmethod(websocket_server)

    def test_websocket_through_an_upstream(self):
        gateway = self.start()
        with gateway.connect() as client:
            talk(self, WebSocket(client, "/up/chat"))
        entry = gateway.logged("/up/chat")
        self.assertEqual(entry["status"], 101)
        self.assertNotIn("complete", entry)


def talk(case, web_socket):
    case.assertEqual(web_socket.status, 101)
    for size in (0, 5, 125, 126, 70_000):
        payload = pattern(size)
        web_socket.send(payload)
        case.assertEqual(web_socket.receive(), (1, payload))
    web_socket.send(struct.pack(">H", 1000), opcode=8)
    case.assertEqual(web_socket.receive(), (8, struct.pack(">H", 1000)))
    web_socket.client.wait_closed()


if __name__ == "__main__":
    harness.main()
