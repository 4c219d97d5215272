#!/usr/bin/env python3
"""A start that cannot be good: one clear message, exit status 1, and nothing half-started."""

import json
import resource
import socket

import harness


class Refused(harness.Case):
    def setUp(self):
        super().setUp()
        # Something good beside the bad: it must not run either.
        self.packages.app("good", "app.so")

    def test_a_manifest_that_is_no_yaml(self):
        self.packages.manifest("apps/bad", "name: bad\nbase: [\n")
        self.refuse_start("apps/bad/manifest.yaml:")

    def test_a_value_of_the_wrong_kind(self):
        self.packages.manifest("apps/bad", "name: bad\nentrypoint: app.so\ntimeout: soon\n")
        self.packages.write("apps/bad/app.so", "")
        self.refuse_start("apps/bad/manifest.yaml:3:", "soon")

    def test_a_misspelt_key_with_the_right_one_named(self):
        self.packages.manifest("apps/bad", "name: bad\nentrypiont: app.so\n")
        self.refuse_start("apps/bad/manifest.yaml:2:", "entrypiont", "entrypoint")

    def test_a_missing_entrypoint(self):
        self.packages.manifest("apps/bad", "name: bad\nentrypoint: missing.so\n")
        self.refuse_start("apps/bad/manifest.yaml:2:", "missing.so")

    def test_an_entrypoint_outside_its_package(self):
        self.packages.manifest("apps/bad", "name: bad\nentrypoint: ../good/app.so\n")
        self.refuse_start("apps/bad/manifest.yaml:2:", "../good/app.so")

    def test_two_packages_at_one_base(self):
        for name in ("one", "two"):
            self.packages.site(name, {"index.html": name}, base="/same")
        self.refuse_start("apps/one/manifest.yaml", "apps/two/manifest.yaml", "/same")

    def test_a_reserved_base(self):
        self.packages.site("bad", {"index.html": "x"}, base="/api")
        self.refuse_start("apps/bad/manifest.yaml:2:", "/api")

    def test_a_cycle_of_dependencies_is_named(self):
        for name, other in (("a", "b"), ("b", "a")):
            self.packages.manifest(f"plugins/{name}",
                                   f"name: {name}\nbase: /{name}\ndependencies: [{other}]\n"
                                   "upstream: {servers: ['http://127.0.0.1:1']}\n")
        self.refuse_start("a", "b", "cycle")

    def test_a_missing_dependency(self):
        self.packages.manifest("plugins/a", "name: a\nbase: /a\ndependencies: [nobody]\n"
                               "upstream: {servers: ['http://127.0.0.1:1']}\n")
        self.refuse_start("plugins/a/manifest.yaml:3:", "nobody")

    def test_javascript_is_not_there_yet(self):
        self.packages.manifest("apps/bad", "name: bad\nentrypoint: index.ts\n")
        self.packages.write("apps/bad/index.ts", "")
        self.refuse_start("apps/bad/manifest.yaml:2:", "index.ts")

    def test_every_mistake_is_told_at_once(self):
        self.packages.manifest("apps/bad", "name: bad\nentrypoint: missing.so\n")
        self.packages.manifest("apps/worse", "name: worse\nentrypoint: index.html\nbase: nowhere\n")
        self.packages.write("apps/worse/index.html", "")
        self.refuse_start("apps/bad/manifest.yaml:2:", "apps/worse/manifest.yaml:3:")

    def test_a_missing_directory(self):
        path = self.packages.root + "/nothing"
        self.refuse_start(path, "RUNTIME_WORKER_DIRS", env={"RUNTIME_WORKER_DIRS": path})

    def test_no_directory_at_all(self):
        self.refuse_start("RUNTIME_WORKER_DIRS", env={"RUNTIME_WORKER_DIRS": None})

    def test_a_missing_configuration_file(self):
        path = self.packages.root + "/nothing.yaml"
        self.refuse_start(path, env={"RUNTIME_CONFIG": path})

    def test_a_setting_that_makes_no_sense(self):
        for name, value in (("RUNTIME_CORES", "none"), ("RUNTIME_POOL_SIZE", "many"),
                            ("RUNTIME_LISTEN", "nowhere"), ("RUNTIME_DRAIN", "-1s")):
            with self.subTest(name=name):
                self.refuse_start(name, value, env={name: value})

    def test_a_core_that_cannot_start(self):
        self.packages.site("site", {"index.html": ""})
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (200 << 20, before[1]))
        try:  # The first of two: the other was never begun.
            self.refuse_start("address space", "ulimit -v", env={"RUNTIME_CORES": "2"})
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)

    def test_a_taken_port(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            log = self.refuse_start(str(port), env={"RUNTIME_LISTEN": f"127.0.0.1:{port}"})
        self.assertIn("in use", log)

    def test_a_worker_that_does_not_come_up_leaves_the_rest_serving(self):
        self.packages.manifest("apps/dead", "name: dead\nversion: 1.2.0\n"
                               "entrypoint: dead\nttl: 1h\n")
        path = self.packages.write("apps/dead/dead", "#!/bin/sh\nexit 3\n")
        harness.os.chmod(path, 0o755)
        gateway = self.launch()
        harness.wait_until(lambda: self.answers(gateway), lambda: "it serves: " + gateway.log())
        self.assertEqual(gateway.get("/dead/").status, 503)
        with gateway.connect() as client:
            answer = client.ask("GET", "/ready")
            self.assertEqual(answer.status, 503)
            self.assertEqual(answer.body.splitlines()[0].split(b": ")[0], b"app dead@1.2.0")
            answer = client.ask("GET", "/ready", headers={"Accept": "application/json"})
            self.assertEqual(answer.status, 503)
            told = json.loads(answer.body)
            self.assertIs(told["ready"], False)
            self.assertEqual([(one["app"], one["version"]) for one in told["problems"]],
                             [("dead", "1.2.0")])

    @staticmethod
    def answers(gateway):
        try:
            return gateway.get("/good/about").status == 200
        except OSError:
            return False


if __name__ == "__main__":
    harness.main()
