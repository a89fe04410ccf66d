"""The systemd unit, as systemd itself judges it."""

import subprocess
import tempfile
import unittest
from pathlib import Path

import project

UNIT = project.DEPLOYMENT / "systemd/kdcube-metrics.service"


def analyze(*arguments):
    """The unit is judged with a program that exists here in place of the installed one."""
    with tempfile.TemporaryDirectory() as folder:
        unit = Path(folder) / UNIT.name
        unit.write_text(UNIT.read_text().replace("ExecStart=kdcube-metrics ", "ExecStart=true "))
        return subprocess.run(["systemd-analyze", *arguments, unit], capture_output=True, text=True, check=False)


class Systemd(unittest.TestCase):
    def test_the_unit_is_valid(self):
        result = analyze("verify", "--man=no", "--generators=no", "--recursive-errors=no")
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_the_unit_is_exposed_to_little(self):
        # Tenths: the worst is 100, and what systemd calls "OK" ends at 45.
        result = analyze("security", "--offline=yes", "--threshold=20")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)


if __name__ == "__main__":
    unittest.main()
