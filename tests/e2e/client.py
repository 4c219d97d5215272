"""A client that sends exactly the bytes it is told to, and reads answers strictly.

A proxy's bugs hide where a forgiving client looks away: this one fails on every byte that should
not be there, and it never repairs a request.
"""

import select
import socket
import struct

# For what hangs; see harness.DEADLINE.
TIMEOUT = 60


class Closed(Exception):
    """The peer ended the connection inside, or in place of, an answer. `data`: what came before."""

    def __init__(self, data, what):
        super().__init__(f"{what} after {bytes(data[:200])!r}")
        self.data = bytes(data)


class Response:
    """One answer: `fields` keeps order and duplicates, names in lower case."""

    def __init__(self, status, fields, body=b"", trailers=()):
        self.status, self.fields, self.body, self.trailers = status, fields, body, list(trailers)

    def all(self, name):
        return [value for field, value in self.fields if field == name]

    def header(self, name):
        """The value of a field that may be there once."""
        values = self.all(name)
        if len(values) > 1:
            raise AssertionError(f"{name} is there {len(values)} times: {values}")
        return values[0] if values else None

    def __repr__(self):
        return f"<{self.status} {self.fields} {self.body[:80]!r}>"


def make_request(method, path, headers=(), body=b""):
    """A request head and body; Host and Content-Length are added where they are missing."""
    fields = list(headers.items() if isinstance(headers, dict) else headers)
    names = {name.lower() for name, _ in fields}
    if "host" not in names:
        fields.insert(0, ("Host", "localhost"))
    if body and not names & {"content-length", "transfer-encoding"}:
        fields.append(("Content-Length", str(len(body))))
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in fields)
    return head.encode("latin-1") + b"\r\n" + body


def chunked(*pieces):
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces if p) + b"0\r\n\r\n"


class Client:
    """One connection."""

    def __init__(self, port, receive_buffer=None, timeout=TIMEOUT):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.socket.connect(("127.0.0.1", port))
        except OSError:
            self.socket.close()
            raise
        self.data = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Ends the connection with RST, as a crashed client's kernel does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def finish_sending(self):
        self.socket.shutdown(socket.SHUT_WR)

    def send(self, data):
        self.socket.sendall(data)

    def request(self, method, path, headers=(), body=b""):
        self.send(make_request(method, path, headers, body))

    def ask(self, method, path, headers=(), body=b""):
        self.request(method, path, headers, body)
        return self.read_response(method)

    # ---- Reading ----

    def _more(self):
        try:
            piece = self.socket.recv(256 * 1024)
        except ConnectionResetError:
            raise Closed(self.data, "reset") from None
        if not piece:
            raise Closed(self.data, "closed")
        self.data += piece

    def _take(self, count):
        while len(self.data) < count:
            self._more()
        taken = bytes(self.data[:count])
        del self.data[:count]
        return taken

    def _line(self):
        while (end := self.data.find(b"\n")) < 0:
            self._more()
        line = self._take(end + 1)
        if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
            raise AssertionError(f"a line does not end with CRLF: {line!r}")
        return line[:-2].decode("latin-1")

    def _fields(self):
        fields = []
        while line := self._line():
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip() or line[0] in " \t":
                raise AssertionError(f"not a field line: {line!r}")
            fields.append((name.lower(), value.strip(" \t")))
        return fields

    def read_head(self):
        version, _, rest = self._line().partition(" ")
        status, _, _ = rest.partition(" ")
        if version != "HTTP/1.1" or len(status) != 3:
            raise AssertionError(f"not a status line: {version} {rest}")
        return Response(int(status), self._fields())

    def read_chunk(self):
        """The next chunk, b"" for the last one."""
        size = int(self._line().split(";")[0], 16)
        if size == 0:
            return b""
        data = self._take(size)
        if self._take(2) != b"\r\n":
            raise AssertionError("a chunk does not end where it should")
        return data

    def read_response(self, method="GET", with_interim=False):
        """One whole answer; interim ones before it are skipped, or come first in a list."""
        interim = []
        while (response := self.read_head()).status < 200 and response.status != 101:
            interim.append(response)
        length, coding = response.header("content-length"), response.header("transfer-encoding")
        if length is not None and coding is not None:
            raise AssertionError("both Content-Length and Transfer-Encoding")
        if method == "HEAD" or response.status in (101, 204, 304):
            pass
        elif coding is not None:
            pieces = []
            while piece := self.read_chunk():
                pieces.append(piece)
            response.body, response.trailers = b"".join(pieces), self._fields()
        elif length is not None:
            response.body = self._take(int(length))
        else:
            response.body = self.read_to_end()
        return (interim, response) if with_interim else response

    def read_to_end(self):
        """Everything until a clean end; a reset is Closed."""
        try:
            while True:
                self._more()
        except Closed as end:
            if str(end).startswith("reset"):
                raise
        taken = bytes(self.data)
        self.data.clear()
        return taken

    def wait_closed(self):
        """Waits for the peer's end, clean or not; nothing may come before it."""
        try:
            rest = self.read_to_end()
        except Closed as end:
            rest = end.data
        if rest:
            raise AssertionError(f"unexpected bytes: {rest[:200]!r}")

    def has_bytes(self, seconds=0.01):
        """Whether something has come, or does within so long."""
        return bool(self.data) or bool(select.select([self.socket], [], [], seconds)[0])

    def is_open(self, seconds=0.3):
        """Whether nothing (no bytes, no end) comes for a while."""
        self.socket.settimeout(seconds)
        try:
            return not self.data and self.socket.recv(1, socket.MSG_PEEK) is None
        except socket.timeout:
            return True
        except OSError:
            return False
        finally:
            self.socket.settimeout(TIMEOUT)


def exchange(port, method, path, headers=(), body=b""):
    """One request on a connection of its own."""
    with Client(port) as client:
        return client.ask(method, path, headers, body)


class UnixClient(Client):
    """A connection to a socket of the unix domain."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(TIMEOUT)
        self.socket.connect(path)
        self.data = bytearray()
