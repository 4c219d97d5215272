#!/usr/bin/env python3
"""Reloading: what changes, what is carried over, what fails and leaves the old serving."""

import os
import re
import signal
import socket
import subprocess
import threading

import harness
from client import Client, Closed
from servers import Upstream

OUTCOME = re.compile(r"reload: (\d+ changes? in \d+ ms|refused.*)")
PERSISTENT = "ttl: 1h\ntimeout: 20s\n"


class Load:
    """Clients that ask all the time; every answer that is not as expected is kept."""

    def __init__(self, gateway, paths, check=lambda path, answer: answer.status == 200, clients=4):
        self.gateway, self.paths, self.check = gateway, paths, check
        self.failures, self.answers, self.ending = [], 0, False
        self.threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(clients)]
        for thread in self.threads:
            thread.start()

    def _ask(self, number):
        client, turn = Client(self.gateway.port), number
        while not self.ending:
            path = self.paths[turn % len(self.paths)]
            turn += 1
            try:
                answer = client.ask("GET", path)
                if not self.check(path, answer):
                    self.failures.append((path, answer))
                self.answers += 1
                if answer.header("connection") == "close":
                    client.close()
                    client = Client(self.gateway.port)
            except (OSError, Closed, AssertionError) as problem:
                self.failures.append((path, repr(problem)))
                client.close()
                client = Client(self.gateway.port)
        client.close()

    def end(self):
        self.ending = True
        for thread in self.threads:
            thread.join()
        return self.failures


class Case(harness.Case):
    def outcomes(self, gateway):
        return OUTCOME.findall(gateway.log())

    def reload(self, gateway):
        """Sends HUP and returns the one line that says what came of it."""
        before = len(self.outcomes(gateway))
        gateway.signal(signal.SIGHUP)
        harness.wait_until(lambda: len(self.outcomes(gateway)) > before,
                           lambda: f"the reload has ended:\n{gateway.log()[-2000:]}")
        return self.outcomes(gateway)[before]

    def good(self, gateway):
        outcome = self.reload(gateway)
        self.assertNotIn("refused", outcome, gateway.log()[-2000:])
        return outcome

    def refused(self, gateway, *texts):
        outcome = self.reload(gateway)
        for text in ("refused", *texts):
            self.assertIn(text, outcome)

    def gone(self, gateway, epoch):
        """Waits until the generation is let go of."""
        harness.wait_until(lambda: f"generation {epoch} is gone" in gateway.log(),
                           lambda: f"generation {epoch} is gone:\n{gateway.log()[-2000:]}")


