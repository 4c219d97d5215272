#!/usr/bin/env python3
"""A static site: its files, and nothing that is not one of them."""

import gzip
import json
import os
import random
import re
import shlex
import shutil
import socket
import subprocess
import threading

import harness
from client import Closed, make_request


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
        tag = answer.header("etag")
        same = self.gateway.get("/large.bin", {"Range": "bytes=-3", "If-Range": tag})
        self.assertEqual((same.status, same.body), (206, b"\xfd\xfe\xff"))
        other = self.gateway.get("/large.bin", {"Range": "bytes=-3", "If-Range": '"x"'})
        self.assertEqual((other.status, len(other.body)), (200, 256 * 8192))

    def test_several_ranges_are_parts_of_the_file(self):
        content = bytes(range(256)) * 8192
        chance = random.Random(3)
        wanted = [(at, at + chance.randrange(1, 5000))
                  for at in chance.sample(range(0, len(content) - 5000, 6000), 8)]
        answer = self.gateway.get("/large.bin", {
            "Range": "bytes=" + ", ".join(f"{first}-{last}" for first, last in wanted)})
        self.assertEqual(answer.status, 206)
        boundary = answer.header("content-type").split("boundary=")[1].encode()
        parts = answer.body.split(b"--" + boundary)
        self.assertEqual((parts[0], parts[-1]), (b"", b"--\r\n"))
        for (first, last), part in zip(wanted, parts[1:-1], strict=True):
            head, _, body = part.partition(b"\r\n\r\n")
            self.assertIn(b"content-range: bytes %d-%d/%d" % (first, last, len(content)), head)
            self.assertEqual(body, content[first:last + 1] + b"\r\n")

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
        self.assertEqual((answer.status, answer.header("allow")), (405, "GET, HEAD, OPTIONS"))
        answer = self.gateway.get("/app.js", method="OPTIONS")
        self.assertEqual((answer.status, answer.header("allow")), (204, "GET, HEAD, OPTIONS"))

    def test_refusals_speak_the_client_s_language_and_are_logged(self):
        text = self.gateway.get("/missing.js", {"Accept": "*/*"})
        self.assertEqual((text.status, text.header("content-type")),
                         (404, "text/plain; charset=utf-8"))
        answer = self.gateway.get("/missing.js", {"Accept": "application/json"})
        error = json.loads(answer.body)
        self.assertEqual((answer.status, error["error"]), (404, "not_found"))
        self.assertEqual(error["requestId"], answer.header("x-request-id"))
        entry = self.gateway.logged(error["requestId"])
        self.assertEqual((entry["status"], entry["reason"]), (404, "not_found"))
        with self.gateway.connect() as client:
            head = client.ask("HEAD", "/missing.js", {"Accept": "*/*"})
            self.assertEqual((head.status, head.body), (404, b""))
            self.assertEqual(client.ask("GET", "/app.js").status, 200)

    def test_a_changed_file_is_served_changed(self):
        self.assertEqual(self.gateway.get("/app.js").body, b"let a;")
        self.packages.write("apps/site/app.js", "let changed;")
        harness.wait_until(lambda: self.gateway.get("/app.js").body == b"let changed;",
                           "the change is seen")


