#!/usr/bin/env python3
"""The tools of these tests, against each other: a client that overlooks a byte proves nothing."""

import harness
from client import Client, Closed, chunked
from servers import Gate, Upstream, pattern


def scripted(*answers):
    """An upstream that sends raw bytes for one request each, then closes."""
    def script(connection, _):
        for answer in answers:
            connection.read_request()
            connection.send(answer)
    return Upstream(script)


class ClientReads(harness.unittest.TestCase):
    def serve(self, *answers):
        server = scripted(*answers)
        self.addCleanup(server.close)
        client = Client(server.port)
        self.addCleanup(client.close)
        return client

    def test_lengths_chunks_and_ends(self):
        client = self.serve(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                            + chunked(b"a", b"bcd")[:-2] + b"X: y\r\n\r\n",
                            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
                            b"HTTP/1.1 200 OK\r\n\r\nto the end")
        self.assertEqual(client.ask("GET", "/").body, b"ok")
        answer = client.ask("GET", "/")
        self.assertEqual((answer.body, answer.trailers), (b"abcd", [("x", "y")]))
        self.assertEqual(client.ask("GET", "/").status, 204)
        self.assertEqual(client.ask("GET", "/").body, b"to the end")

    def test_a_cut_answer_is_not_an_answer(self):
        for cut in (b"HTTP/1.1 200 OK\r\nContent-Le",
                    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"):
            with self.assertRaises(Closed):
                self.serve(cut).ask("GET", "/")

    def test_wrong_bytes_are_refused(self):
        for wrong in (b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
                      b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
                      b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
                      b"HTTP/1.1 200 OK\r\nA : b\r\nContent-Length: 0\r\n\r\n",
                      b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                      b"2\r\nokay\r\n0\r\n\r\n"):
            with self.assertRaises(AssertionError, msg=wrong):
                self.serve(wrong).ask("GET", "/")


class Gates(harness.unittest.TestCase):
    def gate(self, **options):
        upstream = Upstream()
        gate = Gate(upstream.port, **options)
        self.addCleanup(upstream.close)
        self.addCleanup(gate.close)
        return upstream, gate

    def test_pieces_arrive_whole(self):
        upstream, gate = self.gate(piece=7)
        body = pattern(5000)
        with Client(gate.port) as client:
            self.assertEqual(client.ask("POST", "/", body=body).body, body)
            self.assertEqual(client.ask("GET", "/chunked/30000").body, pattern(30000))
        self.assertEqual((len(upstream.requests), upstream.errors), (2, []))

    def test_a_pause_holds_bytes_and_a_reset_is_seen(self):
        _, gate = self.gate()
        with Client(gate.port) as client:
            gate.pause()
            client.request("GET", "/b/10")
            self.assertTrue(client.is_open(0.1))
            gate.resume()
            self.assertEqual(client.read_response().body, pattern(10))
            gate.reset_all()
            with self.assertRaises(Closed):
                client.read_head()

    def test_a_limit_cuts_inside_an_answer(self):
        _, gate = self.gate()
        gate.after(60)
        with Client(gate.port) as client, self.assertRaises(Closed) as cut:
            client.ask("GET", "/b/1000")
        self.assertLessEqual(len(cut.exception.data), 60)


class Processes(harness.unittest.TestCase):
    def test_what_is_left_behind_is_found(self):
        known = harness.children(harness.os.getpid())
        # The shell ends, its child stays: like a gateway that loses a worker.
        orphan = harness.subprocess.run(["sh", "-c", "sleep 60 >/dev/null & echo $!"],
                                        stdout=harness.subprocess.PIPE, text=True)
        pid = int(orphan.stdout)
        self.assertEqual(harness.leftovers(known), [pid])
        harness.os.kill(pid, harness.signal.SIGKILL)
        harness.wait_until(lambda: not harness.leftovers(known), "it is gone")


if __name__ == "__main__":
    harness.main()
