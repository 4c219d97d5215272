#!/usr/bin/env python3
"""Servers people run, behind the gateway and in front of it: nginx, HAProxy, Node, Python.

Each is started with settings that end its connections as often as may be. Those that are not
installed are skipped.
"""

import os
import shutil
import socket
import subprocess
import sys
import threading

import harness
import nginx
from client import chunked
from servers import pattern
from upstreams import Case, named

NODE = """
const http = require("http");
const server = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const body = Buffer.concat(parts);
    if (request.url === "/hints") response.writeEarlyHints({link: "</a.css>; rel=preload"});
    response.setHeader("trailer", "x-sum");
    response.setHeader("x-framing", request.headers["transfer-encoding"] ||
                                    request.headers["content-length"] || "none");
    for (let at = 0; at < body.length; at += 10000) response.write(body.subarray(at, at + 10000));
    response.addTrailers({"x-sum": String(body.length)});
    response.end();
  });
});
server.keepAliveTimeout = 1;  // Every kept connection is about to be closed.
server.on("upgrade", (request, socket, head) => {
  socket.write("HTTP/1.1 101 Switching Protocols\\r\\nConnection: upgrade\\r\\n" +
               "Upgrade: echo\\r\\n\\r\\n");
  socket.write(head);
  socket.pipe(socket);
});
server.listen(Number(process.argv[1]), "127.0.0.1");
"""

PYTHON = """
import http.server, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = sys.argv[2]
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""

SIZES = (0, 1, 100, 100_000, 3_000_000)


class Backends(Case):
    def tool(self, name):
        path = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/bin:/bin")
        if not path:
            self.skipTest(f"{name} is not installed")
        return path

    def begin(self, port, *command, folder=None):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd=folder,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def end():
            process.terminate()
            process.wait()
        self.addCleanup(end)

        def listening():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0
        harness.wait_until(listening, f"{command[0]} listens")
        return process

    def files(self):
        folder = os.path.join(self.packages.root, "files")
        os.makedirs(folder, exist_ok=True)
        os.chmod(self.packages.root, 0o755)
        for size in SIZES:
            with open(os.path.join(folder, f"{size}.bin"), "wb") as file:
                file.write(pattern(size))
        return folder

    def nginx(self, port):
        self.tool("nginx")
        command = nginx.command(self.packages.root, port, f"root {self.files()};",
                                "keepalive_requests 3;")
        self.begin(port, *command)
        return command

    def haproxy(self, text, port):
        config = self.packages.write(f"haproxy-{port}.cfg", f"""
defaults
  mode http
  timeout connect 5s
  timeout client 20s
  timeout server 20s
{text}
""")
        self.begin(port, self.tool("haproxy"), "-db", "-f", config)

    def files_are_served(self, gateway):
        with gateway.connect() as client:
            for _ in range(4):
                for size in SIZES:
                    answer = client.ask("GET", f"/up/{size}.bin")
                    self.assertEqual((answer.status, answer.body), (200, pattern(size)))
                    answer = client.ask("HEAD", f"/up/{size}.bin")
                    self.assertEqual((answer.status, answer.body), (200, b""))
            self.assertEqual(client.ask("GET", "/up/missing").status, 404)

    def test_nginx(self):
        ports = [harness.free_port(), harness.free_port()]
        commands = [self.nginx(port) for port in ports]
        self.upstream(ports)
        gateway = self.start()
        self.files_are_served(gateway)
        answer = gateway.get("/up/100000.bin", {"Range": "bytes=5-9"})
        self.assertEqual((answer.status, answer.body), (206, pattern(100)[5:10]))
        # New workers take over from old ones, again and again: no request fails.
        statuses, over = [], threading.Event()

        def ask():
            while not over.is_set():
                statuses.append(gateway.get("/up/100.bin").status)
        asking = threading.Thread(target=ask)
        asking.start()
        try:
            for turn in range(6):
                subprocess.run([*commands[turn % 2], "-s", "reload"], check=True,
                               capture_output=True)
                seen = len(statuses)
                harness.wait_until(lambda seen=seen: len(statuses) > seen + 20, "answers")
        finally:
            over.set()
            asking.join()
        self.assertEqual(set(statuses), {200})

    def test_python(self):
        for version in ("HTTP/1.0", "HTTP/1.1"):
            with self.subTest(version):
                port = harness.free_port()
                self.begin(port, sys.executable, "-c", PYTHON, str(port), version,
                           folder=self.files())
                self.upstream([port])
                gateway = self.start()
                self.files_are_served(gateway)
                gateway.stop()

    def test_node(self):
        port = harness.free_port()
        self.begin(port, self.tool("node"), "-e", NODE, str(port))
        self.upstream([port])
        gateway = self.start()
        with gateway.connect() as client:
            for _ in range(30):
                for size in (0, 1, 30_000):
                    answer = client.ask("PUT", "/up/", body=pattern(size))
                    self.assertEqual((answer.status, answer.body), (200, pattern(size)))
                    self.assertEqual(answer.header("x-framing"), str(size) if size else "0")
                answer = client.ask("PUT", "/up/", {"Transfer-Encoding": "chunked"},
                                    chunked(b"one", b"two"))
                self.assertEqual((answer.body, answer.header("x-framing")),
                                 (b"onetwo", "chunked"))
        with gateway.connect() as client:
            client.request("GET", "/up/hints")
            self.assertEqual(client.read_head().status, 103)
            self.assertEqual(client.read_response().status, 200)
        with gateway.connect() as client:
            client.send(b"GET /up/ HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n"
                        b"Upgrade: echo\r\n\r\nright behind")
            self.assertEqual(client.read_head().status, 101)
            while len(client.data) < 12:
                client.data += client.socket.recv(100)
            self.assertEqual(bytes(client.data), b"right behind")

    def test_haproxy_behind_reads_our_proxy_headers(self):
        port = harness.free_port()
        self.haproxy(f"""
frontend f
  bind 127.0.0.1:{port} accept-proxy
  http-request return status 200 content-type text/plain lf-string "%[src]:%[src_port]"
""", port)
        for version in ("v1", "v2"):
            self.upstream([port], f"  proxyProtocol: {version}\n", name=version)
        gateway = self.start()
        with gateway.connect() as client:
            own = "%s:%d" % client.socket.getsockname()
            for version in ("v1", "v2", "v1", "v2"):
                self.assertEqual(client.ask("GET", f"/{version}").body.decode(), own)

    def test_haproxy_in_front_tells_us_its_clients(self):
        server = self.server(named("x"))
        self.upstream([server.port])
        port, front = harness.free_port(), harness.free_port()
        config = self.packages.write("ringtime.yaml", f"listen: [{{address: '127.0.0.1:{port}', "
                                     "proxyProtocol: true}]\n")
        gateway = self.launch({"RUNTIME_CONFIG": config, "RUNTIME_LISTEN": None})
        harness.wait_until(lambda: "listening" in gateway.log(), "it listens")
        for send in ("send-proxy", "send-proxy-v2"):
            self.haproxy(f"""
listen f
  bind 127.0.0.1:{front}
  http-reuse always
  server gateway 127.0.0.1:{port} {send}
""", front)
            with socket.socket() as client:
                client.bind(("127.0.0.9", 0))
                client.connect(("127.0.0.1", front))
                client.sendall(b"GET /up HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                answer = b""
                while piece := client.recv(4096):
                    answer += piece
            self.assertTrue(answer.startswith(b"HTTP/1.1 200"), answer)
            self.assertEqual(server.requests[-1].header("x-forwarded-for"), "127.0.0.9")
            front = harness.free_port()


if __name__ == "__main__":
    harness.main()
