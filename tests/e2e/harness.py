"""Runs the real gateway with a folder of packages and speaks to it byte by byte.

    class Site(harness.Case):
        def test_index(self):
            self.packages.site("site", {"index.html": "hello"})
            gateway = self.start()
            self.assertEqual(gateway.get("/").body, b"hello")

Every case has a folder of its own, a gateway on a free port, and at its end a check that the
gateway ended cleanly and left no process behind. Nothing here waits for time: `wait_until` polls
with a deadline.

    python3 test_site.py BINARY BUILD_DIR [unittest arguments]
"""

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import unittest

from client import Client, Response, exchange  # noqa: F401  (tests use them as harness.Client)

BINARY = None
BUILD = None
# Clients with this get errors as JSON.
TAKES_JSON = ("Accept", "application/json, text/plain")
# A deadline is for what hangs, not for what is slow: a build with sanitizers, a machine that is
# busy with another suite, a disk that is full of work. When all is well nobody waits for it.
DEADLINE = float(os.environ.get("E2E_DEADLINE", "60"))
_next_port = 20000 + os.getpid() * 37 % 12000
_ports_taken = []
# What threads of the tests have raised: without this Python prints it and forgets it.
_thread_failures = []

PR_SET_CHILD_SUBREAPER = 36


def main():
    """Takes the binary and the build folder off the command line, and runs the cases."""
    global BINARY, BUILD
    if len(sys.argv) < 3:
        sys.exit(f"usage: {sys.argv[0]} BINARY BUILD_DIR [unittest arguments]")
    BINARY, BUILD = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    # What the gateway leaves behind becomes our child, and is found.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    threading.excepthook = lambda raised: _thread_failures.append("".join(
        traceback.format_exception(raised.exc_type, raised.exc_value, raised.exc_traceback)))
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])


def wait_until(condition, what, seconds=None):
    """Polls until `condition()` is true and returns its value, or fails with `what`."""
    deadline = time.monotonic() + (seconds or DEADLINE)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds or DEADLINE} s: "
                                 f"{what() if callable(what) else what}")
        # tidy: allow(sleep) the pause of a poll with a deadline
        time.sleep(0.01)


def free_port():
    """A port below the range the kernel hands out by itself, so that no connection takes it, and
    of this process alone while it lives: no other suite is given it before it is bound, or while
    nobody is to listen on it.
    """
    global _next_port
    while True:
        _next_port = 20000 + (_next_port - 20000 + 1) % 12000
        claim = socket.socket(socket.AF_UNIX)
        try:
            # The kernel forgets the name with the process.
            claim.bind(f"\0ringtime-tests-port-{_next_port}")
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", _next_port))
        except OSError:
            claim.close()
            continue
        _ports_taken.append(claim)
        return _next_port


def children(pid):
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as f:
                found += [int(child) for child in f.read().split()]
    except OSError:
        pass  # It has ended meanwhile.
    return found


def descendants(pid):
    found = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


class Packages:
    """The folders a gateway is started with."""

    def __init__(self, root):
        self.root = root
        self.apps = os.path.join(root, "apps")
        self.plugins = os.path.join(root, "plugins")
        os.makedirs(self.apps)
        os.makedirs(self.plugins)

    def write(self, path, content):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return full

    def manifest(self, folder, text):
        return self.write(f"{folder}/manifest.yaml", text)

    def site(self, name, files, base="/", extra=""):
        self.manifest(f"apps/{name}",
                      f"name: {name}\nbase: {base}\nentrypoint: index.html\n{extra}")
        for path, content in files.items():
            self.write(f"apps/{name}/{path}", content)

    def app(self, name, entrypoint, extra="ttl: 1h\n"):
        """A worker app from a built module or program of tests/e2e/packages."""
        self.manifest(f"apps/{name}", f"name: {name}\nentrypoint: {entrypoint}\n{extra}")
        self._built(entrypoint, f"apps/{name}")

    def plugin(self, name, entry, extra=""):
        self.manifest(f"plugins/{name}", f"name: {name}\npluginEntry: {entry}\n{extra}")
        self._built(entry, f"plugins/{name}")

    def proxy(self, name, base, port, extra=""):
        self.manifest(f"plugins/{name}", f"name: {name}\nbase: {base}\nupstream:\n"
                      f"  servers: ['http://127.0.0.1:{port}']\n{extra}")

    def _built(self, name, folder):
        source = os.path.join(BUILD, "tests/e2e/packages", name)
        shutil.copy(source, os.path.join(self.root, folder, name))


