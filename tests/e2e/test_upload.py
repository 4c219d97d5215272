#!/usr/bin/env python3
"""Packages through the API: uploads good and hostile, switches, removals, reloads."""

import gzip
import io
import json
import os
import re
import stat
import subprocess
import tarfile
import tempfile
import threading
import zipfile

import harness
from test_api import ApiCase

MANIFEST = "name: shop\nbase: /shop\nentrypoint: index.html\n"


def tar(entries, mode="w:gz"):
    """A .tar.gz of (name or TarInfo, content) pairs, in order, exactly as given."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=tarfile.PAX_FORMAT) as archive:
        for name, content in entries:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            if content is not None:
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content) if content is not None else None)
    return out.getvalue()


def zipped(entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return out.getvalue()


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def site(text, base="/shop", extra=""):
    manifest = f"name: shop\nbase: {base}\nentrypoint: index.html\n{extra}"
    return [("manifest.yaml", manifest.encode()), ("index.html", text.encode())]


class UploadCase(ApiCase):
    def setUp(self):
        super().setUp()
        self.gateway = self.start()

    def upload(self, body, door="apps", query="", expect=None):
        answer = self.admin(f"/api/{door}{query}", "POST", body)
        if expect is not None:
            self.assertEqual(answer.status, expect, answer.body.decode())
        return answer

    def tree(self, folder="apps"):
        """Every path below a package folder: what an upload may have left behind."""
        root = os.path.join(self.packages.root, folder)
        return sorted(os.path.relpath(os.path.join(at, name), root)
                      for at, folders, files in os.walk(root) for name in folders + files)

    def body(self, path):
        return self.gateway.get(path).body.decode()


class Uploads(UploadCase):
    def test_a_new_app_serves_at_once_and_a_new_version_replaces_it(self):
        self.upload(tar(site("one")), expect=201)
        self.assertEqual(self.body("/shop/"), "one")
        answer = self.upload(zipped(site("two, and longer")), expect=200)
        self.assertEqual(json.loads(answer.body)["done"], "replaced")
        harness.wait_until(lambda: self.body("/shop/") == "two, and longer", "the new one serves")
        self.assertEqual(self.tree(), ["shop", "shop/index.html", "shop/manifest.yaml"])

    def test_versions_stand_beside_each_other(self):
        for version in ("1.0.0", "1.1.0", "2.0.0"):
            self.upload(tar(site(version, extra=f"version: {version}\n")), expect=201)
        self.assertEqual(self.body("/shop/"), "2.0.0")
        self.assertEqual(self.body("/shop@1/"), "1.1.0")
        apps = json.loads(self.admin("/api/apps").body)["apps"]
        self.assertEqual([app["version"] for app in apps], ["1.0.0", "1.1.0", "2.0.0"])
        self.assertEqual(self.admin("/api/apps/shop?version=1.1.0", "DELETE").status, 200)
        self.assertEqual(self.body("/shop@1/"), "1.0.0")
        self.assertEqual(self.admin("/api/apps/shop", "DELETE").status, 200)
        self.assertEqual(self.gateway.get("/shop/").status, 404)
        self.assertEqual(self.tree(), [])
        self.assertEqual(self.admin("/api/apps/shop", "DELETE").status, 404)

    def test_an_archive_of_one_folder_and_a_scoped_name(self):
        files = [("./shop-main/" + name, content) for name, content in
                 [("manifest.yaml", b"name: '@acme/shop'\nbase: /shop\nentrypoint: index.html\n"),
                  ("index.html", b"scoped")]]
        self.upload(tar(files), expect=201)
        self.assertEqual(self.body("/shop/"), "scoped")
        self.assertIn("@acme/shop/index.html", self.tree())
        self.assertEqual(self.admin("/api/apps/%40acme%2Fshop", "DELETE").status, 200)

    def test_programs_stay_programs_and_times_are_kept(self):
        program = tarfile.TarInfo("tool")
        program.mode, program.mtime = 0o6777, 1000000000
        self.upload(tar([*site("x"), (program, b"#!/bin/sh\n")]), expect=201)
        status = os.stat(os.path.join(self.packages.apps, "shop/tool"))
        self.assertEqual(stat.S_IMODE(status.st_mode), 0o755)
        self.assertEqual(status.st_mtime, 1000000000)
        status = os.stat(os.path.join(self.packages.apps, "shop/index.html"))
        self.assertEqual(stat.S_IMODE(status.st_mode), 0o644)

    def test_a_worker_app_is_deployed_without_losing_a_request(self):
        def archive(answer):
            with open(os.path.join(harness.BUILD, "tests/e2e/packages/app.so"), "rb") as f:
                return tar([("manifest.yaml", b"name: job\nentrypoint: app.so\nttl: 1h\n"
                             b"env: {ANSWER: %s}\n" % answer), ("app.so", f.read())])
        self.upload(archive(b"one"), expect=201)
        failures, done = [], threading.Event()

        def ask():
            while not done.is_set():
                for path in ("/ready", "/job/about"):
                    status = self.gateway.get(path).status
                    if status != 200:
                        failures.append((path, status))
        asker = threading.Thread(target=ask)
        asker.start()
        try:
            for answer in (b"two", b"three"):
                self.upload(archive(answer), expect=200)
        finally:
            done.set()
            asker.join()
        self.assertEqual(failures, [])

    def test_what_the_configuration_does_not_take_leaves_no_trace(self):
        self.upload(tar(site("one")), expect=201)
        before = self.tree()
        for bad in (site("x", base="/health"), site("x", extra="entrypont: x\n"),
                    [("manifest.yaml", b"name: shop\nentrypoint: missing.html\n")],
                    [("manifest.yaml", b"name: other\nbase: /shop\nentrypoint: i.html\n"),
                     ("i.html", b"")]):
            answer = self.upload(tar(bad), expect=422)
            self.assertIn("manifest.yaml", json.loads(answer.body)["message"])
            self.assertEqual(self.tree(), before)
            self.assertEqual(self.body("/shop/"), "one")

    def test_an_app_brings_no_native_plugin(self):
        with open(os.path.join(harness.BUILD, "tests/e2e/packages/hooks.so"), "rb") as f:
            files = [("manifest.yaml", b"name: hooks\nbase: /hooks\npluginEntry: hooks.so\n"),
                     ("hooks.so", f.read())]
        answer = self.upload(tar(files), expect=422)
        self.assertIn(b"plugin", answer.body)
        self.assertEqual(self.tree(), [])
        # The other door takes it, and an editor has no key to that one.
        self.upload(tar(files), door="plugins", expect=201)
        self.assertTrue(self.gateway.get("/nothing").header("x-signed"))
        editor = self.make_key("editor")
        headers = {"x-api-key": editor}
        self.assertEqual(self.gateway.post("/api/plugins", tar(files), headers).status, 403)
        self.assertEqual(self.gateway.post("/api/apps", tar(site("e")), headers).status, 201)

    def overrides(self):
        with open(os.path.join(self.packages.root, "data/overrides.yaml"), encoding="utf-8") as f:
            return f.read()

    def test_plugins_are_switched_and_removed(self):
        self.packages.plugin("hooks", "hooks.so", "base: /hooks\n")
        self.assertEqual(self.admin("/api/plugins/reload", "POST").status, 200)
        seen = lambda: bool(self.gateway.get("/nothing").header("x-signed"))
        self.assertTrue(seen())
        self.assertEqual(self.admin("/api/plugins/hooks/disable", "POST").status, 200)
        self.assertFalse(seen())
        states = {p["name"]: p["state"]
                  for p in json.loads(self.admin("/api/plugins").body)["plugins"]}
        self.assertEqual(states, {"hooks": "disabled"})
        self.assertEqual(self.admin("/api/plugins/hooks/enable", "POST").status, 200)
        self.assertTrue(seen())
        # Switched back, the manifest's word counts again; removed, nothing is left of it.
        self.assertNotIn("hooks", self.overrides())
        self.assertEqual(self.admin("/api/plugins/hooks/disable", "POST").status, 200)
        self.assertIn('"hooks": false', self.overrides())
        self.assertEqual(self.admin("/api/plugins/hooks", "DELETE").status, 200)
        self.assertNotIn("hooks", self.overrides())
        self.assertFalse(seen())
        self.assertEqual(self.tree("plugins"), [])
        for path, method in (("hooks", "DELETE"), ("hooks/enable", "POST")):
            self.assertEqual(self.admin(f"/api/plugins/{path}", method).status, 404)

    def test_what_others_need_is_not_removed(self):
        self.packages.proxy("base", "/base", 9)
        self.packages.manifest("plugins/user", "name: user\nbase: /user\ndependencies: [base]\n"
                               "upstream: {servers: ['http://127.0.0.1:9']}\n")
        self.assertEqual(self.admin("/api/reload", "POST").status, 200)
        for path, method in (("base", "DELETE"), ("base/disable", "POST")):
            answer = self.admin(f"/api/plugins/{path}", method)
            self.assertEqual(answer.status, 422)
            self.assertIn(b"base", answer.body)
        self.assertIn("base/manifest.yaml", self.tree("plugins"))
        self.assertEqual(self.gateway.get("/base/").status, 502)
        self.assertEqual(self.admin("/api/plugins/user", "DELETE").status, 200)
        self.assertEqual(self.admin("/api/plugins/base", "DELETE").status, 200)


class Hostile(UploadCase):
    def refuse(self, body, *words):
        answer = self.upload(body, expect=422)
        message = json.loads(answer.body)["message"]
        for word in words:
            self.assertIn(word, message)
        self.assertEqual(self.tree(), [])
        self.assertEqual(os.listdir(self.outside), ["kept"])

    def setUp(self):
        super().setUp()
        self.outside = os.path.join(self.packages.root, "outside")
        self.packages.write("outside/kept", "kept")

    def test_paths_that_lead_elsewhere(self):
        for name in ("/etc/evil", self.outside + "/evil", "../evil", "a/../../evil", "..",
                     "a/..", "a\\..\\evil", "a/\x01b", "\n", "x" * 300, "a/" * 40 + "b",
                     "d/" * 600 + "b"):
            self.refuse(tar([*site("x"), (name, b"evil")]))
            if "\n" not in name and "\x01" not in name:
                self.refuse(zipped([*site("x"), (name, b"evil")]))

    def test_links_and_devices(self):
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE,
                     tarfile.FIFOTYPE):
            for target in ("index.html", self.outside, "../../outside", "/etc/passwd"):
                self.refuse(tar([*site("x"), (special("thing", kind, target), None)]), "thing")
        # A link, then a file through it.
        self.refuse(tar([*site("x"), (special("link", tarfile.SYMTYPE, self.outside), None),
                         ("link/evil", b"evil")]))
        info = zipfile.ZipInfo("link")
        info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        self.refuse(zipped([*site("x"), (info, self.outside)]), "link")

    def test_a_name_twice(self):
        self.refuse(tar([*site("x"), ("a", b"1"), ("./a", b"2")]), "twice")
        self.refuse(tar([*site("x"), ("a", b"1"), ("a/b", b"2")]))
        self.refuse(tar([*site("x"), ("a/b", b"1"), ("a", b"2")]))

    def test_bombs(self):
        huge = b"\0" * (100 * 1024 * 1024)
        bomb = io.BytesIO()
        with tarfile.open(fileobj=bomb, mode="w:gz", compresslevel=6) as archive:
            info = tarfile.TarInfo("bomb")
            info.size = len(huge)
            archive.addfile(info, io.BytesIO(huge))
        self.refuse(bomb.getvalue(), "exceeds")
        self.refuse(zipped([*site("x"), ("bomb", huge)]), "exceeds")
        self.refuse(tar([(f"f{i}", b"") for i in range(20001)]), "entries")
        # A file that says it is sparse and enormous.
        sparse = tarfile.TarInfo("sparse")
        sparse.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
                              "GNU.sparse.name": "sparse", "GNU.sparse.realsize": str(1 << 40)}
        self.refuse(tar([*site("x"), (sparse, b"1\n%d\n0\n" % (1 << 39) + b"\0" * 512)]))

    def test_what_is_no_archive(self):
        whole = tar(site("x"))
        for body in (b"x", b"\0" * 100000, whole[:len(whole) // 2], whole[:60], b"PK\x03\x04" * 99,
                     gzip.compress(b"text"), zipped(site("x"))[:-30], gzip.compress(b"")):
            self.refuse(body)
        self.assertEqual(self.upload(b"").status, 400)
        self.refuse(tar([("a", b"")]), "manifest.yaml")
        self.refuse(tar([("a/manifest.yaml", MANIFEST.encode()), ("b/x", b"")]), "manifest.yaml")

    def test_names_that_are_no_names(self):
        for name in ("../evil", "a/b", "", ".", "..", "/etc", "@../x", "@a/..", "a\\0b"):
            manifest = f"name: {json.dumps(name)}\nentrypoint: index.html\n"
            self.refuse(tar([("manifest.yaml", manifest.encode()), ("index.html", b"")]))

    def test_a_folder_that_is_not_configured(self):
        answer = self.upload(tar(site("x")), query=f"?dir={self.outside}", expect=422)
        self.assertIn(b"RUNTIME_WORKER_DIRS", answer.body)
        self.assertEqual(os.listdir(self.outside), ["kept"])

    def test_a_package_is_replaced_where_it_lies_on_another_file_system(self):
        if os.stat("/dev/shm").st_dev == os.stat(self.packages.root).st_dev:
            self.skipTest("/dev/shm is no other file system")
        self.gateway.stop()
        with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="ringtime-") as other:
            os.makedirs(f"{other}/shop")
            for name, content in site("old"):
                with open(f"{other}/shop/{name}", "wb") as file:
                    file.write(content)
            first = f"{self.packages.root}/apps"
            self.gateway = self.start({"RUNTIME_WORKER_DIRS": f"{first}:{other}"})
            self.upload(tar(site("new")), expect=200)
            harness.wait_until(lambda: self.body("/shop/") == "new", lambda: self.body("/shop/"))
            self.assertEqual(sorted(os.listdir(other)), ["shop"])
            answer = self.upload(tar(site("third")), query=f"?dir={first}", expect=422)
            self.assertIn(f"{other}/shop".encode(), answer.body)
            self.gateway.stop()

    def test_too_large_is_refused_before_it_is_read(self):
        with self.gateway.connect() as client:
            key = self.make_key("editor")
            client.send(b"POST /api/apps HTTP/1.1\r\nHost: x\r\nX-Api-Key: %s\r\n"
                        b"Content-Length: 70000000\r\nExpect: 100-continue\r\n\r\n" % key.encode())
            self.assertEqual(client.read_response().status, 413)
        # Nobody's body is gathered before it is known whose it is.
        with self.gateway.connect() as client:
            client.send(b"POST /api/apps HTTP/1.1\r\nHost: x\r\nX-Api-Key: rtk_no\r\n"
                        b"Content-Length: 7000000\r\nExpect: 100-continue\r\n\r\n")
            self.assertEqual(client.read_response().status, 403)


class Docs(UploadCase):
    def test_the_commands_of_the_page_work(self):
        page = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/api.md")
        with open(page, encoding="utf-8") as f:
            lines = [line for block in re.findall(r"```sh\n(.*?)```", f.read(), re.S)
                     for line in block.splitlines()]
        self.assertGreater(len(lines), 12)
        self.packages.write("shop/manifest.yaml", MANIFEST)
        self.packages.write("shop/index.html", "from the page")
        bin_folder = os.path.join(self.packages.root, "bin")
        os.mkdir(bin_folder)
        os.symlink(harness.BINARY, os.path.join(bin_folder, "ringtime"))
        env = {"PATH": f"{bin_folder}:/usr/bin:/bin", "RUNTIME_DATA_DIR": self.data,
               "KEY": self.make_key("admin", "page")}
        env.update({n: v for n, v in os.environ.items() if n.endswith("_OPTIONS")})
        for line in lines:
            command = line.replace("localhost:8000", f"localhost:{self.gateway.port}")
            command = command.replace("curl ", "curl --fail-with-body -sS ")
            done = subprocess.run(["bash", "-c", command], env=env, cwd=self.packages.root,
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, f"{line}\n{done.stdout}{done.stderr}")


class CommandLine(UploadCase):
    def test_pack_makes_what_upload_takes(self):
        source = os.path.join(self.packages.root, "source")
        self.packages.write("source/manifest.yaml", MANIFEST)
        self.packages.write("source/index.html", "packed")
        self.packages.write("source/deep/file.txt", "x" * 100000)
        self.packages.write("source/.env", "SECRET=1")
        self.packages.write("source/.git/config", "")
        first, second = (os.path.join(self.packages.root, name) for name in ("1.tgz", "2.tgz"))
        self.assertIn("3 files", self.ringtime("pack", source, "-o", first))
        self.ringtime("pack", source, "-o", second)
        with open(first, "rb") as one, open(second, "rb") as two:
            body = one.read()
            self.assertEqual(body, two.read())
        self.upload(body, expect=201)
        self.assertEqual(self.tree(), ["shop", "shop/deep", "shop/deep/file.txt",
                                       "shop/index.html", "shop/manifest.yaml"])
        self.assertEqual(self.body("/shop/"), "packed")
        os.symlink("index.html", os.path.join(source, "link"))
        self.assertIn("link", self.ringtime("pack", source, "-o", first, expect=1))
        self.assertFalse(os.path.exists(first))
        self.assertIn("manifest", self.ringtime("pack", self.packages.apps, expect=1))

    def test_packages_by_command(self):
        self.packages.write("source/manifest.yaml", MANIFEST)
        self.packages.write("source/index.html", "by hand")
        source = os.path.join(self.packages.root, "source")
        self.assertIn("installed", self.ringtime("apps", "upload", source))
        self.assertEqual(self.body("/shop/"), "by hand")
        self.assertIn("shop", self.ringtime("apps"))
        self.ringtime("apps", "disable", "shop")
        self.assertEqual(self.gateway.get("/shop/").status, 404)
        self.assertIn("disabled", self.ringtime("apps"))
        self.ringtime("apps", "enable", "shop")
        self.ringtime("apps", "remove", "shop")
        self.assertIn("no app shop", self.ringtime("apps", "remove", "shop", expect=1))
        self.packages.plugin("hooks", "hooks.so", "base: /hooks\n")
        self.assertIn("hooks", self.ringtime("reload", "--dry-run"))
        self.assertFalse(self.gateway.get("/nothing").header("x-signed"))
        self.assertIn("reloaded", self.ringtime("reload"))
        self.assertTrue(self.gateway.get("/nothing").header("x-signed"))
        self.packages.manifest("plugins/hooks", "name: hooks\npluginEntry: missing.so\n")
        self.assertIn("manifest.yaml:2:", self.ringtime("reload", expect=1))
        self.assertTrue(self.gateway.get("/nothing").header("x-signed"))


if __name__ == "__main__":
    harness.main()