class Routes(Case):
    def test_added_changed_and_removed(self):
        self.packages.site("site", {"index.html": "first"})
        gateway = self.start()
        self.assertEqual(gateway.get("/two/x.txt").status, 404)
        self.packages.site("two", {"index.html": "second", "x.txt": "x"}, "/two")
        self.assertEqual(self.good(gateway).split()[0], "2")  # A route and a site.
        self.assertEqual(gateway.get("/two/x.txt").body, b"x")
        self.packages.site("two", {"index.html": "second"}, "/three")
        self.good(gateway)
        self.assertEqual(gateway.get("/two/x.txt").status, 404)
        self.assertEqual(gateway.get("/three/x.txt").body, b"x")
        harness.shutil.rmtree(os.path.join(self.packages.apps, "two"))
        self.good(gateway)
        self.assertEqual(gateway.get("/three/x.txt").status, 404)
        self.assertEqual(self.good(gateway).split()[0], "0")
        for epoch in range(1, 5):
            self.gone(gateway, epoch)

    def test_a_broken_manifest_leaves_the_old_serving(self):
        self.packages.site("site", {"index.html": "first"})
        gateway = self.start()
        self.packages.manifest("apps/bad", "name: bad\nbase: /\nentrypoint: nothing.html\n")
        self.refused(gateway, "apps/bad/manifest.yaml:3:13: error", "does not exist")
        self.packages.site("bad", {"index.html": "bad"})
        self.refused(gateway, "apps/site/manifest.yaml:2:7: error", "apps/bad/manifest.yaml:2:7")
        self.assertEqual(gateway.get("/").body, b"first")
        harness.shutil.rmtree(os.path.join(self.packages.apps, "bad"))
        self.good(gateway)
        self.assertEqual(gateway.get("/").body, b"first")

    def test_enabled_by_the_overrides(self):
        self.packages.site("site", {"index.html": "first"}, "/site")
        self.packages.site("off", {"index.html": "off"}, "/off", "enabled: false\n")
        gateway = self.start()
        self.assertEqual(gateway.get("/off/").status, 404)
        self.packages.write("data/overrides.yaml", "enabled:\n  off: true\n  site: false\n")
        self.good(gateway)
        self.assertEqual(gateway.get("/off/").status, 200)
        self.assertEqual(gateway.get("/site/").status, 404)
        self.packages.write("data/overrides.yaml", "enabled: {off: maybe}\n")
        self.refused(gateway, "overrides.yaml:1:16: error")

    def test_what_needs_a_restart_is_said(self):
        self.packages.site("site", {"index.html": "first"})
        config = self.packages.write("ringtime.yaml", "poolSize: 7\n")
        gateway = self.start({"RUNTIME_CONFIG": config})
        self.packages.write("ringtime.yaml", "poolSize: 8\ntimeouts: {keepAlive: 1s}\n")
        self.good(gateway)
        self.assertIn("`poolSize` has changed", gateway.log())

    def test_several_at_once(self):
        self.packages.site("site", {"index.html": "first"})
        gateway = self.start()
        before = len(self.outcomes(gateway))
        for _ in range(20):
            gateway.signal(signal.SIGHUP)
        harness.wait_until(lambda: len(self.outcomes(gateway)) > before, "a reload has ended")
        self.good(gateway)
        self.assertEqual(gateway.get("/").body, b"first")

    def test_during_a_drain(self):
        self.packages.app("app", "app.so", PERSISTENT)
        gateway = self.start()
        gateway.signal(signal.SIGHUP)
        gateway.signal(signal.SIGTERM)
        gateway.signal(signal.SIGHUP)
        self.assertEqual(gateway.wait(), 0, gateway.log())


class Sites(Case):
    def release(self, number):
        self.packages.write(f"apps/site/releases/{number}/index.html", f"page {number}")
        self.packages.write(f"apps/site/releases/{number}/app-AbCd{number:04}.js", str(number))
        os.symlink(f"releases/{number}", f"{self.packages.apps}/site/next")
        os.rename(f"{self.packages.apps}/site/next", f"{self.packages.apps}/site/current")

    def test_the_same_knows_its_release_before(self):
        self.packages.manifest("apps/site", "name: site\nbase: /\n"
                               "entrypoint: current/index.html\n")
        self.release(1)
        gateway = self.start()
        self.assertEqual(gateway.get("/").body, b"page 1")
        self.release(2)
        self.reload(gateway)
        harness.wait_until(lambda: gateway.get("/").body == b"page 2", "the new release")
        for _ in range(8):  # Whichever core is asked.
            self.assertEqual(gateway.get("/app-AbCd0001.js", {"Accept": "*/*"}).body, b"1")


class Upstreams(Case):
    def test_the_same_keeps_its_connections(self):
        def number(connection, _):
            while True:
                connection.read_request()
                connection.answer(b"%d" % connection.number)

        upstream, other = self.add(Upstream(number)), self.add(Upstream(number))
        self.packages.proxy("up", "/up", upstream.port)
        self.packages.proxy("other", "/other", other.port)
        gateway = self.start({"RUNTIME_CORES": "1"})
        with gateway.connect() as client:
            for _ in range(3):
                kept = client.ask("GET", "/up/").body
                closed = client.ask("GET", "/other/").body
            self.packages.proxy("other", "/other", other.port, "  host: rewrite\n")
            self.good(gateway)
            self.gone(gateway, 1)
            self.assertEqual(client.ask("GET", "/up/").body, kept)
            self.assertNotEqual(client.ask("GET", "/other/").body, closed)

    def test_a_long_answer_survives(self):
        upstream = self.add(Upstream())
        self.packages.proxy("up", "/up", upstream.port)
        gateway = self.start()
        with gateway.connect() as client:
            client.request("GET", "/up/b/20000000")
            client.read_head()
            self.packages.proxy("up", "/elsewhere", upstream.port)
            self.good(gateway)
            self.assertEqual(gateway.get("/up/b/1").status, 404)
            client._take(20000000)
        self.gone(gateway, 1)


