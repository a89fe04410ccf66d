"""The Debian package: built from the binary that is there, inspected, linted, installed into a root of its own and removed."""

import functools
import gzip
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import project
import root

NAME = "kdcube-metrics"
TOOLS = project.ROOT / "target/tools/bin"
# What the package is given of systemd: nothing of this machine may be stopped or started.
STUB = """#!/bin/sh
echo "$(basename "$0") $*" >>"$CALLS"
"""


@functools.cache
def build():
    """Packages the debug binary, as the release workflow does the released one."""
    folder = tempfile.mkdtemp()
    unittest.addModuleCleanup(shutil.rmtree, folder)
    subprocess.run([project.DEPLOYMENT / "debian/generate", project.ROOT / "target/debug/kdcube-metrics"], check=True)
    command = [TOOLS / "cargo-deb", "deb", "--no-build", "--profile", "dev", "--fast", "--strip", "--quiet", "-o", folder]
    result = subprocess.run(command, cwd=project.ROOT, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise AssertionError(result.stdout + result.stderr)
    (package,) = Path(folder).glob("*.deb")
    return package


def output(*command):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.package = build()
        cls.tree = cls.folder / "tree"
        output("dpkg-deb", "-x", cls.package, cls.tree)

    def test_its_control_file_names_the_version_and_what_it_needs(self):
        fields = dict(re.findall(r"^([\w-]+): (.*)$", output("dpkg-deb", "-f", self.package), re.M))
        self.assertEqual((fields["Package"], fields["Version"]), (NAME, f"{project.version()}-1"))
        needs = fields["Depends"].split(", ")
        self.assertIn("ca-certificates", needs)
        self.assertIn("systemd | systemd-standalone-sysusers", needs)
        self.assertIn("KDCube", fields["Description"])

    def test_the_changelog_ends_with_the_version(self):
        first = (project.DEPLOYMENT / "debian/changelog").read_text().split("\n")[0]
        self.assertTrue(first.startswith(f"{NAME} ({project.version()}-1) "), first)

    def test_it_holds_the_program_its_unit_user_configuration_and_documents(self):
        files = {str(path.relative_to(self.tree)) for path in self.tree.rglob("*") if path.is_file()}
        documents = {f"usr/share/doc/{NAME}/{name}" for name in ("copyright", "README.Debian", "configuration.md")}
        wanted = {f"usr/bin/{NAME}", f"usr/lib/systemd/system/{NAME}.service", f"usr/lib/sysusers.d/{NAME}.conf"}
        self.assertLessEqual(wanted | documents | {f"etc/{NAME}.env"}, files)
        unit = self.tree / f"usr/lib/systemd/system/{NAME}.service"
        self.assertEqual(unit.read_text(), (project.DEPLOYMENT / f"systemd/{NAME}.service").read_text())
        self.assertIn(f"\nUser={NAME}\n", unit.read_text())
        self.assertIn("Apache-2.0", (self.tree / f"usr/share/doc/{NAME}/copyright").read_text())

    def test_it_holds_manual_pages_and_completions_of_each_shell(self):
        pages = {path.name for path in (self.tree / "usr/share/man/man1").iterdir()}
        self.assertLessEqual({f"{NAME}.1.gz", f"{NAME}-check.1.gz", f"{NAME}-serve.1.gz"}, pages)
        for page in sorted(pages):
            text = gzip.decompress((self.tree / f"usr/share/man/man1/{page}").read_bytes()).decode()
            self.assertIn(".SH NAME", text, page)
        bash = self.tree / f"usr/share/bash-completion/completions/{NAME}"
        self.assertEqual(output("bash", "-c", f"source {bash} && complete -p {NAME}").split()[-1], NAME)
        for name in (f"zsh/vendor-completions/_{NAME}", f"fish/vendor_completions.d/{NAME}.fish"):
            self.assertIn("--redis-url", (self.tree / "usr/share" / name).read_text().replace("-l redis-url", "--redis-url"))

    def test_its_configuration_is_the_administrators_and_not_for_everybody(self):
        self.assertEqual(output("dpkg-deb", "-I", self.package, "conffiles"), f"/etc/{NAME}.env\n")
        self.assertEqual((self.tree / f"etc/{NAME}.env").stat().st_mode & 0o777, 0o600)
        text = (self.tree / f"etc/{NAME}.env").read_text()
        names = re.findall(r"^#?([A-Z_]+)=", text, re.M)
        self.assertGreater(len(names), 3)
        self.assertEqual([name for name in names if not project.is_setting(name)], [])
        # An example that is taken as it stands changes nothing.
        self.assertEqual([line for line in text.splitlines() if line and not line.startswith("#")], [])

    def test_its_example_configuration_is_valid_once_the_comments_are_taken_off(self):
        text = (project.DEPLOYMENT / f"debian/{NAME}.env").read_text()
        environment = self.folder / "uncommented.env"
        environment.write_text(re.sub(r"^#(?=[A-Z_]+=)", "", text, flags=re.M))
        program = self.tree / f"usr/bin/{NAME}"
        command = [program, "--env-file", environment, "--mode", "embedded", "once", "--dry-run"]
        result = subprocess.run(command, env={"PATH": "/usr/bin"}, capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_lintian_finds_no_error(self):
        result = subprocess.run(["lintian", "--fail-on", "error", self.package], capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)


@unittest.skipIf(root.prefix() is None, "needs root, or sudo without a password")
class Installation(unittest.TestCase):
    """With dpkg into a root of its own, where scripts of the package get DPKG_ROOT."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(root.run, "rm", "-rf", self.folder)
        self.root = self.folder / "root"
        for name in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "etc"):
            (self.root / name).mkdir(parents=True)
        (self.root / "var/lib/dpkg/status").touch()
        self.stubs = self.folder / "stubs"
        self.stubs.mkdir()
        for name in ("systemctl", "deb-systemd-invoke"):
            (self.stubs / name).write_text(STUB)
            (self.stubs / name).chmod(0o755)
        self.calls = self.folder / "calls"
        self.calls.touch()

    def dpkg(self, *arguments):
        path = f"{self.stubs}:{os.environ['PATH']}:/usr/sbin:/sbin"
        forced = ("--force-script-chrootless", "--force-depends", "--log=/dev/null", f"--root={self.root}")
        root.run("env", f"PATH={path}", f"CALLS={self.calls}", "dpkg", *forced, *arguments)

    def state(self):
        return output("dpkg-query", f"--root={self.root}", "-f", "${db:Status-Status}", "-W", NAME)

    def test_it_installs_upgrades_and_goes_again(self):
        package = build()
        self.dpkg("-i", package)
        self.assertEqual(self.state(), "installed")
        self.assertRegex(root.run("cat", self.root / "etc/passwd"), rf"(?m)^{NAME}:")
        directory = self.root / f"etc/{NAME}"
        self.assertEqual(directory.stat().st_mode & 0o777, 0o750)
        # Nothing starts before there is a configuration.
        self.assertNotRegex(self.calls.read_text(), r"\b(start|restart)\b")
        self.assertFalse((self.root / "etc/systemd/system/multi-user.target.wants").exists())

        configuration = self.root / f"etc/{NAME}.env"
        root.run("tee", "-a", configuration, input="METRICS_PORT=8091\n")
        root.run("tee", directory / "redis-url", input="redis://127.0.0.1\n")
        self.dpkg("-i", package)
        self.assertIn("METRICS_PORT=8091\n", root.run("cat", configuration))

        self.dpkg("-r", NAME)
        self.assertEqual(self.state(), "config-files")
        self.assertFalse((self.root / f"usr/bin/{NAME}").exists())
        self.assertIn("METRICS_PORT=8091\n", root.run("cat", configuration))
        self.dpkg("-P", NAME)
        self.assertFalse(configuration.exists())
        self.assertFalse(directory.exists())


if __name__ == "__main__":
    unittest.main()
