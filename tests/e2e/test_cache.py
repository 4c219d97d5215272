#!/usr/bin/env python3
"""plugins/cache: what is kept, who gets it, and what is never kept."""

import email.utils
import hashlib
import os
import shutil
import time

import harness
from client import Closed
from servers import Upstream

PLUGINS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../plugins")
FRESH = ("Cache-Control", "max-age=1000")


def http_date(offset=0):
    return email.utils.formatdate(time.time() + offset, usegmt=True)


class Origin(Upstream):
    """Answers with `fields`; the body tells how often it was asked. Whoever asks for what is still
    `unchanged`, a condition with its value, gets 304 with `fields_of_304`."""

    def __init__(self):
        self.fields, self.status, self.body, self.cut = [FRESH], "200 OK", None, False
        self.unchanged, self.fields_of_304 = None, []
        super().__init__(self.serve)

    def serve(self, connection, _):
        while True:
            request = connection.read_request()
            self.requests.append(request)
            body = self.body if self.body is not None else b"%d" % len(self.requests)
            if self.cut:
                connection.send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=1000\r\n"
                                b"Content-Length: 100\r\n\r\nhalf")
                connection.reset()
                return
            unchanged = self.unchanged and request.header(self.unchanged[0]) == self.unchanged[1]
            if unchanged or self.status.startswith("304"):
                fields = self.fields_of_304 if unchanged else self.fields
                lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
                connection.send(f"HTTP/1.1 304 Not Modified\r\n{lines}\r\n".encode())
            else:
                connection.answer(b"" if request.method == "HEAD" else body, self.status,
                                  self.fields)


