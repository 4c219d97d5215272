"""A WebSocket client for the tests, on a connection that client.Client has opened."""

import base64
import hashlib
import os
import struct


class WebSocket:
    """The client's half of RFC 6455, as little of it as the tests need."""

    def __init__(self, client, path, headers=()):
        self.client = client
        key = base64.b64encode(os.urandom(16)).decode()
        answer = client.ask("GET", path, [("Connection", "Upgrade"), ("Upgrade", "websocket"),
                                          ("Sec-WebSocket-Version", "13"),
                                          ("Sec-WebSocket-Key", key), *headers])
        self.status = answer.status
        if answer.status == 101:
            assert answer.header("sec-websocket-accept") == accept_key(key), answer
            assert answer.header("upgrade") == "websocket", answer

    def send(self, payload, opcode=1, final=True):
        mask = os.urandom(4)
        size = len(payload)
        length = (bytes([0x80 | size]) if size < 126 else
                  bytes([0x80 | 126]) + struct.pack(">H", size) if size < 65536 else
                  bytes([0x80 | 127]) + struct.pack(">Q", size))
        pad = (mask * (size // 4 + 1))[:size]
        masked = (int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")
        self.client.send(bytes([(0x80 if final else 0) | opcode]) + length + mask + masked)

    def receive(self):
        first, second = self.client._take(2)
        size = second & 0x7f
        if size == 126:
            size, = struct.unpack(">H", self.client._take(2))
        elif size == 127:
            size, = struct.unpack(">Q", self.client._take(8))
        return first & 0xf, self.client._take(size)


def accept_key(key):
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    return base64.b64encode(digest).decode()
