#!/usr/bin/env python3
"""A static site: its files, and nothing that is not one of them."""

import os

import harness
from client import make_request


class Site(harness.Case):
    def setUp(self):
        super().setUp()
        self.packages.site("site", {
            "index.html": "<h1>index</h1>", "app.js": "let a;", "style.css": "a {}",
            "data/list.json": "[]", "large.bin": bytes(range(256)) * 8192, ".secret": "hidden",
            "data/.env": "hidden",
        })
        self.packages.write("outside.txt", "hidden")
        os.symlink("../../outside.txt", os.path.join(self.packages.apps, "site/link.txt"))
        self.gateway = self.start()

    def test_files_and_their_types(self):
        for path, kind, body in (("/", "text/html", b"<h1>index</h1>"),
                                 ("/index.html", "text/html", b"<h1>index</h1>"),
                                 ("/app.js", "javascript", b"let a;"),
                                 ("/style.css", "text/css", b"a {}"),
                                 ("/data/list.json", "application/json", b"[]")):
            answer = self.gateway.get(path)
            self.assertEqual((answer.status, answer.body), (200, body), path)
            self.assertIn(kind, answer.header("content-type"))

    def test_a_large_file_arrives_whole(self):
        answer = self.gateway.get("/large.bin")
        self.assertEqual(answer.header("content-length"), str(256 * 8192))
        self.assertEqual(answer.body, bytes(range(256)) * 8192)

    def test_a_missing_page_is_the_entrypoint_and_a_missing_file_is_not(self):
        page = self.gateway.get("/some/page", {"Accept": "text/html"})
        self.assertEqual((page.status, page.body), (200, b"<h1>index</h1>"))
        self.assertEqual(self.gateway.get("/some/page").body, b"<h1>index</h1>")
        self.assertEqual(self.gateway.get("/missing.png", {"Accept": "image/*"}).status, 404)
        # A person who opens a path with a dot in it still gets the application.
        self.assertEqual(self.gateway.get("/missing.png", {"Accept": "text/html,*/*"}).status, 200)

    def test_head_has_the_length_and_no_body(self):
        with self.gateway.connect() as client:
            answer = client.ask("HEAD", "/app.js")
            self.assertEqual((answer.status, answer.header("content-length")), (200, "6"))
            self.assertEqual(client.ask("GET", "/app.js").body, b"let a;")

    def test_a_known_version_is_not_sent_again(self):
        first = self.gateway.get("/app.js")
        tag = first.header("etag")
        self.assertIsNotNone(tag)
        again = self.gateway.get("/app.js", {"If-None-Match": tag})
        self.assertEqual((again.status, again.body, again.header("etag")), (304, b"", tag))
        self.assertEqual(self.gateway.get("/app.js", {"If-None-Match": '"other"'}).status, 200)

    def test_ranges(self):
        answer = self.gateway.get("/large.bin", {"Range": "bytes=250-259"})
        self.assertEqual(answer.status, 206)
        self.assertEqual(answer.header("content-range"), f"bytes 250-259/{256 * 8192}")
        self.assertEqual(answer.body, bytes(range(250, 256)) + bytes(range(4)))
        self.assertEqual(self.gateway.get("/large.bin", {"Range": "bytes=99999999-"}).status, 416)

    def test_nothing_outside_and_nothing_hidden(self):
        for path in ("/.secret", "/data/.env", "/link.txt", "/../outside.txt",
                     "/data/../../outside.txt", "/%2e%2e/outside.txt", "/..%2foutside.txt",
                     "/data/%2e%2e/%2e%2e/outside.txt",
                     "/%2e%2e%2f%2e%2e%2foutside.txt", "//outside.txt", "/link.txt/",
                     "/app.js%00.txt", "/..\\outside.txt"):
            with self.gateway.connect() as client:
                client.send(make_request("GET", path, {"Accept": "*/*"}))
                answer = client.read_response()
                self.assertNotIn(b"hidden", answer.body, path)

    def test_only_reading_methods(self):
        answer = self.gateway.post("/app.js", b"x")
        self.assertEqual(answer.status, 405)
        self.assertIn("GET", answer.header("allow"))

    def test_a_changed_file_is_served_changed(self):
        self.assertEqual(self.gateway.get("/app.js").body, b"let a;")
        self.packages.write("apps/site/app.js", "let changed;")
        harness.wait_until(lambda: self.gateway.get("/app.js").body == b"let changed;",
                           "the change is seen", 5)


class Mounts(harness.Case):
    def test_a_site_below_a_base(self):
        self.packages.site("root", {"index.html": "root"})
        self.packages.site("docs", {"index.html": "docs", "a.txt": "a"}, base="/docs")
        gateway = self.start()
        self.assertEqual(gateway.get("/docs/a.txt").body, b"a")
        self.assertEqual(gateway.get("/docs/deep/page").body, b"docs")
        self.assertEqual(gateway.get("/docs").body, b"docs")
        # A base matches on segments.
        self.assertEqual(gateway.get("/documents").body, b"root")

    def test_hosts_choose_and_a_wildcard_names_the_tenant(self):
        self.packages.site("any", {"index.html": "any"})
        self.packages.site("shop", {"index.html": "shop"}, extra="hosts: [shop.example.com]\n")
        self.packages.site("wild", {"index.html": "wild"}, extra="hosts: ['*.example.com']\n")
        gateway = self.start()
        for host, body in (("localhost", b"any"), ("shop.example.com", b"shop"),
                           ("SHOP.example.com:80", b"shop"), ("b.example.com", b"wild"),
                           ("example.com", b"any")):
            self.assertEqual(gateway.get("/", {"Host": host}).body, body, host)

    def test_a_path_of_nobody(self):
        self.packages.site("docs", {"index.html": "docs"}, base="/docs")
        gateway = self.start()
        answer = gateway.get("/elsewhere")
        self.assertEqual(answer.status, 404)
        as_json = gateway.get("/elsewhere", {"Accept": "application/json"})
        error = harness.json.loads(as_json.body)
        self.assertEqual(error["error"], "no_route")
        self.assertEqual(error["requestId"], as_json.header("x-request-id"))


if __name__ == "__main__":
    harness.main()
