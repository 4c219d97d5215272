#!/usr/bin/env python3
"""The end: started answers are completed, new ones are not begun, and a second signal forces."""

import signal
import socket
import threading

import harness
from client import Client, Closed
from servers import Upstream, pattern

# In seconds: unless told otherwise the gateway drains for thirty.
BEFORE_THE_DEADLINE = 20


class Drain(harness.Case):
    def setUp(self):
        super().setUp()
        self.upstream = self.add(Upstream())
        self.packages.proxy("up", "/up", self.upstream.port)
        self.packages.app("app", "app.so", "ttl: 1h\nworkers: 2\n")
        self.packages.site("site", {"index.html": "site", "large.bin": b"x" * 3_000_000})

    def test_idle_it_ends_at_once(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            gateway = self.start()
            idle = gateway.connect()
            self.assertEqual(idle.ask("GET", "/").status, 200)
            gateway.signal(number)
            self.assertEqual(gateway.wait(BEFORE_THE_DEADLINE), 0, gateway.log()[-2000:])
            idle.wait_closed()
            idle.close()

    def test_under_load_every_started_answer_is_completed(self):
        gateway = self.start()
        failures, counts, draining = [], [], threading.Event()

        def load(paths):
            count = 0
            try:
                client = Client(gateway.port)
                while True:
                    path, size = paths[count % len(paths)]
                    client.request("GET", path)
                    try:
                        answer = client.read_response()
                    except Closed as end:
                        # Between answers a connection may end; inside one never.
                        if end.data or not draining.is_set():
                            failures.append(f"{path}: {end}")
                        break
                    if answer.status != 200 or len(answer.body) != size:
                        failures.append(f"{path}: {answer.status}, {len(answer.body)} B")
                    count += 1
                    if answer.header("connection") == "close":
                        break
            except OSError as error:  # Sent into a connection that has just been closed.
                if not draining.is_set():
                    failures.append(repr(error))
            finally:
                counts.append(count)

        paths = [("/up/b/100", 100), ("/up/chunked/300000", 300_000), ("/app/b/200000", 200_000),
                 ("/large.bin", 3_000_000), ("/app/sleep/20", 5), ("/", 4)]
        threads = [threading.Thread(target=load, args=(paths[n:] + paths[:n],)) for n in range(6)]
        for thread in threads:
            thread.start()
        harness.wait_until(lambda: len(self.upstream.requests) > 50, "load runs")
        draining.set()
        gateway.signal()
        status = gateway.wait()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertEqual(status, 0, gateway.log()[-2000:])
        self.assertGreater(min(counts), 0)

    def test_a_slow_answer_is_waited_for_and_nothing_new_begins(self):
        gateway = self.start()
        with gateway.connect() as slow, gateway.connect() as half:
            slow.request("POST", "/app/count", {"Content-Length": "5", "Expect": "100-continue"})
            self.assertEqual(slow.read_head().status, 100)  # The worker waits for the body.
            half.send(b"GET / HT")
            gateway.signal()
            harness.wait_until(lambda: not self.accepts(gateway), "the listener is closed")
            slow.send(b"12345")
            answer = slow.read_response()
            self.assertEqual((answer.status, answer.body), (200, b"5"))
            self.assertEqual(answer.header("connection"), "close")
            self.assertEqual(gateway.wait(), 0)

    def test_at_the_deadline_the_rest_is_cut(self):
        gateway = self.start({"RUNTIME_DRAIN": "500ms"})
        with gateway.connect() as client:
            client.request("GET", "/app/stream/180000")  # An hour.
            client.read_head()
            gateway.signal()
            gateway.wait(BEFORE_THE_DEADLINE)
            with self.assertRaises(Closed):
                while client.read_chunk():
                    pass
        self.expected_status = gateway.process.returncode

    def test_a_second_signal_forces(self):
        gateway = self.start()
        with gateway.connect() as client:
            client.request("GET", "/app/stream/180000")
            client.read_head()
            client.read_chunk()
            gateway.signal()
            harness.wait_until(lambda: not self.accepts(gateway), "it drains")
            self.assertIsNone(gateway.process.poll())
            gateway.signal()
            self.assertEqual(gateway.wait(BEFORE_THE_DEADLINE), 2)

    def test_an_upload_in_progress_is_completed(self):
        gateway = self.start()
        body = pattern(500_000)
        with gateway.connect() as client:
            client.request("POST", "/up/", {"Content-Length": str(len(body))})
            client.send(body[:100_000])
            harness.wait_until(lambda: self.upstream.open, "the upload has begun")
            gateway.signal()
            harness.wait_until(lambda: not self.accepts(gateway), "it drains")
            client.send(body[100_000:])
            self.assertEqual(client.read_response().body, body)
        self.assertEqual(gateway.wait(), 0)

    @staticmethod
    def accepts(gateway):
        try:
            socket.create_connection(("127.0.0.1", gateway.port), timeout=1).close()
            return True
        except OSError:
            return False


if __name__ == "__main__":
    harness.main()