class Plugins(Case):
    def test_a_changed_plugin_replaces_the_old(self):
        self.packages.plugin("hooks", "hooks.so", "base: /hooks\nsign: one\n")
        self.packages.site("site", {"index.html": "site"})
        gateway = self.start()
        self.assertEqual(gateway.get("/").header("x-generation"), "one")
        self.packages.manifest("plugins/hooks", "name: hooks\npluginEntry: hooks.so\n"
                               "base: /hooks\nsign: two\n")
        self.good(gateway)
        self.assertEqual(gateway.get("/").header("x-generation"), "two")
        self.gone(gateway, 1)
        self.packages.manifest("plugins/hooks", "name: hooks\npluginEntry: hooks.so\n"
                               "base: /hooks\nsign: three\ninit: fail\n")
        self.refused(gateway, "plugins/hooks/manifest.yaml:2:14: error", "init fails on purpose")
        self.assertEqual(gateway.get("/hooks/items/3").header("x-generation"), "two")
        harness.shutil.rmtree(os.path.join(self.packages.plugins, "hooks"))
        self.good(gateway)
        self.assertIsNone(gateway.get("/").header("x-generation"))
        self.gone(gateway, 2)
        with open(f"/proc/{gateway.pid}/maps", encoding="utf-8") as mapped:
            self.assertNotIn("hooks.so", mapped.read())


    def test_a_plugin_that_takes_its_configuration_goes_on(self):
        def configure(mood, more=""):
            self.packages.manifest("plugins/butler", "name: butler\npluginEntry: butler.so\n"
                                   f"base: /butler\nmood: {mood}\n{more}")

        def mood():
            return gateway.get("/butler/mood").body.decode().split()
        self.packages.plugin("butler", "butler.so")
        configure("fine")
        gateway = self.start()
        self.assertEqual(mood(), ["fine", "1"])
        for turn, now in enumerate(("better", "best", "better"), 2):
            configure(now)
            self.good(gateway)
            self.assertEqual(mood(), [now, str(turn)])
        configure("bad")
        self.refused(gateway, "butler/manifest.yaml:2:14: error",
                     "on_config failed: not in that mood")
        self.assertEqual(mood(), ["better", "4"])
        # What else fails takes it back.
        configure("worse")
        self.packages.app("app", "app.so", "ttl: 1h\n")
        self.packages.write("apps/app/app.so", "this is no worker")
        self.refused(gateway, "app")
        self.assertEqual(mood(), ["better", "6"])
        harness.shutil.rmtree(os.path.join(self.packages.apps, "app"))
        self.good(gateway)
        self.assertEqual(mood(), ["worse", "7"])
        # More than the configuration: a new one.
        configure("new", "hooks: {paths: [/x]}\n")
        self.good(gateway)
        self.assertEqual(mood(), ["new", "1"])


class Overdue(Case):
    """Requests that do not end: cut only where what they need has to end."""

    def setUp(self):
        super().setUp()
        self.finish = threading.Event()

        def slow(connection, _):
            connection.read_request()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
            self.finish.wait(harness.DEADLINE)
            connection.send(b"there")

        self.upstream = self.add(Upstream(slow))
        self.addCleanup(self.finish.set)
        self.packages.plugin("hooks", "hooks.so", "base: /hooks\nsign: one\n")
        self.packages.proxy("up", "/up", self.upstream.port)
        self.gateway = self.start({"RUNTIME_DRAIN": "1s"})
        self.client = self.gateway.connect()
        self.addCleanup(self.client.close)
        self.client.request("GET", "/up/")
        self.client.read_head()
        self.client._take(5)

    def test_a_plugin_that_is_replaced_does_not_wait_for_ever(self):
        self.packages.manifest("plugins/hooks", "name: hooks\npluginEntry: hooks.so\n"
                               "base: /hooks\nsign: two\n")
        self.good(self.gateway)
        self.gone(self.gateway, 1)
        with self.assertRaises(Closed):
            self.client._take(5)

    def test_what_only_holds_the_configuration_goes_on(self):
        self.packages.site("site", {"index.html": "site"})
        self.packages.plugin("second", "hooks.so", "base: /second\nsign: two\n")
        self.good(self.gateway)
        harness.shutil.rmtree(os.path.join(self.packages.plugins, "second"))
        self.good(self.gateway)
        self.gone(self.gateway, 2)
        self.finish.set()
        self.assertEqual(self.client._take(5), b"there")
        self.gone(self.gateway, 1)


