"""A WebSocket client (RFC 6455) that can also do everything a client must not."""

import base64
import hashlib
import os
import struct

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(opcode, payload=b"", fin=True, mask=b"\x01\x02\x03\x04", reserved=0):
    """One frame; a mask of None leaves it out."""
    head = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
    masked = 0x80 if mask is not None else 0
    size = len(payload)
    if size < 126:
        head += bytes([masked | size])
    elif size < 65536:
        head += struct.pack("!BH", masked | 126, size)
    else:
        head += struct.pack("!BQ", masked | 127, size)
    if mask is None:
        return head + payload
    wide = (mask * (size // 4 + 1))[:size]
    return head + mask + bytes(a ^ b for a, b in zip(payload, wide))


class WebSocket:
    """Upgrades `client` (client.Client), checks the answer, then speaks frames."""

    def __init__(self, client, path, headers=()):
        self.client = client
        key = base64.b64encode(os.urandom(16))
        client.request("GET", path, [
            ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", key.decode()), *headers])
        self.head = client.read_head()
        if self.head.status != 101:
            return
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
        if self.head.header("sec-websocket-accept") != accept:
            raise AssertionError("Sec-WebSocket-Accept is wrong")
        if self.head.header("upgrade").lower() != "websocket":
            raise AssertionError("no Upgrade in the answer")

    def send(self, opcode, payload=b"", **how):
        self.client.send(frame(opcode, payload, **how))

    def text(self, text):
        self.send(TEXT, text.encode())

    def close_frame(self, code=1000, reason=b""):
        self.send(CLOSE, struct.pack("!H", code) + reason)

    def frame(self):
        """The next frame: (opcode, payload); fragments and masks are errors here."""
        first, second = self.client._take(2)
        if not first & 0x80 or first & 0x70 or second & 0x80:
            raise AssertionError(f"not a frame of a server: {first:#x} {second:#x}")
        size = second & 0x7f
        if size == 126:
            size, = struct.unpack("!H", self.client._take(2))
        elif size == 127:
            size, = struct.unpack("!Q", self.client._take(8))
        return first & 0x0f, self.client._take(size)

    def read(self):
        """The next frame that is no ping, which is answered."""
        while True:
            opcode, payload = self.frame()
            if opcode != PING:
                return opcode, payload
            self.send(PONG, payload)

    def read_close(self):
        """(code, reason) of the close that has to come now, and then the end of the connection."""
        opcode, payload = self.read()
        if opcode != CLOSE:
            raise AssertionError(f"not a close: {opcode} {payload[:80]!r}")
        if not payload:
            return None, b""
        return struct.unpack("!H", payload[:2])[0], payload[2:]
