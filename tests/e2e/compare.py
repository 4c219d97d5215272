#!/usr/bin/env python3
"""The corpus of messages through the gateway, nginx and HAProxy, each as a plain reverse proxy.

    python3 tests/e2e/compare.py build/src/ringtime build [--all]

Prints a row for every request that the three do not treat alike (--all: for every request), and
the sums. A request is refused if no byte of it reached an upstream, passed if it did; what stands
behind a refused one must not be answered. Not part of the tests: it shows where another is
stricter than we are (such a row is marked `<`), and docs/strictness.md says why it may be.
Needs nginx and haproxy; both are in Debian.
"""

import collections
import os
import subprocess
import sys
import tempfile

import harness
import nginx
from client import Closed
from test_messages import Recorder, read_messages

# A server that waits for the rest is asked no longer than this for its answer.
PATIENCE = 0.3


def start_nginx(folder, port, upstream):
    return subprocess.Popen(nginx.command(
        folder, port, """location / { proxy_pass http://all; proxy_http_version 1.1;
proxy_set_header Connection ""; proxy_set_header Host $http_host; }""",
        f"upstream all {{ server 127.0.0.1:{upstream}; keepalive 4; }}"), stdin=subprocess.DEVNULL)


def start_haproxy(folder, port, upstream):
    config = os.path.join(folder, "haproxy.cfg")
    with open(config, "w", encoding="utf-8") as f:
        f.write(f"""global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend in
  bind 127.0.0.1:{port}
  default_backend all
backend all
  server up 127.0.0.1:{upstream}
""")
    return subprocess.Popen(["haproxy", "-q", "-f", config], stdin=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)


def ask(port, upstream, case):
    """(whether it reached the upstream, the first status or a word)."""
    upstream.requests.clear()
    streams = len(upstream.streams)
    status = "-"
    with harness.Client(port, timeout=PATIENCE) as client:
        try:
            client.send(case.raw)
            method = case.raw.lstrip(b"\r\n").split(b" ")[0].decode("latin-1")
            status = str(client.read_response(method).status)
        except Closed:
            status = "closed"
        except (TimeoutError, AssertionError, ValueError):
            status = "waits"
        except OSError:
            status = "closed"
    reached = bool(upstream.requests)
    if case.verdict != "broken":
        reached = reached or any(upstream.streams[streams:])
    return ("passed" if reached else "refused"), status


def serve(name, start):
    upstream = Recorder()
    folder = tempfile.mkdtemp(prefix=f"compare-{name}-")
    port = harness.free_port()
    process = start(folder, port, upstream.port)

    def ready():
        try:
            with harness.Client(port, timeout=1) as client:
                return client.ask("GET", "/ready").status
        except (OSError, Closed):
            return None
    harness.wait_until(ready, f"{name} answers", 20)
    return port, upstream, process


def main():
    harness.BINARY, harness.BUILD = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    packages = harness.Packages(tempfile.mkdtemp(prefix="compare-"))
    ours = Recorder()
    packages.proxy("all", "/", ours.port)
    gateway = harness.Gateway(packages).wait_ready()
    others = {"nginx": serve("nginx", start_nginx), "haproxy": serve("haproxy", start_haproxy)}
    servers = {"ringtime": (gateway.port, ours), **{name: s[:2] for name, s in others.items()}}
    sums = {name: collections.Counter() for name in servers}
    try:
        for case in read_messages("requests.txt"):
            seen = {name: ask(port, upstream, case) for name, (port, upstream) in servers.items()}
            for name, (what, _) in seen.items():
                sums[name][f"{case.verdict}: {what}"] += 1
            verdicts = {what for what, _ in seen.values()}
            laxer = seen["ringtime"][0] == "passed" and len(verdicts) > 1
            if len(verdicts) > 1 or "--all" in sys.argv:
                row = " ".join(f"{what:7} {status:6}" for what, status in seen.values())
                print(f"{'<' if laxer else ' '} {row} line {case.line}: {case.raw[:70]!r}")
    finally:
        gateway.kill()
        for _, _, process in others.values():
            process.terminate()
            process.wait()
    for name, counts in sums.items():
        print(f"{name:9}", dict(sorted(counts.items())))


if __name__ == "__main__":
    main()
