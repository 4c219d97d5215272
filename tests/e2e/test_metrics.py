#!/usr/bin/env python3
"""plugins/metrics: the page for Prometheus, by a parser that forgives nothing; JSON; events."""

import os
import re
import shutil
import subprocess

import harness
from servers import Upstream

PLUGIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../plugins/metrics")
ODD = "base: /butler\nconfig:\n  odd: {type: boolean, default: true}\n"
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? "
                    r"(NaN|[+-]Inf|-?[0-9.]+(?:e[+-]?[0-9]+)?)")


class Page:
    """The text format, version 0.0.4. Whatever is not quite right raises."""

    def __init__(self, text):
        self.types, self.samples = {}, {}
        family, seen = None, set()
        if not text.endswith("\n"):
            raise ValueError("the last line has no end")
        for line in text[:-1].split("\n"):
            if line.startswith("# HELP "):
                family = line.split(" ", 3)[2]
                if family in seen:
                    raise ValueError(f"{family} comes twice")
                seen.add(family)
            elif line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                if name != family or kind not in ("counter", "gauge", "histogram"):
                    raise ValueError(line)
                self.types[name] = kind
            else:
                self._sample(line, family)
        for name, kind in self.types.items():
            if kind == "histogram":
                self._check_histogram(name)

    def _sample(self, line, family):
        found = SAMPLE.fullmatch(line)
        if not found:
            raise ValueError(f"no sample: {line!r}")
        name, value = found.group(1), float(found.group(found.lastindex))
        labels = [(label, text) for label, text in re.findall(LABEL, found.group(2) or "")]
        if len({label for label, _ in labels}) != len(labels):
            raise ValueError(f"a label comes twice: {line}")
        suffixes = ("_bucket", "_sum", "_count") if self.types[family] == "histogram" else ("",)
        if name not in [family + suffix for suffix in suffixes]:
            raise ValueError(f"{name} is not of {family}")
        key = (name, *sorted(labels))
        if key in self.samples:
            raise ValueError(f"a series comes twice: {line}")
        self.samples[key] = value

    def _check_histogram(self, name):
        series = {}
        for (sample, *labels), value in self.samples.items():
            if sample == name + "_bucket":
                rest = tuple(label for label in labels if label[0] != "le")
                series.setdefault(rest, []).append((float(dict(labels)["le"]), value))
        for labels, buckets in series.items():
            bounds, counts = zip(*buckets)
            if list(bounds) != sorted(bounds) or list(counts) != sorted(counts):
                raise ValueError(f"{name} is not cumulated: {buckets}")
            if bounds[-1] != float("inf") or counts[-1] != self.samples[(name + "_count", *labels)]:
                raise ValueError(f"{name}: its last bucket is not its count")

    def value(self, name, **labels):
        return self.samples.get((name, *sorted(labels.items())))


