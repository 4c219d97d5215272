#!/usr/bin/env python3
"""A plugin that does everything wrong: its own requests fail closed, all others go on."""

import os
import shutil
import signal

import harness
from client import Closed
from servers import Upstream


class Misbehaving(harness.Case):
    def setUp(self):
        super().setUp()
        self.upstream = self.add(Upstream())
        self.packages.plugin("rascal", "rascal.so", "base: /rascal\n")
        self.packages.proxy("up", "/up", self.upstream.port)

    def ask(self, what=None, path="/up/b/10", where=None, body=b""):
        headers = [("X-Do", what)] if what else []
        headers += [("X-Throw", where)] if where else []
        return self.gateway.get(path, headers, "POST" if body else "GET", body)

    def told(self):
        words = self.gateway.get("/rascal/told").body.decode().split()
        return {words[i]: int(words[i + 1]) for i in range(0, len(words), 2)}

    def serves(self):
        answer = self.ask()
        self.assertEqual((answer.status, len(answer.body)), (200, 10))

    def test_what_is_said_wrongly_fails_closed(self):
        self.gateway = self.start()
        for what in ("throw", "throw a number", "say answered", "say paused", "say nonsense"):
            answer = self.ask(what)
            self.assertEqual(answer.status, 500, what)
            entry = self.gateway.logged(answer.header("x-request-id"))
            self.assertEqual((entry["plugin"], entry["reason"]), ("rascal", "hook_failed"))
            self.serves()
        self.assertEqual(self.ask("answer and go on").status, 200)
        self.assertEqual(self.ask("pause and go on").status, 200)
        log = self.gateway.log()
        for said in ("threw: on purpose", "said that it has answered, but it has not",
                     "said that it has paused, but it has not", "returned 99, which is no verdict"):
            self.assertIn(f"rascal: on_request {said}", log)

    def test_it_throws_in_every_hook(self):
        self.gateway = self.start()
        self.assertEqual(self.ask(where="response").status, 500)
        self.assertEqual(self.ask(where="body", body=b"x" * 100).status, 500)
        # The head may have left; then the answer is cut, never ended as if it were whole.
        try:
            self.assertEqual(self.ask(where="response body").status, 500)
        except Closed:
            pass
        self.assertEqual(self.ask(where="done").status, 200)
        harness.wait_until(lambda: "rascal: on_done threw: done" in self.gateway.log(), "on_done")
        for where in ("response", "request_body", "response_body"):
            self.assertIn(f"rascal: on_{where} threw", self.gateway.log())
        self.serves()

    def test_a_route_throws(self):
        self.gateway = self.start()
        self.assertEqual(self.gateway.get("/rascal/trip").status, 500)
        self.assertIn("rascal: route threw: over its feet", self.gateway.log())

    def test_it_takes_the_gateway_down_and_is_named(self):
        for what, number in (("crash", signal.SIGSEGV), ("abort", signal.SIGABRT),
                             ("dig", signal.SIGSEGV)):
            self.gateway = self.start()
            with self.gateway.connect() as client:
                client.request("GET", "/up/b/10", [("X-Do", what)])
                self.assertEqual(self.gateway.wait(), -number, what)
            self.assertRegex(self.gateway.log(), rf"ringtime: signal {int(number)}[^\n]* "
                                                 r"in plugin rascal, on_request, core \d+\n")

    def test_it_blocks_a_core(self):
        self.gateway = self.start({"RUNTIME_CORES": "1"})
        self.assertEqual(self.ask("block").status, 200)
        harness.wait_until(
            lambda: "plugin=rascal hook=on_request has held the core for" in self.gateway.log(),
            lambda: self.gateway.log())

    def test_it_suspends_and_nobody_resumes(self):
        self.gateway = self.start()
        self.assertEqual(self.ask("suspend").status, 500)
        self.assertIn("rascal: on_request paused, and nobody resumed it within", self.gateway.log())
        # The token is worth nothing now.
        self.assertEqual(self.gateway.post("/rascal/release").body, b"0 of 1\n")
        self.serves()

    def test_it_resumes_twice(self):
        self.gateway = self.start()
        for turn in range(20):
            self.assertEqual(self.ask("resume twice").body, b"resumed with 1\n")
        harness.wait_until(lambda: self.told()["refused"] == 20, lambda: self.told())
        self.assertEqual(self.told()["late"], 0)

    def suspended(self, count, path="/up/b/10", what="suspend for ever"):
        """Clients whose requests wait in the plugin: in its hook, or in its route."""
        clients = [self.gateway.connect() for _ in range(count)]
        for client in clients:
            client.request("GET", path, [("X-Do", what)])
        harness.wait_until(lambda: self.told()["kept"] == count, lambda: self.told())
        return clients

    def test_it_answers_after_the_client_left(self):
        self.gateway = self.start()
        for client in self.suspended(10):
            client.reset()
        # They are let go although nobody resumes them; who does it later does no harm.
        harness.wait_until(lambda: self.told()["done"] == 10, lambda: self.told())
        self.assertEqual(self.gateway.post("/rascal/release").body, b"0 of 10\n")
        # A clean end may be one of sending only, so these are answered, to nobody.
        for client in self.suspended(10):
            client.close()
        self.assertEqual(self.gateway.post("/rascal/release").body, b"10 of 10\n")
        harness.wait_until(lambda: self.told()["done"] == 20, lambda: self.told())
        self.assertEqual(self.upstream.requests, [])
        self.serves()

    def test_a_route_that_hangs_holds_nobody_who_left(self):
        self.gateway = self.start()
        for client in self.suspended(10, "/rascal/hang", "in a route"):
            client.reset()
        harness.wait_until(lambda: self.told()["done"] == 10, lambda: self.told())
        self.serves()

    def test_a_route_that_hangs_does_not_hold_the_end(self):
        self.gateway = self.start({"RUNTIME_DRAIN": "1s"})
        clients = self.suspended(3, "/rascal/hang", "in a route")
        self.assertEqual(self.gateway.stop(), 0, self.gateway.log())
        for client in clients:
            self.assertRaises((Closed, ConnectionError), client.read_response)

    def test_it_takes_all_it_can_get(self):
        self.gateway = self.start({"RUNTIME_CORES": "1"})
        for _ in range(20):
            self.assertEqual(self.ask("hoard").body, b"enough\n")
        self.serves()

    def test_what_it_lends_comes_back_before_it_is_unloaded(self):
        self.gateway = self.start({"RUNTIME_DRAIN": "1s"})
        with self.gateway.connect() as client:
            client.request("GET", "/up/b/10", [("X-Do", "lend")])
            self.assertEqual(client.read_head().status, 200)  # And nothing of the rest.
            shutil.rmtree(os.path.join(self.packages.plugins, "rascal"))
            self.gateway.signal(signal.SIGHUP)
            harness.wait_until(lambda: "generation 1 is gone" in self.gateway.log(),
                               lambda: self.gateway.log())
        self.assertNotIn("stays in memory", self.gateway.log())
        with open(f"/proc/{self.gateway.pid}/maps", encoding="utf-8") as mapped:
            self.assertNotIn("rascal.so", mapped.read())
        self.serves()

    def test_a_request_that_is_suspended_for_ever_does_not_hold_a_reload(self):
        self.gateway = self.start({"RUNTIME_DRAIN": "1s"})
        with self.gateway.connect() as client:
            client.request("GET", "/up/b/10", [("X-Do", "suspend for ever")])
            harness.wait_until(lambda: self.told()["kept"] == 1, "it is suspended")
            self.packages.manifest("plugins/rascal", "name: rascal\npluginEntry: rascal.so\n"
                                   "base: /rascal\nnew: 1\n")
            self.gateway.signal(harness.signal.SIGHUP)
            harness.wait_until(lambda: "generation 1 is gone" in self.gateway.log(),
                               lambda: self.gateway.log())
            try:
                self.assertGreaterEqual(client.read_response().status, 500)
            except Closed:
                pass
        self.serves()


if __name__ == "__main__":
    harness.main()