class Manager(Case):
    """What a service manager is told, and the sockets it passes."""

    def test_it_is_told_how_far_we_are(self):
        path = os.path.join(self.packages.root, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(harness.DEADLINE)
            self.packages.app("app", "app.so", PERSISTENT)
            gateway = self.launch({"NOTIFY_SOCKET": path})
            self.assertEqual(manager.recv(200), b"READY=1")
            self.assertEqual(gateway.get("/app/about").status, 200)
            gateway.signal(signal.SIGHUP)
            self.assertRegex(manager.recv(200), rb"^RELOADING=1\nMONOTONIC_USEC=\d+$")
            self.assertEqual(manager.recv(200), b"READY=1")
            gateway.signal(signal.SIGTERM)
            self.assertEqual(manager.recv(200), b"STOPPING=1")
            self.assertEqual(gateway.wait(), 0)

    def test_passed_sockets_are_served(self):
        self.packages.site("site", {"index.html": "site"})
        with socket.socket() as passed:
            passed.bind(("127.0.0.1", 0))
            passed.listen()
            port, fd = passed.getsockname()[1], passed.fileno()
            # The first passed descriptor is 3; the process is the one that is named.
            script = f'exec 3<&{fd}; LISTEN_FDS=1 LISTEN_PID=$$ exec "{harness.BINARY}" run'
            environment = {"PATH": os.environ["PATH"], "RUNTIME_CORES": "1",
                           "RUNTIME_WORKER_DIRS": self.packages.apps,
                           "RUNTIME_PLUGIN_DIRS": self.packages.plugins,
                           "RUNTIME_DATA_DIR": self.packages.root}
            with open(os.path.join(self.packages.root, "log"), "wb") as log:
                process = subprocess.Popen(["sh", "-c", script], env=environment, stderr=log,
                                           stdout=log, pass_fds=(fd,))
            try:
                # Connections wait in the backlog until the gateway takes them.
                self.assertEqual(harness.exchange(port, "GET", "/").body, b"site")
            finally:
                process.terminate()
                self.assertEqual(process.wait(harness.DEADLINE), 0)


class Workers(Case):
    def pid(self, gateway, path="/app/about"):
        answer = gateway.get(path)
        self.assertEqual(answer.status, 200)
        return int(answer.body.split()[1])

    def test_only_what_changed_is_started_again(self):
        self.packages.app("app", "app.so", PERSISTENT)
        self.packages.app("kept", "app.so", PERSISTENT)
        gateway = self.start()
        app, kept = self.pid(gateway), self.pid(gateway, "/kept/about")
        self.packages.app("app", "app.so", PERSISTENT + "env: {COLOUR: blue}\n")
        self.good(gateway)
        self.assertNotEqual(self.pid(gateway), app)
        self.assertEqual(self.pid(gateway, "/kept/about"), kept)
        harness.wait_until(lambda: not os.path.exists(f"/proc/{app}"), "the old worker has ended")
        app = self.pid(gateway)
        self.good(gateway)
        self.assertEqual(self.pid(gateway), app)
        with open(os.path.join(self.packages.apps, "app/app.so"), "ab") as f:
            f.write(b"\0")
        self.good(gateway)
        self.assertNotEqual(self.pid(gateway), app)
        harness.shutil.rmtree(os.path.join(self.packages.apps, "app"))
        self.good(gateway)
        self.assertEqual(gateway.get("/app/about").status, 404)
        self.assertEqual(self.pid(gateway, "/kept/about"), kept)

    def test_a_stream_does_not_keep_for_ever_what_was_replaced(self):
        self.packages.app("app", "app.so", PERSISTENT)
        gateway = self.start({"RUNTIME_DRAIN": "300ms"})
        before = self.pid(gateway)
        with gateway.connect() as client:
            client.request("GET", "/app/stream/1000000")
            self.assertEqual(client.read_head().status, 200)
            # The module stays as it is: it is in use.
            with open(os.path.join(self.packages.apps, "app/manifest.yaml"), "a") as f:
                f.write("env: {COLOUR: blue}\n")
            self.good(gateway)
            with self.assertRaises(Closed):
                client._take(1 << 30)
        harness.wait_until(lambda: not os.path.exists(f"/proc/{before}"), "the old one has ended")
        self.assertNotEqual(self.pid(gateway), before)
        line = harness.wait_until(
            lambda: [entry for entry in gateway.access_log() if "stream" in entry["target"]],
            "the stream is logged")[0]
        self.assertEqual((line["status"], line["reason"]), (200, "draining"))

    def test_the_first_app_of_a_gateway(self):
        self.packages.site("site", {"index.html": "site"})
        gateway = self.start()
        self.packages.app("app", "app.so", PERSISTENT)
        self.good(gateway)
        self.assertEqual(gateway.get("/app/about").status, 200)
        self.assertEqual(gateway.get("/ready").status, 200)

    def test_one_that_does_not_start_leaves_the_old_serving(self):
        self.packages.app("app", "app.so", PERSISTENT)
        gateway = self.start()
        app = self.pid(gateway)
        entry = os.path.join(self.packages.apps, "app/app.so")
        with open(entry, "rb") as f:
            good = f.read()
        os.replace(self.packages.write("apps/app/new", "no module"), entry)
        self.refused(gateway, "apps/app/manifest.yaml:2:13: error", "app app does not start")
        self.assertEqual(self.pid(gateway), app)
        self.assertEqual(gateway.get("/ready").status, 200)
        os.replace(self.packages.write("apps/app/new", good), entry)
        self.good(gateway)
        self.assertEqual(self.pid(gateway), app)


class UnderLoad(Case):
    def descriptors(self, gateway):
        return len(os.listdir(f"/proc/{gateway.pid}/fd"))

    def test_no_request_fails(self):
        upstream = self.add(Upstream())
        self.packages.plugin("hooks", "hooks.so", "base: /hooks\nsign: g0\n")
        self.packages.app("app", "app.so", PERSISTENT)
        self.packages.app("kept", "app.so", PERSISTENT)
        self.packages.proxy("up", "/up", upstream.port)
        self.packages.site("site", {"index.html": "site"})
        gateway = self.start()
        load = Load(gateway, ["/app/about", "/kept/about", "/hooks/items/1", "/", "/up/b/1000"],
                    lambda path, answer: answer.status == 200 and answer.header("x-generation"))
        settled = None
        try:
            for turn in range(int(os.environ.get("E2E_RELOADS", "12"))):
                self.packages.manifest("plugins/hooks", "name: hooks\npluginEntry: hooks.so\n"
                                       f"base: /hooks\nsign: g{turn + 1}\n")
                # The module itself stays: running workers have it mapped.
                self.packages.manifest("apps/app", "name: app\nentrypoint: app.so\n" + PERSISTENT +
                                       f"env: {{TURN: 't{turn}'}}\n")
                self.packages.site(f"extra{turn}", {"index.html": "x"}, f"/extra{turn}")
                self.good(gateway)
                self.gone(gateway, turn + 1)
                if turn == 5:
                    settled = self.descriptors(gateway)
        finally:
            failures = load.end()
        self.assertEqual(failures[:3], [])
        self.assertGreater(load.answers, 50)
        if settled:
            # Clients' and upstream's connections come and go; what a reload leaked would add up.
            harness.wait_until(lambda: self.descriptors(gateway) < settled + 8,
                               lambda: f"{self.descriptors(gateway)} descriptors, {settled} before")


class FullPool(Case):
    """Processes that are idle make room for what a reload brings."""

    def test_one_process_for_a_deploy_and_a_new_app(self):
        self.packages.app("one", "app.so", PERSISTENT)
        gateway = self.start({"RUNTIME_POOL_SIZE": "1"})
        self.assertEqual(gateway.get("/one/about").status, 200)
        self.packages.app("one", "app.so", PERSISTENT + "maxRequests: 900\n")
        self.packages.app("two", "app.so", PERSISTENT)
        self.good(gateway)
        for path in ("/one/about", "/two/about", "/one/about"):
            self.assertEqual(gateway.get(path).status, 200, path)


if __name__ == "__main__":
    harness.main()
