"""The soak test itself, shortly: it starts, strikes, measures and ends by itself."""

import subprocess
import unittest

import project


class Soak(unittest.TestCase):
    def test_a_short_run_keeps_every_promise_and_leaves_nothing_behind(self):
        words = [project.ROOT / "soak", "--for", "25s", "--exe", project.ROOT / "target/debug/kdcube-metrics", "--seed", "3"]
        run = subprocess.run(words, capture_output=True, text=True, timeout=120)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        for row in ("points doubled in an interval | 0 | ok", "pushes doubled | 0 | ok", "values that cannot be | 0 | ok"):
            self.assertIn(row, run.stdout)

    def test_its_help_says_how_to_run_it(self):
        run = subprocess.run([project.ROOT / "soak", "--help"], capture_output=True, text=True, check=True)
        self.assertIn("cargo build --release && ./soak --for 10m", run.stdout)


if __name__ == "__main__":
    unittest.main()
