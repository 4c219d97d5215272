#!/usr/bin/env python3
"""Backends that are killed, stopped and started again while requests run: none of them fails."""

import signal
import socket
import subprocess
import sys
import threading

import harness
from upstreams import Case

# One write: an answer whose head has gone out cannot be had from another server any more.
BACKEND = """
import http.server, socketserver, sys
class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads, request_queue_size, allow_reuse_address = True, 512, True
    def handle_error(self, *a): pass
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.wfile.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\nhello")
    def log_message(self, *a): pass
Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


class UnderLoad(Case):
    def backend(self, port):
        process = subprocess.Popen([sys.executable, "-c", BACKEND, str(port)])

        def listening():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0
        harness.wait_until(listening, "the backend listens")
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.wait()

    def load(self, gateway, until, clients=6):
        """Asks on so many connections until `until()` says so; every status that came."""
        statuses, over = [], threading.Event()
        self.answered = [0] * clients

        def ask(number):
            while not over.is_set():
                with gateway.connect() as client:
                    for _ in range(50):
                        if over.is_set():
                            return
                        statuses.append(client.ask("GET", "/up").status)
                        self.answered[number] += 1
        threads = [threading.Thread(target=ask, args=(n,)) for n in range(clients)]
        for thread in threads:
            thread.start()
        try:
            until(statuses)
        finally:
            over.set()
            for thread in threads:
                thread.join()
        return statuses

    def answers(self, statuses, count):
        target = len(statuses) + count
        harness.wait_until(lambda: len(statuses) >= target, "requests are answered")

    def test_no_request_fails_while_backends_come_and_go(self):
        ports = [harness.free_port(), harness.free_port()]
        backends = [self.backend(port) for port in ports]
        # A server that is stopped costs a request the time for a head, once; the other must be
        # able to answer within it, on a busy machine too. More retries than servers: a request
        # that was repeated because of the one may meet the other's death as well.
        self.upstream(ports, "  timeouts: {head: 5s, connect: 5s}\n"
                      "  retries: {max: 3, budget: 100%}\n"
                      "  health: {interval: 100ms, timeout: 2s, fall: 2, rise: 1}\n")
        gateway = self.start()

        def come_and_go(statuses):
            self.answers(statuses, 200)
            backends[0].kill()
            backends[0].wait()
            # Only what was noticed to be down is ever up again.
            harness.wait_until(lambda: " is down" in gateway.log(), "its end is noticed")
            self.answers(statuses, 300)
            backends[0] = self.backend(ports[0])
            harness.wait_until(lambda: gateway.log().count("is up again") >= 1, "it is back")
            self.answers(statuses, 200)
            backends[1].send_signal(signal.SIGSTOP)
            # Whoever waits for it has to be answered by the other.
            before = list(self.answered)
            self.answers(statuses, 300)
            harness.wait_until(lambda: all(n > b for n, b in zip(self.answered, before)),
                               "every client has got an answer")
            backends[1].send_signal(signal.SIGCONT)
            self.answers(statuses, 200)
        statuses = self.load(gateway, come_and_go)
        self.assertEqual(set(statuses), {200}, f"{len(statuses)} requests")


if __name__ == "__main__":
    harness.main()
