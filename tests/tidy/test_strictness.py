#!/usr/bin/env python3
"""docs/strictness.md tells the truth: every rule of the parsers is named by a unit test, and every
test the document names exists."""

import os
import re
import sys
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))


def read(*folders):
    text = ""
    for folder in folders:
        for path, _, names in os.walk(os.path.join(ROOT, folder)):
            for name in sorted(names):
                if name.endswith((".cpp", ".h", ".py")):
                    with open(os.path.join(path, name), encoding="utf-8") as f:
                        text += f.read()
    return text


class Strictness(unittest.TestCase):
    def test_every_rule_is_named_by_a_unit_test(self):
        with open(os.path.join(ROOT, "src/http/refusal.h"), encoding="utf-8") as f:
            enum = re.search(r"enum class Refusal.*?\{(.*?)count_", f.read(), re.S)[1]
        rules = re.findall(r"^    (\w+),", enum, re.M)
        self.assertGreater(len(rules), 60)
        tests = read("tests/http")
        self.assertEqual([rule for rule in rules if not re.search(rf"\b{rule}\b", tests)], [])

    def test_every_test_the_document_names_exists(self):
        with open(os.path.join(ROOT, "docs/strictness.md"), encoding="utf-8") as f:
            named = re.findall(r"`(?:(\w+)\.(\w+)|(test_\w+))`", f.read())
        self.assertGreater(len(named), 40)
        tests = read("tests/http", "tests/sim", "tests/upstream", "tests/e2e")
        for suite, case, function in named:
            if case in ("py", "h", "cpp", "md"):
                continue
            wanted = rf"def {function}\(" if function else rf"TEST\w*\({suite}, {case}\)"
            self.assertTrue(re.search(wanted, tests), function or f"{suite}.{case}")


if __name__ == "__main__":
    sys.exit(unittest.main())
