#!/usr/bin/env python3
"""The sum of `tools/test` counts cases, and never loses a failure."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

COUNT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/count_tests")

GTEST = ("[==========] Running 5 tests from 1 test suite.\n"
         "[==========] 5 tests from 1 test suite ran. (1 ms total)\n"
         "[  PASSED  ] 2 tests.\n[  SKIPPED ] 1 test, listed below:\n"
         "[  SKIPPED ] A.a\n[  FAILED  ] 2 tests, listed below:\n[  FAILED  ] A.b\n")
UNITTEST = "Ran 9 tests in 0.1s\n\nFAILED (failures=1, errors=2, skipped=3)\n"


def entry(result="OK", stdout="", stderr=""):
    return {"name": "x", "result": result, "stdout": stdout, "stderr": stderr}


def written(*entries):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as log:
        log.write("".join(json.dumps(e) + "\n" for e in entries))
        log.flush()
        done = subprocess.run([COUNT, log.name], stdout=subprocess.PIPE, text=True)
        return done.stdout.strip(), done.returncode


def count(*entries):
    text, status = written(*entries)
    return text.splitlines()[-1], status


class CountTests(unittest.TestCase):
    def test_plain_programs_count_as_one(self):
        self.assertEqual(count(entry(), entry()), ("2 passed, 0 failed", 0))
        self.assertEqual(count(entry(), entry("FAIL")), ("1 passed, 1 failed", 1))
        self.assertEqual(count(entry(), entry("TIMEOUT")), ("1 passed, 1 failed", 1))
        self.assertEqual(count(entry(), entry("SKIP")), ("1 passed, 0 failed, 1 skipped", 0))

    def test_cases_of_googletest_unittest_and_tap(self):
        self.assertEqual(count(entry("FAIL", GTEST)), ("2 passed, 2 failed, 1 skipped", 1))
        self.assertEqual(count(entry("FAIL", "", UNITTEST)), ("3 passed, 3 failed, 3 skipped", 1))
        self.assertEqual(count(entry("OK", "", "Ran 1 test in 0.1s\n\nOK\n")),
                         ("1 passed, 0 failed", 0))
        self.assertEqual(count(entry("FAIL", "1..3\nok 1\nnot ok 2\nok 3 # SKIP no\n")),
                         ("1 passed, 1 failed, 1 skipped", 1))

    def test_a_failure_without_a_failed_case_is_a_failure(self):
        leak = GTEST.replace("[  FAILED  ] 2 tests, listed below:\n[  FAILED  ] A.b\n", "")
        self.assertEqual(count(entry("FAIL", leak)), ("2 passed, 1 failed, 1 skipped", 1))

    def test_what_failed_is_named_above_the_sum(self):
        text, _ = written(entry("OK", "fine\n"), entry("FAIL", GTEST), entry("FAIL", "", UNITTEST),
                          entry("TIMEOUT", "".join(f"line {n}\n" for n in range(20))))
        self.assertIn("x: FAIL after 0 s", text)
        self.assertIn("[  FAILED  ] A.b", text)
        self.assertNotIn("listed below", text)
        self.assertIn("x: TIMEOUT after 0 s", text)
        self.assertIn("line 19", text)
        self.assertNotIn("line 10", text)
        self.assertNotIn("fine", text)

    def test_nothing_passed_is_no_success(self):
        self.assertEqual(count(), ("0 passed, 0 failed", 1))
        self.assertEqual(count(entry("SKIP")), ("0 passed, 0 failed, 1 skipped", 1))


if __name__ == "__main__":
    sys.exit(unittest.main())