class Cache(harness.Case):
    def begin(self, options="", *others):
        for name in ("cache", *others):
            self.lay_out(name)
        with open(os.path.join(self.packages.plugins, "cache/manifest.yaml"), "a",
                  encoding="utf-8") as f:
            f.write(options)
        self.origin = self.add(Origin())
        self.packages.proxy("up", "/up", self.origin.port)

    def setUp(self):
        super().setUp()
        self.paths = 0

    def lay_out(self, name):
        folder = os.path.join(self.packages.plugins, name)
        shutil.copytree(os.path.join(PLUGINS, name), folder)
        shutil.copy(os.path.join(harness.BUILD, f"plugins/{name}/{name}.so"), folder)

    def path(self):
        """One that nothing is kept of."""
        self.paths += 1
        return f"/up/{self.paths}"

    def ask(self, path, *headers, method="GET"):
        return self.gateway.get(path, list(headers), method)

    def is_kept(self, fields, first=(), second=(), status="200 OK"):
        """Whether the second request is answered without the target."""
        path = self.path()
        self.origin.fields, self.origin.status = fields, status
        self.ask(path, *first)
        before = len(self.origin.requests)
        answer = self.ask(path, *second)
        self.assertEqual(answer.status, int(status[:3]))
        hit = answer.header("cache-status") == "ringtime; hit"
        self.assertEqual(hit, len(self.origin.requests) == before)
        return hit

    def test_what_is_kept(self):
        self.begin()
        self.gateway = self.start()
        for fields in ([FRESH], [("Cache-Control", "s-maxage=900, max-age=0")],
                       [("Expires", http_date(100))], [FRESH, ("Age", "900")],
                       [("Cache-Control", "max-age=500"), ("Expires", "0")],
                       [FRESH, ("Vary", "X-None")],
                       # What goes to the target says no more than what we look it up by.
                       [FRESH, ("Vary", "Host, X-Forwarded-Proto"), ("Vary", "x-forwarded-host")],
                       [FRESH, ("Host", "x"), ("Expect", "x"), ("HTTP2-Settings", "x")]):
            self.assertTrue(self.is_kept(fields), fields)
        for status in ("404 Not Found", "301 Moved Permanently", "410 Gone"):
            self.assertTrue(self.is_kept([FRESH, ("Location", "/up/x")], status=status), status)
        for fields in ([], [("Cache-Control", "no-store, max-age=9")],
                       [("Cache-Control", "private, max-age=9")],
                       [("Cache-Control", 'private="x", max-age=9')],
                       [("Cache-Control", "no-cache, max-age=9")], [("Cache-Control", "max-age=0")],
                       [FRESH, ("Cache-Control", "no-store")], [("Cache-Control", "s-maxage=x")],
                       [FRESH, ("Set-Cookie", "a=b")], [FRESH, ("Vary", "*")],
                       [FRESH, ("Age", "1000")], [("Expires", http_date(-100))],
                       # It was made for an address, which we do not look it up by.
                       [FRESH, ("Vary", "X-Forwarded-For")],
                       # Nor can it be sent with lines of our own.
                       [FRESH] + [(f"X-{i}", "y") for i in range(97)],
                       [("Expires", "0")], [("Last-Modified", http_date(-10000))],
                       [("Cache-Control", "max-age=10"), ("Date", http_date(-60))]):
            self.assertFalse(self.is_kept(fields), fields)
        for status in ("500 Internal Server Error", "403 Forbidden", "206 Partial Content"):
            self.assertFalse(self.is_kept([FRESH], status=status), status)

    def test_who_gets_it(self):
        self.begin()
        self.gateway = self.start()
        shown = ("Authorization", "Bearer x")
        cookie = ("Cookie", "a=b")
        public = [("Cache-Control", "public, max-age=1000")]
        for fields, first, second, kept in (
                ([FRESH], [shown], [], False), (public, [shown], [], True),
                ([FRESH], [], [shown], False), ([FRESH], [cookie], [], False),
                (public, [cookie], [], True), ([FRESH], [], [cookie], True),
                ([FRESH], [("Cache-Control", "no-store")], [], False),
                ([FRESH], [], [("Cache-Control", "no-cache")], False),
                ([FRESH], [], [("Pragma", "no-cache")], False),
                ([FRESH, ("Age", "100")], [], [("Cache-Control", "max-age=50")], False),
                ([FRESH], [], [("Cache-Control", "min-fresh=1001")], False),
                ([FRESH], [], [("Range", "bytes=0-1")], False),
                ([FRESH], [("Range", "bytes=0-1")], [], False),
                ([FRESH], [], [("If-Match", '"x"')], False),
                # A client forges nothing: the gateway takes it off.
                ([FRESH], [("X-Identity", "me")], [("X-Identity", "you")], True)):
            self.assertEqual(self.is_kept(fields, first, second), kept, (fields, first, second))
        answer = self.ask(self.path(), ("Cache-Control", "only-if-cached"), harness.TAKES_JSON)
        self.is_json_error(answer, 504, "not_kept")

    def test_what_is_sent(self):
        self.begin()
        self.gateway = self.start()
        self.origin.body = os.urandom(200_000)
        self.origin.fields = [FRESH, ("ETag", '"one"'), ("X-Many", "1"), ("X-Many", "2"),
                              ("Content-Type", "text/x"), ("Age", "5"),
                              ("Last-Modified", http_date(-1000))]
        first = self.ask("/up/a?b=c")
        self.assertIsNone(first.header("cache-status"))
        answer = self.ask("/up/a?b=c")
        self.assertEqual(answer.body, self.origin.body)
        self.assertEqual(answer.all("x-many"), ["1", "2"])
        self.assertEqual(answer.header("content-type"), "text/x")
        self.assertIn(int(answer.header("age")), range(5, 60))
        self.assertNotEqual(answer.header("x-request-id"), first.header("x-request-id"))
        head = self.ask("/up/a?b=c", method="HEAD")
        self.assertEqual((head.status, head.header("content-length")), (200, "200000"))
        for condition in (("If-None-Match", '"x", W/"one"'), ("If-None-Match", "*"),
                          ("If-Modified-Since", http_date(-500))):
            unchanged = self.ask("/up/a?b=c", condition)
            self.assertEqual((unchanged.status, unchanged.header("etag")), (304, '"one"'))
            self.assertEqual(unchanged.all("x-many"), [])
        for condition in (("If-None-Match", '"x"'), ("If-Modified-Since", http_date(-2000)),
                          ("If-Modified-Since", "yesterday")):
            self.assertEqual(self.ask("/up/a?b=c", condition).body, self.origin.body, condition)
        self.assertEqual(len(self.origin.requests), 1)
        # Another query, another host, another thing.
        for path, host in (("/up/a?b=d", "localhost"), ("/up/a", "localhost"),
                           ("/up/a?b=c", "other.example")):
            before = len(self.origin.requests)
            self.ask(path, ("Host", host))
            self.assertEqual(len(self.origin.requests), before + 1)

    # A client that wants what is not older than 0 seconds: whatever is kept is stale for it.
    NOW = ("Cache-Control", "max-age=0")
    CONFIRMED = "ringtime; fwd=stale; fwd-status=304"

    def test_what_is_stale_is_asked_about(self):
        self.begin("", "gateway")
        with open(os.path.join(self.packages.plugins, "gateway/manifest.yaml"), "a",
                  encoding="utf-8") as f:
            f.write("cors: {origins: ['*']}\n")
        self.gateway = self.start()
        body = self.origin.body = os.urandom(200_000)
        self.origin.fields = [FRESH, ("ETag", '"one"'), ("X-Many", "1"), ("X-Many", "2"),
                              ("Content-Type", "text/x"), ("Last-Modified", http_date(-1000))]
        self.assertEqual(self.ask("/up/a").body, body)
        self.origin.unchanged = ("if-none-match", '"one"')
        self.origin.fields_of_304 = [("Cache-Control", "max-age=2000"), ("ETag", 'W/"one"'),
                                     ("X-Many", "3"), ("X-New", "yes")]
        answer = self.ask("/up/a", self.NOW, ("Origin", "https://page.example"))
        self.assertEqual((answer.status, answer.body), (200, body))
        self.assertEqual(answer.header("cache-status"), self.CONFIRMED)
        self.assertEqual((answer.all("x-many"), answer.header("x-new")), (["3"], "yes"))
        self.assertEqual((answer.header("etag"), answer.header("content-type")),
                         ('"one"', "text/x"))
        self.assertEqual(answer.header("content-length"), "200000")
        # Plugins before this one see the answer that is sent.
        self.assertEqual(answer.header("access-control-allow-origin"), "*")
        self.assertIsNone(self.origin.requests[-1].header("if-modified-since"))
        # What the target said is kept for all.
        answer = self.ask("/up/a")
        self.assertEqual((answer.body, answer.header("cache-status")), (body, "ringtime; hit"))
        self.assertEqual((answer.header("cache-control"), answer.header("x-new")),
                         ("max-age=2000", "yes"))
        self.assertEqual(len(self.origin.requests), 2)
        # It changes: the new one comes in full and is kept.
        self.origin.body = b"second"
        self.origin.fields = [FRESH, ("ETag", '"two"')]
        self.origin.unchanged, self.origin.fields_of_304 = ("if-none-match", '"two"'), [FRESH]
        self.assertEqual(self.ask("/up/a", self.NOW).body, b"second")
        self.assertEqual(self.ask("/up/a").body, b"second")
        self.assertEqual(self.ask("/up/a", self.NOW).header("cache-status"), self.CONFIRMED)
        self.assertEqual(len(self.origin.requests), 4)
        # Nothing stale is sent when the target cannot say.
        self.origin.unchanged, self.origin.status = None, "503 Service Unavailable"
        self.assertEqual(self.ask("/up/a", self.NOW).status, 503)
        self.assertEqual(self.ask("/up/a").body, b"second")

    def test_what_becomes_stale(self):
        self.begin()
        self.gateway = self.start()
        modified = http_date(-1000)
        self.origin.fields = [FRESH, ("Age", "999"), ("Last-Modified", modified)]
        self.origin.unchanged = ("if-modified-since", modified)
        self.origin.fields_of_304 = [FRESH]
        first = self.ask("/up/a").body
        def confirmed():
            answer = self.ask("/up/a")
            self.assertEqual(answer.body, first)
            return answer.header("cache-status") == self.CONFIRMED
        harness.wait_until(confirmed, "the target is asked whether it is the same")
        self.assertEqual(self.ask("/up/a").header("cache-status"), "ringtime; hit")

    def test_confirmations_that_end_what_is_kept(self):
        self.begin()
        self.gateway = self.start()
        for fields in ([("Cache-Control", "private, max-age=9")], [("Cache-Control", "no-store")],
                       [("Set-Cookie", "a=b")], [("Cache-Control", "max-age=0")]):
            path = self.path()
            self.origin.fields = [FRESH, ("ETag", '"one"')]
            self.origin.unchanged = None
            first = self.ask(path).body
            self.origin.unchanged = ("if-none-match", '"one"')
            self.origin.fields_of_304 = fields
            answer = self.ask(path, self.NOW)
            self.assertEqual((answer.status, answer.body), (200, first), fields)
            for name, value in fields:
                self.assertEqual(answer.header(name.lower()), value)
            self.assertNotEqual(self.ask(path).body, first, fields)
            self.assertIsNone(self.origin.requests[-1].header("if-none-match"))
        # One about something else helps nobody; the next time it is asked for in full.
        path = self.path()
        first = self.ask(path).body
        self.origin.fields_of_304 = [("ETag", '"other"')]
        answer = self.ask(path, self.NOW, harness.TAKES_JSON)
        self.is_json_error(answer, 502, "upstream_protocol")
        self.assertNotEqual(self.ask(path).body, first)

    def test_questions_keep_the_connection_to_the_target(self):
        self.begin()
        self.gateway = self.start()
        self.origin.fields = [FRESH, ("ETag", '"one"')]
        self.origin.unchanged = ("if-none-match", '"one"')
        with self.gateway.connect() as client:  # On one core, one after the other.
            body = client.ask("GET", "/up/a", {}).body
            for _ in range(3):
                self.assertEqual(client.ask("GET", "/up/a", dict([self.NOW])).body, body)
        self.assertEqual((len(self.origin.requests), self.origin.connections), (4, 1))

    def test_clients_ask_for_themselves(self):
        self.begin()
        self.gateway = self.start()
        self.origin.fields = [FRESH, ("ETag", '"one"')]
        self.ask("/up/a")
        self.origin.unchanged = ("if-none-match", '"mine"')
        self.origin.fields_of_304 = [("ETag", '"mine"')]
        answer = self.ask("/up/a", self.NOW, ("If-None-Match", '"mine"'))
        self.assertEqual((answer.status, answer.header("etag")), (304, '"mine"'))
        self.assertEqual(self.ask("/up/a", self.NOW, method="HEAD").status, 200)
        self.assertIsNone(self.origin.requests[-1].header("if-none-match"))
        # Somebody's question about what is for all is answered for all.
        self.origin.fields = [("Cache-Control", "public, max-age=1000"), ("ETag", '"one"')]
        self.origin.unchanged, self.origin.fields_of_304 = ("if-none-match", '"one"'), []
        first = self.ask("/up/b").body
        answer = self.ask("/up/b", self.NOW, ("Cookie", "a=b"))
        self.assertEqual((answer.body, answer.header("cache-status")), (first, self.CONFIRMED))
        self.assertEqual(self.ask("/up/b").header("cache-status"), "ringtime; hit")

    def test_variants(self):
        self.begin()
        self.gateway = self.start()
        self.origin.fields = [FRESH, ("Vary", "Accept-Language, X-Group"), ("Vary", "x-more")]
        german, english = ("Accept-Language", "de"), ("Accept-Language", "en")
        self.assertEqual(self.ask("/up/v", german).body, b"1")
        self.assertEqual(self.ask("/up/v", english).body, b"2")
        self.assertEqual(self.ask("/up/v", german, ("X-Group", "a")).body, b"3")
        self.assertEqual(self.ask("/up/v", german, ("X-Group", "a"), ("X-Group", "b")).body, b"4")
        for headers, body in (([german], b"1"), ([english], b"2"),
                              ([german, ("X-Group", "a")], b"3"),
                              ([german, ("X-Group", "a, b")], b"4")):
            self.assertEqual(self.ask("/up/v", *headers).body, body)

    def test_changes_and_conditions(self):
        self.begin()
        self.gateway = self.start()
        self.assertEqual(self.ask("/up/c").body, b"1")
        self.assertEqual(self.ask("/up/c").body, b"1")
        self.origin.status = "500 Internal Server Error"
        self.ask("/up/c", method="POST")
        self.assertEqual(self.ask("/up/c").body, b"1")
        self.origin.status = "200 OK"
        self.ask("/up/c", method="DELETE")
        self.assertEqual(self.ask("/up/c").body, b"4")
        # The target's 304 to one client makes what is kept fresh for all.
        self.origin.fields = [("Cache-Control", "max-age=1000"), ("Age", "999"), ("ETag", '"e"')]
        self.ask("/up/d")
        harness.wait_until(lambda: not self.is_hit("/up/d", ("Cache-Control", "max-age=998")),
                           "it is old")
        self.origin.fields, self.origin.status = [FRESH, ("ETag", '"e"')], "304 Not Modified"
        answer = self.ask("/up/d", ("If-None-Match", '"e"'), ("Cache-Control", "no-cache"))
        self.assertEqual(answer.status, 304)
        self.assertTrue(self.is_hit("/up/d"))

    def is_hit(self, path, *headers):
        return self.ask(path, *headers).header("cache-status") == "ringtime; hit"

    def test_half_an_answer_is_none(self):
        self.begin("kilobytesEach: 16\n")
        self.gateway = self.start()
        self.origin.cut = True
        with self.assertRaises(Closed):
            self.ask("/up/h")
        self.origin.cut = False
        self.assertFalse(self.is_hit("/up/h"))
        self.assertTrue(self.is_hit("/up/h"))
        self.origin.body = b"x" * 16385
        for _ in range(2):
            self.assertFalse(self.is_hit("/up/large"))
        self.origin.body = b""
        self.ask("/up/empty")
        self.assertTrue(self.is_hit("/up/empty"))

    def test_behind_authn_nobody_gets_what_is_anothers(self):
        self.begin("", "authn", "gateway")
        key = hashlib.sha256(b"key").hexdigest()
        with open(os.path.join(self.packages.plugins, "authn/manifest.yaml"), "a",
                  encoding="utf-8") as f:
            f.write(f"apiKeys: {{keys: ['me:{key}']}}\n"
                    "rules: [{paths: [/up/open], allow: anyone}]\n")
        with open(os.path.join(self.packages.plugins, "gateway/manifest.yaml"), "a",
                  encoding="utf-8") as f:
            f.write("cors: {origins: ['https://a.example', 'https://b.example']}\n")
        self.gateway = self.start()
        self.origin.fields = [("Cache-Control", "public, max-age=1000")]
        for _ in range(2):
            self.assertFalse(self.is_hit("/up/mine", ("X-Api-Key", "key")))
            self.assertEqual(self.ask("/up/mine").status, 401)
        self.ask("/up/open")
        # Every origin gets its own fields with what is kept.
        for origin in ("https://a.example", "https://b.example"):
            answer = self.ask("/up/open", ("Origin", origin))
            self.assertEqual(answer.header("access-control-allow-origin"), origin)
            self.assertEqual(answer.header("cache-status"), "ringtime; hit")
        self.assertFalse(self.is_hit("/up/open", ("X-Api-Key", "key")))


if __name__ == "__main__":
    harness.main()
