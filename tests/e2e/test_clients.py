#!/usr/bin/env python3
"""Clients as people use them: curl, h2load, Node.js and Python; what is missing is skipped."""

import http.client
import shutil
import subprocess

import harness
from servers import Upstream, pattern

NODE = """
const http = require('http');
const port = process.argv[1];
const agent = new http.Agent({keepAlive: true, maxSockets: 4});
const ask = (method, path, body, headers) => new Promise((resolve, reject) => {
  const request = http.request({port, method, path, agent, headers}, answer => {
    let size = 0;
    answer.on('data', piece => size += piece.length);
    answer.on('end', () => resolve([answer.statusCode, size, answer.complete]));
    answer.on('error', reject);
  });
  request.on('error', reject);
  const step = 60000;
  for (let at = 0; body && at < body.length; at += step) request.write(body.slice(at, at + step));
  request.end();
});
(async () => {
  const all = [];
  for (let n = 0; n < 200; ++n) all.push(ask('GET', `/up/b/${n * 37}`));
  (await Promise.all(all)).forEach((got, n) => {
    if (String(got) !== String([200, n * 37, true])) throw new Error(`${n}: ${got}`);
  });
  const body = Buffer.alloc(300000, 'x');
  for (const path of ['/up/', '/app/echo']) {
    const got = await ask('POST', path, body);  // In chunks: no length was said.
    if (String(got) !== String([200, body.length, true])) throw new Error(`${path}: ${got}`);
  }
  const head = await ask('HEAD', '/up/b/5');
  if (head[0] !== 200 || head[1] !== 0) throw new Error(`HEAD: ${head}`);
  agent.destroy();
})();
"""


class Clients(harness.Case):
    def setUp(self):
        super().setUp()
        self.upstream = self.add(Upstream())
        self.packages.proxy("up", "/up", self.upstream.port)
        self.packages.app("app", "app.so", "ttl: 1h\nmaxBodySize: 1mb\n")
        self.packages.site("site", {"index.html": "site", "large.bin": pattern(2_000_000)})
        self.gateway = self.start()
        self.url = f"http://127.0.0.1:{self.gateway.port}"

    def run_tool(self, *command, data=None):
        if not shutil.which(command[0]):
            self.skipTest(f"{command[0]} is not installed")
        done = subprocess.run(command, input=data, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def curl(self, *arguments, data=None):
        return self.run_tool("curl", "-sS", *arguments, data=data)

    def test_curl(self):
        self.assertEqual(self.curl(self.url), b"site")
        self.assertEqual(self.curl("--http1.0", self.url), b"site")
        self.assertEqual(self.curl(f"{self.url}/up/b/10", f"{self.url}/up/b/20"),
                         pattern(10) + pattern(20))
        self.assertIn(b"HTTP/1.1 200", self.curl("-I", f"{self.url}/large.bin"))
        self.assertEqual(self.curl("-r", "100-199", f"{self.url}/large.bin"),
                         pattern(2_000_000)[100:200])
        body = pattern(2_000_000)
        # Long bodies wait for 100 by themselves; without a length they come in chunks.
        self.assertEqual(self.curl("--data-binary", "@-", f"{self.url}/up/", data=body), body)
        self.assertEqual(self.curl("-T", "-", f"{self.url}/up/", data=body), body)
        # Too large for the app: it reads why, though it has not sent all of it.
        self.assertEqual(self.curl("-o", "/dev/null", "-w", "%{http_code}", "-H", "Expect:",
                                   "--data-binary", "@-", f"{self.url}/app/echo", data=body),
                         b"413")
        self.assertEqual(self.curl("-X", "OPTIONS", "--request-target", "*", "-o", "/dev/null",
                                   "-w", "%{http_code}", self.url), b"204")

    def test_h2load(self):
        for path in ("/", "/up/b/1000", "/app/about"):
            text = self.run_tool("h2load", "--h1", "-n", "1000", "-c", "20", "-t", "1",
                                 self.url + path).decode()
            self.assertIn("1000 succeeded, 0 failed, 0 errored, 0 timeout", text, text)
            self.assertIn("status codes: 1000 2xx", text)

    def test_node(self):
        self.run_tool("node", "-e", NODE, str(self.gateway.port))

    def test_python(self):
        client = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=20)
        for n in range(50):
            client.request("POST", "/up/", pattern(n * 1000))
            answer = client.getresponse()
            self.assertEqual((answer.status, answer.read()), (200, pattern(n * 1000)))
        client.request("POST", "/app/echo", iter([b"in ", b"chunks"]), encode_chunked=True,
                       headers={"Transfer-Encoding": "chunked"})
        self.assertEqual(client.getresponse().read(), b"in chunks")
        client.close()


if __name__ == "__main__":
    harness.main()
