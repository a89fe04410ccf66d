"""The workflows of GitHub, as far as they can be read: rights, pinned versions, and scripts that parse."""

import re
import subprocess
import unittest

import yaml

import project

FOLDER = project.ROOT / ".github/workflows"
RUST = re.search(r'^rust-version = "(.+)"', (project.ROOT / "Cargo.toml").read_text(), re.M).group(1)


class Workflows(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.texts = {path.name: path.read_text() for path in sorted(FOLDER.glob("*.yml"))}
        cls.workflows = {name: yaml.safe_load(text) for name, text in cls.texts.items()}
        cls.release = cls.workflows["release.yml"]["jobs"]

    def jobs(self):
        for name, workflow in self.workflows.items():
            for job, content in workflow["jobs"].items():
                yield f"{name}: {job}", content

    def steps(self):
        for name, job in self.jobs():
            for step in job["steps"]:
                yield name, step

    def test_nothing_is_allowed_that_a_job_does_not_ask_for(self):
        for name, workflow in self.workflows.items():
            self.assertEqual(workflow["permissions"], {}, name)
        for name, job in self.jobs():
            self.assertEqual(job["permissions"].pop("contents"), "write" if name.endswith("publish") else "read", name)
            self.assertLessEqual(set(job["permissions"]), {"packages", "id-token", "attestations"}, name)
            self.assertLessEqual(job["timeout-minutes"], 90, name)

    def test_actions_are_pinned_and_a_checkout_leaves_no_token(self):
        used = [(name, step) for name, step in self.steps() if "uses" in step]
        self.assertGreater(len(used), 5)
        for name, step in used:
            self.assertRegex(step["uses"], r"@(v\d+|[0-9a-f]{40})$", name)
            if step["uses"].startswith("actions/checkout@"):
                self.assertIs(step["with"]["persist-credentials"], False, name)

    def test_scripts_parse_and_hold_no_expression_that_somebody_else_may_write(self):
        scripts = [(name, step["run"]) for name, step in self.steps() if "run" in step]
        self.assertGreater(len(scripts), 8)
        for name, script in scripts:
            result = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
            self.assertEqual((result.returncode, result.stderr), (0, ""), name)
            self.assertNotIn("${{", script, name)

    def test_versions_are_those_of_the_project(self):
        for name, text in self.texts.items():
            for version in re.findall(r"rustup (?:toolchain install|default) (\S+)", text):
                self.assertTrue(version.startswith(f"{RUST}."), name)
        wanted = re.search(r"cargo install .*--version (\S+) .*cargo-deb", (project.ROOT / "test").read_text()).group(1)
        self.assertIn(f"cargo-deb --locked --version {wanted}\n", self.texts["release.yml"])

    def test_everything_is_tested_first_by_the_gate(self):
        self.assertIn(".ci/run", [step.get("run") for step in self.release["test"]["steps"]])
        self.assertIn(".ci/run", [step.get("run") for step in self.workflows["ci.yml"]["jobs"]["test"]["steps"]])
        for job in ("binaries", "image"):
            self.assertEqual(self.release[job]["needs"], "test")
        self.assertEqual(set(self.release["publish"]["needs"]), {"binaries", "image"})

    def test_the_image_is_built_for_both_architectures_and_says_from_what(self):
        (build,) = (step["with"] for step in self.release["image"]["steps"] if step.get("uses", "").startswith("docker/build-push"))
        self.assertEqual((build["platforms"], build["provenance"], build["sbom"]), ("linux/amd64,linux/arm64", "mode=max", True))
        self.assertTrue((project.ROOT / build["file"]).exists())
        architectures = [entry["architecture"] for entry in self.release["binaries"]["strategy"]["matrix"]["include"]]
        self.assertEqual(architectures, ["amd64", "arm64"])


if __name__ == "__main__":
    unittest.main()
