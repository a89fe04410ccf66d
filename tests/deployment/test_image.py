"""What the image promises to those who run it. Nothing here can build it."""

import json
import re
import unittest

import yaml

import project

TEXT = (project.DEPLOYMENT / "docker/Dockerfile").read_text()


def instruction(name):
    return re.findall(rf"^{name} (.+)$", TEXT, re.M)


class Image(unittest.TestCase):
    def test_bases_are_pinned_and_the_last_is_empty(self):
        *bases, last = instruction("FROM")
        self.assertEqual(last, "scratch")
        for base in bases:
            self.assertRegex(base, r"^[a-z]+:\d+\.\d+\.\d+-\w+ AS \w+$")

    def test_the_build_is_the_one_that_is_locked(self):
        self.assertRegex(TEXT, r"cargo build --release --locked\b")
        wanted = re.search(r'^rust-version = "(.+)"', (project.ROOT / "Cargo.toml").read_text(), re.M).group(1)
        self.assertTrue(instruction("FROM")[0].startswith(f"rust:{wanted}."))

    def test_user_program_and_port_are_those_of_the_other_documents(self):
        (user,), (entry,), (health,), (port,) = map(instruction, ("USER", "ENTRYPOINT", "HEALTHCHECK", "EXPOSE"))
        task = json.loads((project.DEPLOYMENT / "ecs/metrics/metrics-task-definition.json").read_text())
        container = task["containerDefinitions"][0]
        self.assertEqual(container["user"], user)
        self.assertEqual(container["portMappings"][0]["containerPort"], int(port))
        (program,) = json.loads(entry)
        check = json.loads(health[health.index("["):])
        self.assertEqual(check, [program, "healthcheck"])
        self.assertEqual(container["healthCheck"]["command"], ["CMD", *check])
        pod = yaml.safe_load((project.DEPLOYMENT / "kubernetes/base/deployment.yaml").read_text())["spec"]["template"]["spec"]
        self.assertEqual(f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}", user)
        self.assertEqual(pod["containers"][0]["ports"][0]["containerPort"], int(port))


if __name__ == "__main__":
    unittest.main()
