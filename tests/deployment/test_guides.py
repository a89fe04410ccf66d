"""The guides name what exists, and their snippets parse."""

import json
import re
import unittest

import yaml

import project


class Guides(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.guides = {path.name: path.read_text() for path in sorted(project.INTEGRATIONS.glob("*.md"))}

    def test_the_guides_are_there(self):
        self.assertLessEqual({"cloudwatch.md", "ecs.md", "kubernetes.md", "prometheus.md", "pushgateway.md"}, set(self.guides))

    def test_the_readme_names_every_guide(self):
        readme = (project.ROOT / "README.md").read_text()
        self.assertEqual([name for name in self.guides if f"(docs/integrations/{name})" not in readme], [])

    def test_every_link_and_path_leads_somewhere(self):
        for name, text in self.guides.items():
            links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
            missing = [link for link in links if not (project.INTEGRATIONS / link).exists()]
            paths = re.findall(r"\bdeployment/[\w./-]+", text)
            missing += [path for path in paths if not (project.ROOT / path.rstrip(".")).exists()]
            self.assertEqual(missing, [], name)

    def test_every_setting_is_known(self):
        for name, text in self.guides.items():
            used = set(re.findall(r"\bMETRICS_[A-Z_]+[A-Z]\b", text))
            self.assertEqual({setting for setting in used if not project.is_setting(setting)}, set(), name)

    def test_every_metric_is_known(self):
        # Those that end in _ stand for several.
        for name, text in self.guides.items():
            self.assertEqual({found for found in project.unknown_series(text) if not found.endswith("_")}, set(), name)

    def test_snippets_parse(self):
        readers = {"yaml": yaml.safe_load, "json": json.loads}
        for name, text in self.guides.items():
            for language, snippet in re.findall(r"```(\w+)\n(.*?)```", text, re.S):
                if language in readers:
                    self.assertIsNotNone(readers[language](snippet))

    def test_alerts_are_all_explained(self):
        rules = yaml.safe_load((project.DEPLOYMENT / "kubernetes/alerts/rules.yaml").read_text())
        for group in rules["groups"]:
            for rule in group["rules"]:
                self.assertIn(f"`{rule['alert']}`", self.guides["prometheus.md"])


class Migration(unittest.TestCase):
    """The guide for those who come from the Python service."""

    # Settings of changes that are not merged yet.
    PENDING = {"METRICS_CLIENT_EVENTS", "METRICS_PROM_NAMES"}

    @classmethod
    def setUpClass(cls):
        cls.text = (project.ROOT / "docs/migrating.md").read_text()

    def test_every_variable_of_the_platforms_deployments_is_there(self):
        forms = sorted((project.ROOT / "tests/platform/descriptors").glob("*/env"))
        self.assertGreaterEqual(len(forms), 4)
        for form in forms:
            names = set(re.findall(r"^([A-Z_]+)=", form.read_text(), re.M))
            self.assertEqual({name for name in names if f"`{name}`" not in self.text}, set(), form)

    def test_every_setting_is_known(self):
        used = set(re.findall(r"`(METRICS_[A-Z_]+[A-Z])", self.text))
        self.assertEqual({name for name in used - self.PENDING if not project.is_setting(name)}, set())

    def test_every_setting_that_the_python_service_has_is_there(self):
        # Those of this server alone are in docs/configuration.md.
        shared = {"METRICS_MODE", "METRICS_PORT", "METRICS_REQUEST_TIMEOUT_SEC", "METRICS_ENABLE_PG_POOL", "METRICS_RUN_ONCE"}
        self.assertEqual({name for name in shared if f"`{name}`" not in self.text}, set())

    def test_every_link_leads_somewhere(self):
        links = re.findall(r"\]\(([^)#]*)(#[^)]*)?\)", self.text)
        missing = [link for link, _ in links if link and not (project.ROOT / "docs" / link).exists()]
        headings = {re.sub(r"[^a-z0-9 -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"^#+ (.+)$", self.text, re.M)}
        anchors = {f"#{name}" for name in headings | set(re.findall(r'<a id="([^"]+)"', self.text))}
        missing += [anchor for link, anchor in links if not link and anchor not in anchors]
        self.assertEqual(missing, [])

    def test_the_readme_names_it(self):
        self.assertIn("(docs/migrating.md)", (project.ROOT / "README.md").read_text())


if __name__ == "__main__":
    unittest.main()