class Metrics(harness.Case):
    def setUp(self):
        super().setUp()
        shutil.copytree(PLUGIN, os.path.join(self.packages.plugins, "metrics"))
        shutil.copy(os.path.join(harness.BUILD, "plugins/metrics/metrics.so"),
                    os.path.join(self.packages.plugins, "metrics"))
        self.packages.site("site", {"index.html": "site"})

    def option(self, text):
        with open(os.path.join(self.packages.plugins, "metrics/manifest.yaml"), "a",
                  encoding="utf-8") as f:
            f.write(text)

    def page(self, gateway, headers=()):
        answer = gateway.get("/metrics", headers)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(answer.header("content-type"),
                         "text/plain; version=0.0.4; charset=utf-8")
        self.text = answer.body.decode()
        return Page(self.text)

    def test_requests_by_mount_method_and_class(self):
        gateway = self.start()
        for _ in range(3):
            gateway.get("/")
        gateway.get("/", method="DELETE")
        page = self.page(gateway)
        self.assertEqual(page.value("http_server_requests_total", mount="site",
                                    http_request_method="GET", status_class="2xx"), 3)
        self.assertEqual(page.value("http_server_requests_total", mount="site",
                                    http_request_method="DELETE", status_class="4xx"), 1)
        self.assertEqual(page.types["http_server_request_duration_seconds"], "histogram")
        bucket = {"mount": "site", "status_class": "2xx"}
        self.assertEqual(page.value("http_server_request_duration_seconds_bucket", le="+Inf",
                                    **bucket), 3)
        self.assertIsNotNone(page.value("http_server_request_duration_seconds_bucket",
                                        le="0.0001", **bucket))
        self.assertEqual(page.types["process_cpu_time_seconds_total"], "counter")
        self.assertEqual(page.value("ringtime_cores"), 2)

    def test_upstreams_workers_and_reloads(self):
        upstream = self.add(Upstream())
        self.packages.proxy("up", "/up", upstream.port)
        self.packages.app("app", "app.so")
        gateway = self.start()
        for _ in range(2):
            self.assertEqual(gateway.get("/up/b/10").status, 200)
        page = self.page(gateway)
        server = {"upstream": "up", "server": f"http://127.0.0.1:{upstream.port}"}
        self.assertEqual(page.value("ringtime_upstream_requests_total", **server), 2)
        self.assertEqual(page.value("ringtime_upstream_answers_total", status="2xx", **server), 2)
        self.assertEqual(page.value("http_client_request_duration_seconds_count", **server), 2)
        self.assertEqual(page.value("ringtime_upstream_up", **server), 1)
        self.assertEqual(page.value("ringtime_workers_ready", app="app"), 1)
        self.assertEqual(page.value("ringtime_workers_events_total", event="started"), 1)
        self.assertEqual(page.value("ringtime_reloads_total"), 0)

    def test_what_other_plugins_tell_cannot_spoil_it(self):
        self.packages.plugin("butler", "butler.so", ODD)
        page = self.page(self.start())
        self.assertEqual(page.value("butler_odd", what='a\\"b\\\\c\\nd?é', x_y="1"), 0.5)
        self.assertEqual(page.value("butler_odd", what="inf"), float("inf"))
        self.assertEqual(page.types["butler_odd_total"], "counter")
        self.assertEqual(page.value("butler_odd_total"), 1)
        self.assertEqual(page.value("ringtime_plugin_probe", plugin="butler", probe="mood"), 1)

    def test_the_parser_of_prometheus_takes_it(self):
        promtool = shutil.which("promtool")
        if not promtool:
            self.skipTest("promtool is not installed")
        self.packages.plugin("butler", "butler.so", ODD)
        gateway = self.start()
        gateway.get("/")
        self.page(gateway)
        done = subprocess.run([promtool, "check", "metrics"], input=self.text.encode(),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        # 3: it can be read, and some name could be better. Ours cannot: the butler's are odd.
        complaints = [line for line in done.stdout.decode().splitlines() if "butler" not in line]
        self.assertIn(done.returncode, (0, 3), done.stdout)
        self.assertEqual(complaints, [])

    def test_a_token(self):
        self.option("token: sesame\n")
        gateway = self.start()
        for headers in ([], [("Authorization", "Bearer sesam")],
                        [("Authorization", "Bearer sesamee")], [("Authorization", "sesame")]):
            for path in ("/metrics", "/metrics/json", "/metrics/events"):
                answer = gateway.get(path, headers)
                self.assertEqual((answer.status, answer.header("www-authenticate")),
                                 (401, "Bearer"), path)
        self.page(gateway, [("Authorization", "Bearer sesame")])

    def test_json(self):
        self.packages.plugin("butler", "butler.so", ODD)
        gateway = self.start()
        gateway.get("/")
        answer = gateway.get("/metrics/json")
        self.assertEqual(answer.header("content-type"), "application/json")
        metrics = {metric["name"]: metric for metric in harness.json.loads(answer.body)["metrics"]}
        requests = metrics["http.server.requests"]
        self.assertEqual((requests["kind"], requests["unit"]), ("counter", "{request}"))
        self.assertIn({"labels": {"mount": "site", "http.request.method": "GET",
                                  "status_class": "2xx"}, "value": 1}, requests["series"])
        duration = metrics["http.server.request.duration"]["series"][0]
        self.assertEqual(sum(count for _, count in duration["buckets"]), duration["count"])
        self.assertIsNone(duration["buckets"][-1][0])
        self.assertIn("a\"b\\c\nd?é", str(metrics["butler.odd"]["series"][0]["labels"]["what"]))

    def test_a_stream_of_what_has_changed(self):
        self.option("interval: 1\n")
        gateway = self.start()
        client = self.add(gateway.connect())
        client.request("GET", "/metrics/events")
        self.assertEqual(client.read_head().header("content-type"), "text/event-stream")
        text = b""

        def series():
            data = re.findall(rb"event: metrics\ndata: (.*)\n\n", text)
            return [one for array in data for one in harness.json.loads(array)]

        while b"ringtime.build.info" not in text or not text.endswith(b"\n\n"):
            text += client.read_chunk()
        self.assertGreater(len(series()), 20)
        text = b""
        gateway.get("/missing.png")
        while b'"site"' not in text or not text.endswith(b"\n\n"):
            text += client.read_chunk()
        self.assertIn(("http.server.requests", 1),
                      [(one["name"], one.get("value")) for one in series()
                       if one["labels"].get("mount") == "site"])
        self.assertNotIn("ringtime.build.info", [one["name"] for one in series()])


if __name__ == "__main__":
    harness.main()
