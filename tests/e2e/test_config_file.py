#!/usr/bin/env python3
"""Everything in one file: five lines of YAML are a reverse proxy."""

import harness
from client import Client
from servers import Upstream, pattern


class ConfigFile(harness.Case):
    # No folders at all: what a proxy needs stands in its file.
    no_folders = {"RUNTIME_WORKER_DIRS": None, "RUNTIME_PLUGIN_DIRS": None}

    def config(self, text):
        return {**self.no_folders, "RUNTIME_CONFIG": self.packages.write("ringtime.yaml", text)}

    def test_five_lines_are_a_reverse_proxy(self):
        upstream = self.add(Upstream())
        gateway = self.start(self.config(
            "mounts:\n"
            "  - base: /\n"
            "    upstream:\n"
            "      servers:\n"
            f"        - http://127.0.0.1:{upstream.port}\n"))
        self.assertEqual(gateway.get("/b/1000").body, pattern(1000))
        self.assertEqual(gateway.post("/", b"body").body, b"body")

    def test_settings_of_the_file_and_the_environment_above_them(self):
        upstream = self.add(Upstream())
        port = harness.free_port()
        env = self.config(f"listen: 127.0.0.1:{port}\naccessLog: off\nmounts:\n  - base: /a\n"
                          f"    upstream: {{servers: ['http://127.0.0.1:{upstream.port}']}}\n")
        gateway = self.launch({**env, "RUNTIME_LISTEN": None, "PORT": None})
        gateway.port = port
        gateway.wait_ready()
        self.assertEqual(gateway.get("/a/b/7").body, pattern(7))
        gateway.stop()
        other = self.start(env)  # RUNTIME_LISTEN is set now, and wins.
        self.assertNotEqual(other.port, port)
        with self.assertRaises(OSError):
            Client(port)

    def test_many_mounts(self):
        upstream = self.add(Upstream())
        mounts = "".join(f"  - {{base: /m{n}, upstream: {{servers: "
                         f"['http://127.0.0.1:{upstream.port}']}}}}\n" for n in range(2000))
        gateway = self.start(self.config("mounts:\n" + mounts))
        for n in (0, 1, 999, 1999):
            self.assertEqual(gateway.get(f"/m{n}/b/5").body, pattern(5))
        self.assertEqual(gateway.get("/m2000/b/5").status, 404)

    def test_mounts_beside_folders(self):
        upstream = self.add(Upstream())
        self.packages.site("site", {"index.html": "site"})
        path = self.packages.write("ringtime.yaml", "mounts:\n  - base: /up\n    upstream: "
                                   f"{{servers: ['http://127.0.0.1:{upstream.port}']}}\n")
        gateway = self.start({"RUNTIME_CONFIG": path})
        self.assertEqual(gateway.get("/").body, b"site")
        self.assertEqual(gateway.get("/up/b/5").body, pattern(5))

    def test_a_mistake_is_named_with_its_line(self):
        env = self.config("port: 8000\nmounts:\n  - base: /\n    upstream:\n      server: x\n")
        self.refuse_start("ringtime.yaml:5:", "server", env=env)


if __name__ == "__main__":
    harness.main()
