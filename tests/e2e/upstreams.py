"""What the suites of upstreams with several servers share."""

import json
import os

import harness
from client import UnixClient
from servers import Upstream


def named(name):
    """A script that answers every request with its own name."""
    def script(connection, upstream):
        while True:
            request = connection.read_request()
            upstream.requests.append(request)
            connection.answer(name.encode(), headers=[("X-Server", name)])
    return script


def status(code):
    """Answers every request with `code`."""
    def script(connection, upstream):
        while True:
            upstream.requests.append(connection.read_request())
            connection.answer(b"no", f"{code} No")
    return script


class Case(harness.Case):
    def server(self, script):
        return self.add(Upstream(script))

    def upstream(self, servers, extra="", name="up"):
        """A package `name` at `/name` with these servers (ports, or flow maps)."""
        urls = ", ".join(s if isinstance(s, str) else f"'http://127.0.0.1:{s}'" for s in servers)
        self.packages.manifest(f"plugins/{name}", f"name: {name}\nbase: /{name}\nupstream:\n"
                               f"  servers: [{urls}]\n{extra}")

    def admin(self, path):
        with UnixClient(os.path.join(self.packages.root, "data", "admin.sock")) as client:
            return client.ask("GET", path).body.decode()

    def counters(self, name="up"):
        """What /api/upstreams says of one upstream."""
        all_of_them = json.loads(self.admin("/api/upstreams"))["upstreams"]
        return next(one for one in all_of_them if one["name"] == name)

    def one_core(self, **env):
        return self.start({"RUNTIME_CORES": "1", **env})
