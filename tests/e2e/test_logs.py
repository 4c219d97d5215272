#!/usr/bin/env python3
"""plugins/logs: the latest entries by query, and those that follow as events."""

import os
import re
import shutil

import harness

PLUGIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../plugins/logs")


class Logs(harness.Case):
    def setUp(self):
        super().setUp()
        folder = os.path.join(self.packages.plugins, "logs")
        shutil.copytree(PLUGIN, folder)
        shutil.copy(os.path.join(harness.BUILD, "plugins/logs/logs.so"), folder)
        self.manifest = os.path.join(folder, "manifest.yaml")
        self.packages.site("site", {"index.html": "site"})

    def begin(self, options="", env=None):
        with open(self.manifest, "a", encoding="utf-8") as f:
            f.write(options)
        self.gateway = self.start(env)

    def entries(self, query=""):
        answer = self.gateway.get("/logs" + query)
        self.assertEqual((answer.status, answer.header("content-type")),
                         (200, "application/json"), answer.body)
        return harness.json.loads(answer.body)["entries"]

    def ask_on_one_connection(self, paths):
        """On one core, that is: the entries of several arrive as their cores send them."""
        with self.gateway.connect() as client:
            for path in paths:
                client.ask("GET", path)

    def until(self, query, count=1):
        return harness.wait_until(
            lambda: len(found := self.entries(query)) >= count and found,
            lambda: f"{count} of {query}: {self.entries()}")

    def test_requests_by_status_and_source(self):
        self.begin(env={"RUNTIME_ACCESS_LOG": "off"})
        self.ask_on_one_connection(("/", "/missing.png", "/gone.png"))
        found = self.until("?kind=access&source=site&status=4xx", 2)
        self.assertEqual([entry["request"]["target"] for entry in found],
                         ["/missing.png", "/gone.png"])
        self.assertEqual({(entry["kind"], entry["status"]) for entry in found}, {("access", 404)})
        self.assertEqual(len(self.entries("?status=200&source=site")), 1)
        self.assertEqual(self.entries("?status=500"), [])

    def test_lines_of_the_gateway_by_level_and_text(self):
        self.packages.plugin("butler", "butler.so", "base: /butler\n")
        self.begin()
        self.gateway.post("/butler/say/caf%C3%A9'quoted'")
        found = self.until("?source=butler&level=warn")
        self.assertEqual((found[0]["level"], found[0]["kind"]), ("warn", "event"))
        self.assertIn("'quoted'", found[0]["text"])
        self.assertEqual(len(self.entries("?kind=event&text=%27quoted%27")), 1)
        self.assertEqual(self.entries("?level=error&source=butler"), [])
        last = self.entries()[-1]["id"]
        self.assertTrue(all(entry["id"] > last for entry in self.entries(f"?after={last}")))

    def test_only_the_latest_are_kept(self):
        self.begin("entries: 5\n")
        # Asking until the last has come would be logged too, and could push it out again.
        client = self.follow()
        self.ask_on_one_connection(f"/{n}.png" for n in range(20))
        last = int(self.read_until(client, b"19.png")[-1][0])
        everything = self.entries()
        ids = [entry["id"] for entry in everything]
        self.assertEqual(ids, list(range(ids[-1] - 4, ids[-1] + 1)))
        self.assertIn("/19.png", [entry.get("request", {}).get("target") for entry in everything])
        self.assertGreaterEqual(last, 20)
        self.assertEqual(len(self.entries("?limit=2")), 2)

    def test_questions_that_are_none(self):
        self.begin()
        for query in ("?kind=no", "?level=loud", "?status=abc", "?limit=0", "?limit=1001",
                      "?after=-1", "?colour=red"):
            answer = self.gateway.get("/logs" + query)
            self.assertEqual(answer.status, 400, query)
            self.assertIn(b"is not understood", answer.body)
        answer = self.gateway.get('/logs?status="\\', [harness.TAKES_JSON])
        self.assertIn('`status="\\`', self.is_json_error(answer, 400, "bad_request"))

    def test_a_token(self):
        self.begin("token: sesame\n")
        for path in ("/logs", "/logs/events"):
            answer = self.gateway.get(path, [harness.TAKES_JSON])
            self.is_json_error(answer, 401, "unauthorized")
            self.assertEqual(answer.header("www-authenticate"), "Bearer")
        good = [("Authorization", "Bearer sesame")]
        self.assertEqual(self.gateway.get("/logs", good).status, 200)

    def follow(self, headers=None):
        client = self.add(self.gateway.connect())
        client.request("GET", "/logs/events", headers or {})
        self.assertEqual(client.read_head().header("content-type"), "text/event-stream")
        return client

    def read_until(self, client, text):
        got = b""
        while text not in got or not got.endswith(b"\n\n"):
            got += client.read_chunk()
        return re.findall(rb"id: (\d+)\nevent: (\w+)\ndata: (.*)\n\n", got)

    def test_a_stream_and_what_was_missed(self):
        self.begin()
        client = self.follow()
        self.gateway.get("/first.png")
        number, name, data = self.read_until(client, b"first.png")[-1]
        entry = harness.json.loads(data)
        self.assertEqual((name, entry["id"]), (b"access", int(number)))
        client.close()
        self.gateway.get("/second.png")
        self.until("?source=site&text=second.png")
        again = self.follow({"Last-Event-ID": number.decode()})
        missed = self.read_until(again, b"second.png")
        self.assertNotIn(number, [each[0] for each in missed])


if __name__ == "__main__":
    harness.main()
