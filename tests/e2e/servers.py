"""Upstreams that answer byte by byte as a script says, and a gate that breaks the network."""

import functools
import socket
import struct
import threading

from client import TIMEOUT


@functools.lru_cache(maxsize=64)
def pattern(size):
    """`size` bytes that show where a piece is missing or twice."""
    block = b"".join(b"%07d\n" % n for n in range(0, 65536, 8))
    return (block * (size // len(block) + 1))[:size]


class Connection:
    """An upstream's side of one connection; scripts use it."""

    def __init__(self, sock, number):
        self.socket, self.number = sock, number
        self.data = bytearray()
        sock.settimeout(TIMEOUT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _more(self):
        piece = self.socket.recv(256 * 1024)
        if not piece:
            raise EOFError
        self.data += piece

    def take(self, count):
        while len(self.data) < count:
            self._more()
        taken = bytes(self.data[:count])
        del self.data[:count]
        return taken

    def line(self):
        while (end := self.data.find(b"\r\n")) < 0:
            self._more()
        return self.take(end + 2)[:-2]

    def read_head(self):
        """The next request's head, or EOFError when the gateway has closed the connection."""
        while (end := self.data.find(b"\r\n\r\n")) < 0:
            self._more()
        return Request(self.take(end + 4))

    def read_body(self, request):
        """The rest of the request; its raw framing is kept in `request.framing`."""
        length, coding = request.header("content-length"), request.header("transfer-encoding")
        assert length is None or coding is None, f"ambiguous framing: {request}"
        if coding:
            request.framing = "chunked"
            pieces = []
            while size := int(self.line().split(b";")[0], 16):
                pieces.append(self.take(size))
                assert self.take(2) == b"\r\n", "a chunk does not end where it should"
            while line := self.line():
                request.trailers.append(line)
            request.body = b"".join(pieces)
        elif length is not None:
            request.framing = "length"
            request.body = self.take(int(length))
        return request

    def read_request(self):
        return self.read_body(self.read_head())

    def send(self, data):
        self.socket.sendall(data)

    def answer(self, body=b"", status="200 OK", headers=()):
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
        self.send(head.encode() + body)

    def wait_closed(self):
        """True once the gateway has ended its side, by FIN or RST."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class Request:
    """A request as an upstream got it."""

    def __init__(self, raw):
        self.raw = raw
        lines = raw.decode("latin-1").split("\r\n")
        self.method, self.target, self.version = lines[0].split(" ")
        self.fields = [(n.lower(), v.strip()) for n, _, v in
                       (line.partition(":") for line in lines[1:] if line)]
        self.body, self.framing, self.trailers = b"", None, []

    def all(self, name):
        return [value for field, value in self.fields if field == name]

    def header(self, name):
        values = self.all(name)
        assert len(values) < 2, f"{name} reached the upstream {len(values)} times"
        return values[0] if values else None

    def __repr__(self):
        return f"<{self.raw!r} {len(self.body)} B>"


def default_script(connection, upstream):
    """GET /b/N: N bytes. GET /chunked/N: the same in chunks. Else: the request's body."""
    while True:
        request = connection.read_request()
        upstream.requests.append(request)
        kind, _, size = request.target.partition("?")[0].strip("/").rpartition("/")
        if kind.endswith("chunked"):
            body = pattern(int(size))
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for at in range(0, len(body), 10007):
                piece = body[at:at + 10007]
                connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            connection.send(b"0\r\n\r\n")
        elif kind.endswith("b") and size.isdigit():
            body = pattern(int(size))
            connection.answer(b"" if request.method == "HEAD" else body)
        else:
            connection.answer(request.body, headers=[("Content-Type", "text/plain")])


class Upstream:
    """A server in this process. `script(connection, upstream)` serves one connection in a thread.

    `requests` holds what scripts put there, `connections` counts, `errors` has what a script raised
    because a request was not as it must be; ending a connection is no error.
    """

    def __init__(self, script=default_script, address=("127.0.0.1", 0)):
        self.script, self.requests, self.errors, self.connections = script, [], [], 0
        self.listener = socket.create_server(address, backlog=1024)
        self.port = self.listener.getsockname()[1]
        self.open = set()
        self.lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            connection = Connection(sock, self.connections)
            with self.lock:
                self.open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            self.script(connection, self)
        except (EOFError, OSError):
            pass
        except Exception as error:  # Kept for the test, which fails because of it.
            self.errors.append(repr(error))
        finally:
            with self.lock:
                self.open.discard(connection)
            connection.socket.close()

    def stop_listening(self):
        """Connects are refused from now on; open connections stay."""
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()

    def close(self):
        self.stop_listening()
        with self.lock:
            for connection in self.open:
                try:
                    connection.socket.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


class Gate:
    """A TCP relay in front of `port`, whose faults are switched while traffic runs.

    `pause()`: nothing passes. `piece`: at most so many bytes at a time. `after(n)`: each connection
    is reset once n bytes came back through it. `reset_all()`: now.
    """

    def __init__(self, port, piece=65536):
        self.target, self.piece, self.limit = port, piece, None
        self.flowing = threading.Event()
        self.flowing.set()
        self.pairs = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def pause(self):
        self.flowing.clear()

    def resume(self):
        self.flowing.set()

    def after(self, count):
        self.limit = count

    def reset_all(self):
        for pair in list(self.pairs):
            self._reset(pair)

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.target), timeout=TIMEOUT)
            except OSError:
                near.close()
                continue
            pair = (near, far)
            for sock in pair:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.pairs.append(pair)
            threading.Thread(target=self._relay, args=(pair, near, far, False), daemon=True).start()
            threading.Thread(target=self._relay, args=(pair, far, near, True), daemon=True).start()

    def _reset(self, pair):
        for sock in pair:
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                # Wakes the thread that reads it; close() then sends the reset.
                sock.shutdown(socket.SHUT_RD)
                sock.close()
            except OSError:
                pass
        if pair in self.pairs:
            self.pairs.remove(pair)

    def _relay(self, pair, source, sink, back):
        passed = 0
        try:
            while piece := source.recv(self.piece):
                self.flowing.wait()
                if back and self.limit is not None and passed + len(piece) >= self.limit:
                    sink.sendall(piece[:self.limit - passed])
                    self._reset(pair)
                    return
                sink.sendall(piece)
                passed += len(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            self._reset(pair)

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.resume()
        self.reset_all()