class Built(harness.Case):
    """What a bundler made, mounted where it does not know of."""

    TITLE = 'Shop </script><script>alert("&") ' + "x" * 200

    def setUp(self):
        super().setUp()
        shop = os.path.join(self.packages.apps, "shop")
        shutil.copytree(os.path.join(os.path.dirname(os.path.abspath(__file__)), "sites/shop"),
                        shop)
        self.packages.manifest("apps/shop", "name: shop\nbase: /shop/v1\ninjectBase: true\n"
                               "cacheControl: {'/*.svg': 'public, max-age=60'}\nenv:\n"
                               f"  PUBLIC_TITLE: '{self.TITLE}'\n  VITE_API: /api\n"
                               "  SERVER_SIDE: hidden\n")
        self.packages.write("apps/shop/icon.svg", "<svg/>")
        self.gateway = self.start()

    def page(self, path="/shop/v1/orders/7", headers=()):
        answer = self.gateway.get(path, headers or {"Accept": "text/html"})
        self.assertEqual((answer.status, answer.header("content-type")),
                         (200, "text/html; charset=utf-8"))
        self.assertEqual(answer.header("cache-control"), "no-cache")
        return answer

    def test_a_deep_link_finds_its_base_and_its_environment(self):
        page = self.page().body.decode()
        self.assertEqual(page, self.page("/shop/v1").body.decode())
        added = page[page.index("<base"):page.index("\n", page.index("<base"))]
        self.assertTrue(page[:page.index("<base")].endswith('<HEAD data-note="a > b">'), page)
        self.assertTrue(added.startswith('<base href="/shop/v1/"><script>window.__env__='), added)
        self.assertEqual(added.count("</script>"), 1)
        env = json.loads(added[added.index("__env__=") + 8:added.index(";</script>")])
        self.assertEqual(env, {"PUBLIC_TITLE": self.TITLE, "VITE_API": "/api"})
        # Everything the page names is there, below the base.
        names = re.findall(r'(?:src|href)="\./([^"]+)"', page)
        self.assertEqual(len(names), 2)
        for name in names:
            answer = self.gateway.get("/shop/v1/" + name, {"Accept": "*/*"})
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.header("x-content-type-options"), "nosniff")
            self.assertIn({"js": "text/javascript", "css": "text/css"}[name.rsplit(".", 1)[1]],
                          answer.header("content-type"))
        script = next(name for name in names if name.endswith(".js"))
        self.assertIn("immutable", self.gateway.get("/shop/v1/" + script).header("cache-control"))

    def test_a_compressed_page_holds_the_same(self):
        plain = self.page()
        self.assertEqual(plain.header("vary"), "accept-encoding")

        def coded():
            answer = self.page(headers={"Accept": "text/html", "Accept-Encoding": "gzip"})
            return answer if answer.header("content-encoding") == "gzip" else None
        answer = harness.wait_until(coded, "the page is compressed")
        self.assertEqual(gzip.decompress(answer.body), plain.body)
        self.assertNotEqual(answer.header("etag"), plain.header("etag"))

        def known():  # The other core has it made at its own first request.
            again = self.gateway.get("/shop/v1/", {"Accept-Encoding": "gzip",
                                                   "If-None-Match": answer.header("etag")})
            return again.status == 304 and again.header("etag") == answer.header("etag")
        harness.wait_until(known, "the compressed version is known again")

    def test_the_operator_s_values_win(self):
        config = self.packages.write("gateway.yaml", "apps: {shop: {env: {VITE_API: /else, "
                                     "PUBLIC_MORE: 'yes', SECRET_KEY: x}}}\n")
        gateway = self.start({"RUNTIME_CONFIG": config,
                              "RUNTIME_DATA_DIR": self.packages.root + "/second"})
        page = gateway.get("/shop/v1/").body.decode()
        env = json.loads(page[page.index("__env__=") + 8:page.index(";</script>")])
        self.assertEqual(env, {"PUBLIC_TITLE": self.TITLE, "VITE_API": "/else",
                               "PUBLIC_MORE": "yes"})

    def test_rules_of_the_manifest_win(self):
        self.assertEqual(self.gateway.get("/shop/v1/icon.svg").header("cache-control"),
                         "public, max-age=60")

    def test_a_folder_moves_to_its_slash_below_the_base(self):
        self.packages.write("apps/shop/docs/index.html", "docs")
        moved = self.gateway.get("/shop/v1/docs?page=%2F2&x")
        self.assertEqual((moved.status, moved.header("location")),
                         (301, "/shop/v1/docs/?page=%2F2&x"))
        self.assertEqual(self.gateway.get("/shop/v1/docs/").body, b"docs")


