#!/usr/bin/env python3
"""What the README tells a new user to type works: its curl lines and its proxy, on the demo."""

import os
import re
import subprocess

import harness
from servers import Upstream, pattern

README = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../README.md")


def blocks(language):
    with open(README, encoding="utf-8") as f:
        return re.findall(rf"```{language}\n(.*?)```", f.read(), re.S)


class Readme(harness.Case):
    def test_the_curl_lines(self):
        lines = [line.split("#")[0].split() for block in blocks("sh") for line in block.splitlines()
                 if line.startswith("curl ")]
        self.assertEqual(len(lines), 6)
        demo = os.path.join(harness.BUILD, "tools/demo")
        upstream = self.start({"RUNTIME_WORKER_DIRS": f"{demo}/apps"})
        config = self.packages.write("gateway.yaml", "mounts:\n  - base: /proxy\n    upstream: "
                                     f"{{servers: ['http://127.0.0.1:{upstream.port}']}}\n")
        gateway = self.start({
            "RUNTIME_WORKER_DIRS": f"{demo}/apps", "RUNTIME_PLUGIN_DIRS": f"{demo}/plugins",
            "RUNTIME_CONFIG": config, "RUNTIME_DATA_DIR": self.packages.root + "/second"})
        for line in lines:
            command = [word.replace("localhost:8000", f"localhost:{gateway.port}") for word in line]
            answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                    text=True, timeout=60)
            with self.subTest(line=line):
                self.assertEqual(answer.returncode, 0)
                head, _, body = answer.stdout.partition("\n\n")
                self.assertTrue(head.startswith("HTTP/1.1 200"), head)
                self.assertIn("x-request-id:", head.lower())
                self.assertIn("x-demo: seen", head.lower())
                self.assertTrue(body)

    def test_the_five_lines_of_a_proxy(self):
        text = blocks("yaml")[0]
        self.assertEqual(len(text.splitlines()), 5)
        upstream = self.add(Upstream())
        config = self.packages.write("proxy.yaml", text.replace(":3000", f":{upstream.port}"))
        gateway = self.start({"RUNTIME_CONFIG": config, "RUNTIME_WORKER_DIRS": None,
                              "RUNTIME_PLUGIN_DIRS": None})
        self.assertEqual(gateway.get("/b/1000").body, pattern(1000))


if __name__ == "__main__":
    harness.main()
