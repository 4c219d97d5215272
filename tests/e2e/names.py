"""A name server that answers what a test says: A and AAAA records with a time to live."""

import socket
import struct
import threading


class NameServer:
    """`answers` and `answers6`: {name: ([addresses], time to live in seconds)}; other names do not
    exist. `questions` has what was asked. While `held` is set nothing is answered."""

    def __init__(self):
        self.answers, self.answers6, self.questions = {}, {}, []
        self.held = False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                question, peer = self.socket.recvfrom(4096)
                answer = question and self._answer(question)
                if answer and not self.held:
                    self.socket.sendto(answer, peer)
            except OSError:
                return

    def _answer(self, question):
        labels, at = [], 12
        while size := question[at]:
            labels.append(question[at + 1:at + 1 + size].decode())
            at += size + 1
        name = ".".join(labels).lower()
        kind, = struct.unpack_from(">H", question, at + 1)
        asked = question[12:at + 5]
        self.questions.append((name, kind))
        known = name in self.answers or name in self.answers6
        table = {1: self.answers, 28: self.answers6}.get(kind, {})
        addresses, ttl = table.get(name, ([], 0))
        records = b""
        for address in addresses:
            family = socket.AF_INET if kind == 1 else socket.AF_INET6
            packed = socket.inet_pton(family, address)
            records += struct.pack(">HHHIH", 0xC00C, kind, 1, ttl, len(packed)) + packed
        code = 0 if known else 3
        head = struct.pack(">HHHHHH", struct.unpack_from(">H", question)[0], 0x8180 | code, 1,
                           len(addresses), 0, 0)
        return head + asked + records

    def close(self):
        self.socket.close()