class Replacing(harness.Case):
    """Deployments while clients read."""

    def release(self, number):
        folder = f"apps/site/releases/{number}"
        self.packages.write(f"{folder}/index.html", f'<script src="app-AbCd{number:04}.js">')
        self.packages.write(f"{folder}/app-AbCd{number:04}.js", f"{number} " + "x" * 50000)

    def switch(self, number):
        site = os.path.join(self.packages.apps, "site")
        os.symlink(f"releases/{number}", f"{site}/next")
        os.rename(f"{site}/next", f"{site}/current")

    def test_a_site_switched_under_load_shows_no_broken_page(self):
        self.packages.manifest("apps/site", "name: site\nbase: /\n"
                               "entrypoint: current/index.html\n")
        for number in range(5):
            self.release(number)
        self.switch(0)
        gateway = self.start()
        # One core knows the first release, the others meet the site after it was switched.
        self.assertEqual(gateway.get("/").status, 200)
        self.switch(1)
        broken, seen, stop = [], set(), threading.Event()

        # Page and script come over two connections in turn, so through every core there is.
        def browse(reader):
            with gateway.connect() as one, gateway.connect() as other:
                turn = 0
                while not stop.is_set():
                    page = (one, other)[turn].ask("GET", "/").body.decode()
                    name = re.search("app-AbCd[0-9]+.js", page)
                    script = (other, one)[turn].ask("GET", "/" + name.group(), {"Accept": "*/*"})
                    number = int(name.group()[8:12])
                    seen.add((reader, turn, number))
                    turn = 1 - turn
                    if script.status != 200 or script.body != f"{number} ".encode() + b"x" * 50000:
                        broken.append((number, script.status, script.body[:20]))
        readers = [threading.Thread(target=browse, args=(i,)) for i in range(4)]
        for reader in readers:
            reader.start()
        try:
            # A core keeps the files of the release it served before: all shall see each of them.
            for number in range(1, 5):
                if number > 1:
                    self.switch(number)
                everywhere = {(i, turn, number) for i in range(4) for turn in range(2)}
                harness.wait_until(lambda all_of=everywhere: all_of <= seen,
                                   f"release {number} is seen everywhere")
        finally:
            stop.set()
            for reader in readers:
                reader.join()
        self.assertEqual(broken, [])

    def test_a_file_cut_while_it_is_sent_is_not_padded(self):
        size = 48 << 20
        content = os.urandom(1 << 20) * (size >> 20)
        self.packages.site("site", {"index.html": "x", "large.bin": content})
        gateway = self.start()
        path = os.path.join(self.packages.apps, "site/large.bin")
        with gateway.connect() as client:
            client.request("GET", "/large.bin")
            client.socket.recv(100)
            os.truncate(path, 1000)
            got = 100
            with self.assertRaises((ConnectionResetError, Closed)):
                while piece := client.socket.recv(1 << 20):
                    got += len(piece)
                raise Closed(b"", "closed")
            self.assertLess(got, size)

    def test_a_file_replaced_while_it_is_sent_stays_the_old_one(self):
        size = 24 << 20
        self.packages.site("site", {"index.html": "x", "large.bin": b"a" * size})
        gateway = self.start()
        path = self.packages.write("apps/site/new.bin", b"b" * size)
        with gateway.connect() as client:
            client.request("GET", "/large.bin")
            harness.wait_until(lambda: len(client.socket.recv(100, socket.MSG_PEEK)) == 100,
                               "the answer begins")
            os.rename(path, os.path.join(self.packages.apps, "site/large.bin"))
            self.assertEqual(client.read_response().body, b"a" * size)
        harness.wait_until(lambda: gateway.get("/large.bin").body[:1] == b"b", "the new one")


class Documented(harness.Case):
    """docs/sites.md: its manifest is good, and each of its lines does what is said behind it."""

    def test_each_line(self):
        page = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/sites.md")
        with open(page, encoding="utf-8") as f:
            text = f.read()
        manifest = re.search(r"```yaml\n(.*?)```", text, re.S).group(1)
        self.packages.manifest("apps/shop", manifest)
        for path, content in {"index.html": "<head></head>", "docs/index.html": "docs",
                              "app.js": "let a;\n" * 1000, ".env": "KEY=1"}.items():
            self.packages.write(f"apps/shop/dist/{path}", content)
        gateway = self.start()
        self.assertIn(b'{"PUBLIC_TITLE":"Shop","VITE_API":"/api"}', gateway.get("/shop").body)
        lines = re.findall(r"^(curl .*?) +# (\d{3})", text, re.M)
        self.assertEqual(len(lines), 20)
        for line, status in lines:
            command = shlex.split(line.replace("localhost:8000", f"127.0.0.1:{gateway.port}"))
            answer = subprocess.run(command, stdout=subprocess.PIPE, timeout=60)
            with self.subTest(line=line):
                self.assertTrue(answer.stdout.startswith(b"HTTP/1.1 " + status.encode()),
                                answer.stdout[:200])


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
