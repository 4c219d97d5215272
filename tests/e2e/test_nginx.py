#!/usr/bin/env python3
"""Our heads beside nginx's, for the same files and requests: each difference can be explained.

`EXPLAINED` is the explanation; whatever else differs fails. Run with `-v` and COMPARE=1 in the
environment to see both heads of each request. Skipped (77) where nginx is not installed.
"""

import os
import shutil
import subprocess
import sys

import harness
import nginx
from client import exchange

# Where a value differs, or one side alone has the field, and why.
EXPLAINED = {
    "server": "nginx: names itself; who serves is nobody's business",
    "date": "of each answer's own second",
    "connection": "nginx: says keep-alive, which HTTP/1.1 means anyway (RFC 9112 §9.3)",
    "x-request-id": "ours: on every answer",
    "x-ringtime-reason": "ours: in environments for testing",
    "x-content-type-options": "ours: nobody shall guess at types",
    "cache-control": "ours: without it browsers guess for how long (RFC 9111 §4.2.2)",
    "vary": "ours: codings are made for text, so the answer depends on Accept-Encoding",
    "etag": "ours: of the bytes, the same on every machine; nginx: of time and size",
}
# The same for one kind of answer.
EXPLAINED_FOR = {
    (301, "location"): "ours: a path (RFC 9110 §10.2.2), right behind any proxy",
    (200, "content-type"): "ours: charset for text; text/javascript (RFC 9239)",
    (206, "content-type"): "ours: charset for text; a boundary of its own",
    (206, "content-length"): "of parts: the boundary and the types have other lengths",
    (206, "accept-ranges"): "ours: says for a part what it says for the whole",
    (204, "allow"): "ours: OPTIONS is answered; nginx: 405",
    (405, "allow"): "ours: required (RFC 9110 §15.5.6)",
}
# Requests that are answered with another status.
OTHER_STATUS = {
    ("GET", "bytes=x"): "ours: a Range that is none is ignored (RFC 9110 §14.2); nginx: 416",
    ("HEAD", "bytes=0-9"): "ours: only GET knows ranges (RFC 9110 §14.2); nginx: 206",
    ("OPTIONS", None): "ours: 204 with Allow; nginx: 405",
}
# Answers whose bodies are each server's own words.
OWN_WORDS = {301, 304, 404, 405, 412, 416, 204}
OWN_FIELDS = {"content-type", "content-length"}

REQUESTS = [
    ("GET", "/app.js", {}), ("HEAD", "/app.js", {}), ("GET", "/index.html", {}),
    ("GET", "/style.css", {}), ("GET", "/photo.png", {}), ("GET", "/data.json", {}),
    ("GET", "/logo.svg", {}), ("GET", "/empty.bin", {}), ("GET", "/large.bin", {}),
    ("GET", "/app.js", {"Range": "bytes=0-9"}), ("GET", "/app.js", {"Range": "bytes=-5"}),
    ("GET", "/app.js", {"Range": "bytes=0-1,10-12"}), ("GET", "/app.js", {"Range": "bytes=x"}),
    ("GET", "/app.js", {"Range": "bytes=999999-"}),
    ("HEAD", "/app.js", {"Range": "bytes=0-9"}),
    ("GET", "/app.js", {"If-Modified-Since": "Sun, 06 Nov 2094 08:49:37 GMT"}),
    ("GET", "/app.js", {"If-Modified-Since": "Sun, 06 Nov 1994 08:49:36 GMT"}),
    ("GET", "/app.js", {"If-None-Match": "*"}), ("GET", "/app.js", {"If-None-Match": '"x"'}),
    ("GET", "/app.js", {"If-Match": '"x"'}),
    ("GET", "/app.js", {"If-Unmodified-Since": "Sun, 06 Nov 1994 08:49:36 GMT"}),
    ("GET", "/app.js", {"Range": "bytes=0-9", "If-Range": '"x"'}),
    ("GET", "/docs?x=1", {}), ("GET", "/docs/", {}), ("GET", "/missing.png", {}),
    ("POST", "/app.js", {}), ("OPTIONS", "/app.js", {}),
]


def differences(ours, theirs):
    names = {name for name, _ in ours.fields} | {name for name, _ in theirs.fields}
    for name in sorted(names):
        if ours.all(name) == theirs.all(name) or name in EXPLAINED:
            continue
        if (ours.status, name) in EXPLAINED_FOR:
            continue
        if ours.status in OWN_WORDS and name in OWN_FIELDS:
            continue
        yield f"{name}: ours {ours.all(name)}, nginx's {theirs.all(name)}"


class Nginx(harness.Case):
    def setUp(self):
        super().setUp()
        files = {"index.html": "<h1>x</h1>", "app.js": "let a = 1;\n" * 9, "style.css": "a {}",
                 "photo.png": b"\x89PNG" * 9, "data.json": "[]", "logo.svg": "<svg/>",
                 "empty.bin": "", "large.bin": b"x" * (3 << 20), "docs/index.html": "docs"}
        self.packages.site("site", files)
        root = os.path.join(self.packages.apps, "site")
        for name in files:
            os.utime(os.path.join(root, name), (784111777, 784111777))
        os.chmod(self.packages.root, 0o755)  # nginx's worker is another user.
        self.gateway = self.start()
        self.port = harness.free_port()
        process = subprocess.Popen(nginx.command(
            self.packages.root, self.port, f"location / {{ root {root}; }}",
            "include /etc/nginx/mime.types; if_modified_since before;"), stdin=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)

        def up():
            try:
                return exchange(self.port, "GET", "/app.js").status == 200
            except OSError:
                return False
        harness.wait_until(up, "nginx is up")

    def test_every_difference_has_its_reason(self):
        for method, path, fields in REQUESTS:
            body = b"x" if method == "POST" else b""
            ours = self.gateway.get(path, fields, method, body)
            theirs = exchange(self.port, method, path, fields, body)
            if os.environ.get("COMPARE"):
                print(f"\n{method} {path} {fields}\n  ours  {ours.status} {ours.fields}\n"
                      f"  nginx {theirs.status} {theirs.fields}")
            with self.subTest(method=method, path=path, fields=fields):
                if (method, fields.get("Range")) in OTHER_STATUS:
                    self.assertNotEqual(ours.status, theirs.status)
                    continue
                self.assertEqual(ours.status, theirs.status)
                self.assertEqual(list(differences(ours, theirs)), [])
                single = ours.status == 206 and ours.header("content-range")
                if single:
                    self.assertEqual(ours.header("content-length"), theirs.header("content-length"))
                if single or ours.status == 200:
                    self.assertEqual(ours.body, theirs.body)


if __name__ == "__main__":
    if not shutil.which("nginx"):
        sys.exit(77)
    harness.main()