class Gateway:
    """One running gateway."""

    def __init__(self, packages, env=None, stdout=None, folder=None):
        self.packages = packages
        self.port = free_port()
        self.stdout_path = os.path.join(packages.root, "stdout")
        self.stderr_path = os.path.join(packages.root, "stderr")
        settings = {
            "PATH": os.environ["PATH"], "PORT": str(self.port), "RUNTIME_ENV": "test",
            "RUNTIME_LISTEN": f"127.0.0.1:{self.port}", "RUNTIME_LOG_LEVEL": "debug",
            "RUNTIME_WORKER_DIRS": packages.apps, "RUNTIME_PLUGIN_DIRS": packages.plugins,
            "RUNTIME_DATA_DIR": os.path.join(packages.root, "data"), "RUNTIME_CORES": "2",
        }
        for name in os.environ:  # How sanitizers are told what to do.
            if name.endswith("_OPTIONS"):
                settings[name] = os.environ[name]
        settings.update(env or {})
        # A setting of None is one that is not there.
        settings = {name: value for name, value in settings.items() if value is not None}
        with open(self.stdout_path, "wb") as out, open(self.stderr_path, "wb") as errors:
            self.process = subprocess.Popen([BINARY, "run"], env=settings, stdout=stdout or out,
                                            stderr=errors, stdin=subprocess.DEVNULL,
                                            start_new_session=True, cwd=folder or packages.root)
        self.pid = self.process.pid

    def wait_ready(self):
        def ready():
            if self.process.poll() is not None:
                status = self.process.returncode
                raise AssertionError(f"the gateway ended with {status}:\n{self.log()}")
            try:
                return self.get("/ready").status == 200
            except OSError:
                return False
        wait_until(ready, lambda: f"the gateway is ready:\n{self.log()}")
        return self

    # ---- Asking ----

    def connect(self):
        return Client(self.port)

    def get(self, path, headers=(), method="GET", body=b""):
        return exchange(self.port, method, path, headers, body)

    def post(self, path, body=b"", headers=()):
        return self.get(path, headers, "POST", body)

    # ---- Looking at it ----

    def log(self):
        with open(self.stderr_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def access_log(self):
        """The complete lines so far, as objects. A line that is no JSON fails the test."""
        with open(self.stdout_path, encoding="utf-8") as f:
            text = f.read()
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]

    def logged(self, value):
        """The access log's entry that has `value` in any field, once it is written."""
        def find():
            return next((e for e in self.access_log() if value in e.values()), None)
        return wait_until(find, f"the access log has {value!r}")

    # ---- Ending it ----

    def signal(self, number=signal.SIGTERM):
        os.kill(self.pid, number)

    def wait(self, seconds=None):
        """The exit status, once it has ended."""
        try:
            return self.process.wait(seconds or DEADLINE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the gateway does not end:\n{self.log()[-2000:]}") from None

    def stop(self):
        if self.process.poll() is None:
            self.signal()
        return self.wait()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def leftovers(known):
    """Our children that were not there before: what a gateway should have taken with it."""
    while True:
        try:  # Those that have ended only wait to be noticed.
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                break
        except ChildProcessError:
            break
    return [pid for pid in children(os.getpid()) if pid not in known]


class Case(unittest.TestCase):
    """A test with packages of its own; what it starts ends cleanly or it fails."""

    maxDiff = 2000
    expected_status = 0

    def setUp(self):
        self.known = children(os.getpid())
        self.gateways = []
        self.folder = tempfile.TemporaryDirectory(prefix="ringtime-")
        self.packages = Packages(self.folder.name)
        self.addCleanup(self.folder.cleanup)
        self.addCleanup(self._check_threads)
        self.addCleanup(self._end_gateways)

    def launch(self, env=None, **options):
        """Starts a gateway without waiting for anything."""
        gateway = Gateway(self.packages, env, **options)
        self.gateways.append(gateway)
        return gateway

    def start(self, env=None):
        return self.launch(env).wait_ready()

    def add(self, server):
        """Ends `server` (an upstream, a gate) with the test."""
        self.addCleanup(server.close)
        return server

    def is_json_error(self, answer, status, code):
        """A complete error in the gateway's form; returns its message."""
        self.assertEqual(answer.header("content-type"), "application/json")
        error = json.loads(answer.body)
        self.assertEqual((answer.status, error.pop("error")), (status, code))
        self.assertEqual(answer.header("cache-control"), "no-store")
        self.assertEqual(error.pop("requestId"), answer.header("x-request-id"))
        self.assertEqual(list(error), ["message"])
        return error["message"]

    def refuse_start(self, *texts, env=None):
        """The start ends with 1 and one message that has each of `texts`; returns the message."""
        gateway = self.launch(env)
        self.assertEqual(gateway.wait(), 1, gateway.log())
        for text in texts:
            self.assertIn(text, gateway.log())
        self.gateways.remove(gateway)
        self._wait_nothing_left()
        return gateway.log()

    def _end_gateways(self):
        for gateway in self.gateways:
            if gateway.process.returncode is not None:
                continue
            try:
                status = gateway.stop()
                self.assertEqual(status, self.expected_status, gateway.log()[-3000:])
            finally:
                gateway.kill()
        try:
            self._wait_nothing_left()
        finally:
            for pid in leftovers(self.known):
                os.kill(pid, signal.SIGKILL)

    def _wait_nothing_left(self):
        left = lambda: [command_line(pid) for pid in leftovers(self.known)]
        wait_until(lambda: not left(), lambda: f"no processes are left: {left()}")

    def _check_threads(self):
        failures = list(_thread_failures)
        _thread_failures.clear()
        self.assertEqual(failures, [], "raised in a thread:\n" + "\n".join(failures))
