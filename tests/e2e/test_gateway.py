#!/usr/bin/env python3
"""plugins/gateway: other origins, rates and sizes, on real responses of every kind."""

import os
import shutil

import harness
from servers import Upstream

PLUGIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../plugins/gateway")
SHOP = ("Origin", "https://shop.example")


class Gateway(harness.Case):
    def begin(self, options):
        folder = os.path.join(self.packages.plugins, "gateway")
        shutil.copytree(PLUGIN, folder)
        shutil.copy(os.path.join(harness.BUILD, "plugins/gateway/gateway.so"), folder)
        with open(os.path.join(folder, "manifest.yaml"), "a", encoding="utf-8") as f:
            f.write(options)
        self.packages.site("site", {"index.html": "site"})
        self.upstream = self.add(Upstream())
        self.packages.proxy("up", "/up", self.upstream.port)

    def cors(self, options):
        self.begin(f"cors:\n  origins: ['https://shop.example', 'https://*.wide.example']\n{options}")
        self.gateway = self.start()

    def preflight(self, origin, method="PUT", *more):
        return self.gateway.get("/up/x", [("Origin", origin),
                                          ("Access-Control-Request-Method", method), *more],
                                "OPTIONS")

    # --- Origins ---

    def test_every_response_says_who_may_read_it(self):
        self.cors("  credentials: true\n  expose: [x-total]\n")
        for path, status in (("/", 200), ("/up/b/10", 200), ("/missing.png", 404),
                             ("/health", 200)):
            answer = self.gateway.get(path, [SHOP])
            self.assertEqual(answer.status, status)
            self.assertEqual(answer.header("access-control-allow-origin"), SHOP[1], path)
            self.assertEqual(answer.header("access-control-allow-credentials"), "true")
            self.assertEqual(answer.header("access-control-expose-headers"), "x-total")
            self.assertIn("Origin", answer.header("vary"), path)
            # A cache that keeps this one must ask again for that origin.
            other = self.gateway.get(path)
            self.assertIsNone(other.header("access-control-allow-origin"))
            self.assertIn("Origin", other.header("vary"), path)

    def test_which_origins(self):
        self.cors("")
        for origin, allowed in (("https://shop.example", True), ("https://a.wide.example", True),
                                ("https://a.b.wide.example", True), ("https://wide.example", False),
                                ("http://shop.example", False), ("https://shop.example:8443", False),
                                ("https://evilshop.example", False), ("null", False),
                                ("https://evil.example/.wide.example", False),
                                ("https://shop.example.evil.example", False)):
            answer = self.gateway.get("/", [("Origin", origin)])
            self.assertEqual(answer.header("access-control-allow-origin"),
                             origin if allowed else None, origin)

    def test_preflights_are_answered_here(self):
        self.cors("  methods: [GET, PUT]\n  maxAge: 60\n")
        answer = self.preflight("https://shop.example", "PUT",
                                ("Access-Control-Request-Headers", "x-a, x-b"))
        self.assertEqual((answer.status, answer.body), (204, b""))
        self.assertEqual(answer.header("access-control-allow-origin"), SHOP[1])
        self.assertEqual(answer.header("access-control-allow-methods"), "GET, PUT")
        self.assertEqual(answer.header("access-control-allow-headers"), "x-a, x-b")
        self.assertEqual(answer.header("access-control-max-age"), "60")
        self.assertEqual(self.preflight("https://shop.example", "DELETE").status, 403)
        refused = self.preflight("https://evil.example", "GET", harness.TAKES_JSON)
        self.is_json_error(refused, 403, "cors")
        self.assertIsNone(refused.header("access-control-allow-origin"))
        self.assertEqual(self.upstream.requests, [])

    def test_any_origin_but_never_with_credentials(self):
        self.begin("cors: {origins: ['*']}\n")
        self.gateway = self.start()
        answer = self.gateway.get("/", [("Origin", "https://who.ever")])
        self.assertEqual(answer.header("access-control-allow-origin"), "*")
        self.assertIsNone(answer.header("access-control-allow-credentials"))

    def test_configurations_that_cannot_be_meant(self):
        self.begin("cors: {origins: ['*'], credentials: true}\n")
        self.refuse_start("every origin must be named")
        path = os.path.join(self.packages.plugins, "gateway/manifest.yaml")
        with open(path, encoding="utf-8") as f:
            base = f.read().rsplit("cors: {origins", 1)[0]
        for options, text in (("cors: {origins: ['shop.example']}", "is no origin"),
                              ("cors: {origins: ['https://a.example/x']}", "is no origin"),
                              ("rateLimits: [{by: shoe, rate: 1}]", "none of ip"),
                              ("rateLimits: [{rate: 0}]", "above 0"),
                              ("rateLimits: [{rate: 1, paths: [x]}]", "does not begin with /")):
            with open(path, "w", encoding="utf-8") as f:
                f.write(base + options + "\n")
            self.refuse_start(text)

    # --- Rates ---

    def test_a_bucket_is_emptied_and_says_when_it_fills(self):
        # One token in a thousand seconds: time plays no part.
        self.begin("rateLimits: [{by: ip, rate: 0.001, burst: 3, paths: [/up]}]\n")
        self.gateway = self.start({"RUNTIME_CORES": "2"})
        for left in ("2", "1", "0"):
            answer = self.gateway.get("/up/b/10")  # Each on a connection, and core, of its own.
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.header("ratelimit-limit"), "3")
            self.assertEqual(answer.header("ratelimit-remaining"), left)
        answer = self.gateway.get("/up/b/10")
        self.assertEqual((answer.status, answer.header("ratelimit-remaining")), (429, "0"))
        self.assertLessEqual(int(answer.header("retry-after")), 1000)
        self.assertGreater(int(answer.header("retry-after")), 900)
        self.assertGreater(int(answer.header("ratelimit-reset")), 2900)
        self.assertEqual(answer.body, b"Too many requests.\n")
        answer = self.gateway.get("/up/b/10", [harness.TAKES_JSON])
        self.is_json_error(answer, 429, "rate_limited")
        self.assertGreater(int(answer.header("retry-after")), 900)
        self.assertEqual(len(self.upstream.requests), 3)
        for path in ("/", "/upper.png"):
            self.assertIsNone(self.gateway.get(path).header("ratelimit-limit"), path)

    def test_clients_by_header_and_cookie(self):
        self.begin("rateLimits:\n  - {by: 'header:x-key', rate: 0.001, burst: 1, paths: [/up]}\n"
                   "  - {by: 'cookie:session', rate: 0.001, burst: 1, paths: [/c]}\n")
        self.gateway = self.start()
        for key in ("a", "b"):
            self.assertEqual([self.gateway.get("/up/x", [("X-Key", key)]).status
                              for _ in range(2)], [200, 429])
        # Without a key the address counts: nobody escapes by leaving it out.
        self.assertEqual([self.gateway.get("/up/x").status for _ in range(2)], [200, 429])
        for cookie in ("session=1", "x=y; session=2; z=1"):
            self.assertEqual([self.gateway.get("/c", [("Cookie", cookie)]).status
                              for _ in range(2)], [200, 429], cookie)

    def test_clients_behind_a_trusted_proxy(self):
        self.begin("rateLimits: [{by: ip, rate: 0.001, burst: 1, paths: [/up]}]\n")
        self.gateway = self.start({"RUNTIME_TRUSTED_PROXIES": "127.0.0.0/8"})
        for client in ("7.7.7.7", "6.6.6.6, 8.8.8.8", "9.9.9.9 , 127.0.0.5"):
            self.assertEqual([self.gateway.get("/up/x", [("X-Forwarded-For", client)]).status
                              for _ in range(2)], [200, 429], client)
        # Whatever it says in front, the proxy's word is the last one.
        self.assertEqual(self.gateway.get("/up/x", [("X-Forwarded-For", "1.1.1.1"),
                                                    ("X-Forwarded-For", "7.7.7.7")]).status, 429)

    def test_a_preflight_costs_nothing(self):
        self.cors("rateLimits: [{by: ip, rate: 0.001, burst: 1, paths: [/up]}]\n")
        self.assertEqual([self.gateway.get("/up/x").status for _ in range(2)], [200, 429])
        self.assertEqual(self.preflight("https://shop.example").status, 204)

    # --- Sizes ---

    def test_bodies(self):
        self.begin("sizes: [{bytes: 10, paths: [/up], methods: [POST]}]\n")
        self.gateway = self.start()
        self.assertEqual(self.gateway.post("/up/x", b"0123456789").status, 200)
        self.assertEqual(self.gateway.post("/up/x", b"0123456789a").status, 413)
        answer = self.gateway.post("/up/x", b"0123456789a", [harness.TAKES_JSON])
        self.is_json_error(answer, 413, "body_too_large")
        self.assertEqual(self.gateway.get("/up/x", method="PUT", body=b"x" * 50).status, 200)
        with self.gateway.connect() as client:
            client.send(b"POST /up/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                        b"1\r\nx\r\n0\r\n\r\n")
            self.assertEqual(client.read_response().status, 411)
        self.assertEqual(len(self.upstream.requests), 2)


if __name__ == "__main__":
    harness.main()
