"""The Helm chart: linted, rendered by Helm for several deployments, and its documents against Kubernetes' schemas, the plain
documents beside it, and the program that reads the settings."""

import json
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import kubernetes_validate
import yaml

import chart
import project
import test_kubernetes

VALUES = yaml.safe_load((chart.FOLDER / "values.yaml").read_text())
NAMES = sorted(path.stem for path in chart.CASES.glob("*.yaml"))
# Where the chart mounts files; the tests put theirs elsewhere.
RUN = "/run/"
BASE = {"Deployment", "Service", "ServiceAccount", "ConfigMap", "PodDisruptionBudget", "NetworkPolicy"}


def plain(name):
    return yaml.safe_load((project.DEPLOYMENT / "kubernetes" / name).read_text())


def only(documents, kind):
    (document,) = (document for (found, _), document in documents.items() if found == kind)
    return document


def pod(documents):
    return only(documents, "Deployment")["spec"]["template"]["spec"]


def container(documents):
    (found,) = pod(documents)["containers"]
    return found


def variables(documents):
    entries = {entry["name"]: entry.get("value") for entry in container(documents)["env"]}
    return only(documents, "ConfigMap")["data"] | {name: value for name, value in entries.items() if value}


class Chart(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cases = {name: chart.case(name) for name in NAMES}

    def test_every_way_to_deploy_is_rendered(self):
        wanted = {"minimal", "hpa", "keda", "servicemonitor", "proxy", "tls", "cloudwatch", "external-metrics"}
        self.assertLessEqual(wanted, set(NAMES))

    def test_helm_lints_every_case(self):
        for arguments in ([], *(["-f", chart.CASES / f"{name}.yaml"] for name in NAMES)):
            output = chart.helm("lint", "--strict", chart.FOLDER, *arguments)
            self.assertIn("1 chart(s) linted, 0 chart(s) failed", output)

    def test_every_document_obeys_its_schema(self):
        for name, documents in self.cases.items():
            for (kind, _), document in documents.items():
                if document["apiVersion"] in test_kubernetes.CUSTOM:
                    continue
                for version in test_kubernetes.VERSIONS:
                    with self.subTest(case=name, kind=kind, version=version):
                        kubernetes_validate.validate(document, version, strict=True)

    def test_a_case_has_the_kinds_that_it_asks_for_and_no_others(self):
        more = {
            "minimal": set(),
            "hpa": {"ServiceMonitor", "PrometheusRule", "HorizontalPodAutoscaler"},
            "keda": {"ScaledObject"},
            "servicemonitor": {"ServiceMonitor", "PrometheusRule"},
            "tls": {"ServiceMonitor", "ScaledObject"},
            "proxy": set(),
            "cloudwatch": set(),
            "external-metrics": {"HorizontalPodAutoscaler", "APIService", "ClusterRole", "ClusterRoleBinding", "RoleBinding"},
        }
        for name, documents in self.cases.items():
            self.assertEqual({kind for kind, _ in documents}, BASE | more[name], name)

    def test_autoscalers_and_alerts_are_those_of_the_plain_documents(self):
        for folder, kind in {"hpa": "HorizontalPodAutoscaler", "keda": "ScaledObject"}.items():
            for fleet in ("ingress", "proc"):
                document = plain(f"{folder}/{fleet}.yaml")
                rendered = self.cases[folder][kind, document["metadata"]["name"]]
                self.assertEqual(rendered["spec"], document["spec"])
        self.assertEqual(only(self.cases["hpa"], "PrometheusRule")["spec"], plain("alerts/rules.yaml"))

    def test_the_server_is_that_of_the_plain_documents(self):
        documents = self.cases["minimal"]
        ours, theirs = pod(documents), plain("base/deployment.yaml")["spec"]["template"]["spec"]
        for key in ("automountServiceAccountToken", "enableServiceLinks", "securityContext", "terminationGracePeriodSeconds"):
            self.assertEqual(ours[key], theirs[key], key)
        self.assertIs(ours["enableServiceLinks"], False)
        (theirs,) = theirs["containers"]
        for key in ("args", "ports", "resources", "securityContext"):
            self.assertEqual(container(documents)[key], theirs[key], key)
        for key in ("startupProbe", "livenessProbe", "readinessProbe"):
            probe = container(documents)[key]
            self.assertEqual(probe["httpGet"].pop("scheme"), "HTTP")
            self.assertEqual(probe, theirs[key])
        deployment = only(documents, "Deployment")["spec"]
        self.assertEqual((deployment["replicas"], deployment["strategy"]), (2, plain("base/deployment.yaml")["spec"]["strategy"]))
        for kind, file, keys in (
            ("Service", "service", ("type", "ports", "publishNotReadyAddresses")),
            ("PodDisruptionBudget", "poddisruptionbudget", ("maxUnavailable",)),
            ("NetworkPolicy", "networkpolicy", ("policyTypes", "ingress", "egress")),
        ):
            for key in keys:
                self.assertEqual(only(documents, kind)["spec"][key], plain(f"base/{file}.yaml")["spec"][key], (kind, key))
        self.assertEqual(only(self.cases["hpa"], "ServiceMonitor")["spec"]["endpoints"], plain("base/servicemonitor.yaml")["spec"]["endpoints"])

    def test_every_selector_means_the_pod(self):
        for name, documents in self.cases.items():
            labels = only(documents, "Deployment")["spec"]["template"]["metadata"]["labels"]
            selectors = [
                only(documents, "Deployment")["spec"]["selector"]["matchLabels"],
                only(documents, "Service")["spec"]["selector"],
                only(documents, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
                only(documents, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
            ]
            for selector in selectors:
                self.assertEqual(set(selector), {"app.kubernetes.io/name", "app.kubernetes.io/instance"}, name)
                self.assertLessEqual(selector.items(), labels.items(), name)

    def test_secrets_are_files_and_none_is_made(self):
        documents = self.cases["cloudwatch"]
        (volume,) = (volume for volume in pod(documents)["volumes"] if volume["name"] == "secrets")
        found = {source["secret"]["name"]: source["secret"]["items"] for source in volume["projected"]["sources"]}
        self.assertEqual(
            found,
            {
                "kdcube-metrics": [{"key": "redis-url", "path": "REDIS_URL"}],
                "postgres": [{"key": "password", "path": "POSTGRES_PASSWORD"}],
            },
        )
        self.assertEqual(volume["projected"]["defaultMode"], 0o440)
        entries = {entry["name"]: entry.get("value") for entry in container(documents)["env"]}
        self.assertEqual(entries["POSTGRES_PASSWORD_FILE"], "/run/secrets/kdcube-metrics/POSTGRES_PASSWORD")
        self.assertNotIn("Secret", {kind for case in self.cases.values() for kind, _ in case})

    def test_every_mount_has_its_volume(self):
        for name, documents in self.cases.items():
            volumes = [volume["name"] for volume in pod(documents).get("volumes") or []]
            mounts = [mount["name"] for mount in container(documents).get("volumeMounts") or []]
            self.assertEqual(sorted(volumes), sorted(mounts), name)
            files = [value for value in variables(documents).values() if value.startswith(RUN)]
            folders = [mount["mountPath"] for mount in container(documents)["volumeMounts"]]
            self.assertEqual([file for file in files if os.path.dirname(file) not in folders], [], name)

    def test_with_tls_probes_scrapes_and_keda_use_https(self):
        documents = self.cases["tls"]
        for key in ("startupProbe", "livenessProbe", "readinessProbe"):
            self.assertEqual(container(documents)[key]["httpGet"]["scheme"], "HTTPS")
        (endpoint,) = only(documents, "ServiceMonitor")["spec"]["endpoints"]
        self.assertEqual((endpoint["scheme"], endpoint["tlsConfig"]["serverName"]), ("https", "kdcube-metrics"))
        for (kind, _), document in documents.items():
            if kind == "ScaledObject":
                (trigger,) = document["spec"]["triggers"]
                self.assertTrue(trigger["metadata"]["url"].startswith("https://"))
                self.assertEqual((trigger["metadata"]["authMode"], trigger["authenticationRef"]), ("tls", {"name": "kdcube-metrics"}))

    def test_the_network_policy_opens_what_is_connected_to(self):
        def ports(name):
            rules = only(self.cases[name], "NetworkPolicy")["spec"]["egress"]
            return [port["port"] for rule in rules for port in rule.get("ports", ()) if port["port"] != 53]

        self.assertEqual(ports("minimal"), [6379, 26379])
        self.assertEqual(ports("proxy"), [8443])
        self.assertEqual(ports("cloudwatch"), [6379, 26379, 443, 4317, 4318, 9091, 5433, 8125])
        self.assertEqual(ports("external-metrics"), [6379, 26379, 443, 6443])
        rules = only(self.cases["cloudwatch"], "NetworkPolicy")["spec"]["egress"]
        self.assertIn({"ports": [{"port": 8125, "protocol": "UDP"}]}, rules)

    def test_the_provider_of_external_metrics_is_that_of_the_plain_documents(self):
        documents, fullname = self.cases["external-metrics"], "kdcube-metrics"
        found, plainly = only(documents, "APIService"), plain("external-metrics/apiservice.yaml")
        self.assertEqual((found["metadata"]["name"], found["spec"]), (plainly["metadata"]["name"], plainly["spec"]))
        self.assertEqual(only(documents, "ClusterRole")["rules"], plain("external-metrics/clusterrole.yaml")["rules"])
        for kind, suffix, file in (
            ("ClusterRoleBinding", "", "clusterrolebinding"),
            ("ClusterRoleBinding", "-auth-delegator", "auth-delegator"),
            ("RoleBinding", "-authentication-reader", "authentication-reader"),
        ):
            binding, plainly = documents[kind, f"{fullname}-external-metrics{suffix}"], plain(f"external-metrics/{file}.yaml")
            self.assertEqual(binding["subjects"], plainly["subjects"], file)
            self.assertEqual(binding["metadata"].get("namespace"), plainly["metadata"].get("namespace"), file)
            if suffix:
                self.assertEqual(binding["roleRef"], plainly["roleRef"], file)
            else:
                self.assertEqual(binding["roleRef"]["name"], only(documents, "ClusterRole")["metadata"]["name"])

    def test_the_api_server_reaches_the_provider_and_the_provider_the_api_server(self):
        documents = self.cases["external-metrics"]
        (port,) = (port for port in only(documents, "Service")["spec"]["ports"] if port["name"] == "external")
        self.assertEqual(only(documents, "APIService")["spec"]["service"], {"namespace": "kdcube", "name": "kdcube-metrics", "port": port["port"]})
        listened = {port["name"]: port["containerPort"] for port in container(documents)["ports"]}
        self.assertEqual((port["targetPort"], listened["external"]), ("external", 6443))
        sent = variables(documents)
        self.assertEqual((sent["METRICS_EXTERNAL_METRICS"], sent["METRICS_EXTERNAL_METRICS_PORT"]), ("true", "6443"))
        self.assertIn({"ports": [{"port": "external", "protocol": "TCP"}]}, only(documents, "NetworkPolicy")["spec"]["ingress"])
        # It needs its token; nobody else does.
        mounted = {name: pod(documents)["automountServiceAccountToken"] for name, documents in self.cases.items()}
        self.assertEqual([name for name, is_mounted in mounted.items() if is_mounted], ["external-metrics"])
        without = chart.render("-f", chart.CASES / "external-metrics.yaml", "--set", "externalMetrics.authorize=null")
        self.assertNotIn(("ClusterRoleBinding", "kdcube-metrics-external-metrics-auth-delegator"), without)

    def test_a_value_of_an_administrator_arrives(self):
        documents = self.cases["cloudwatch"]
        self.assertRegex(container(documents)["image"], r"^123456789012\..*@sha256:0{64}$")
        self.assertEqual(container(documents)["ports"][0]["containerPort"], 8002)
        self.assertEqual(only(documents, "Service")["spec"]["ports"][0]["port"], 8002)
        sent = variables(documents)
        self.assertEqual(sent["METRICS_PORT"], "8002")
        # Neither an exponent nor a value that is empty for Helm and not for us.
        self.assertEqual(sent["METRICS_HISTORY_MAX_SAMPLES"], "2000000")
        self.assertEqual(sent["METRICS_EXPORT_ON_START"], "false")
        self.assertEqual(sent["METRICS_PROM_PUSH_DELETE_ON_SHUTDOWN"], "false")
        self.assertEqual(json.loads(sent["METRICS_CLOUDWATCH_DIMENSIONS_JSON"]), {"Environment": "production"})
        account = only(documents, "ServiceAccount")
        self.assertIn("eks.amazonaws.com/role-arn", account["metadata"]["annotations"])
        self.assertEqual(pod(documents)["serviceAccountName"], account["metadata"]["name"])

    def test_a_changed_setting_replaces_the_pod(self):
        def print_of(*arguments):
            documents = chart.render("-f", chart.CASES / "minimal.yaml", *arguments)
            return only(documents, "Deployment")["spec"]["template"]["metadata"]["annotations"]["checksum/settings"]

        self.assertNotEqual(print_of(), print_of("--set", "sampling.intervalSec=2"))
        self.assertEqual(print_of(), print_of("--set", "replicas=3"))


class Program(unittest.TestCase):
    """The settings of each case, given to the program."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.run_folder = Path(folder.name)
        pair = cls.run_folder / "pair"
        pair.mkdir()
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost"]
        subprocess.run([*command, "-keyout", pair / "tls.key", "-out", pair / "tls.crt"], capture_output=True, check=True)
        (pair / "ca.crt").write_bytes((pair / "tls.crt").read_bytes())
        # What the kubelet mounts where a pod wants the token.
        (pair / "token").write_text("token")
        for name in ("tls", "proxy-tls", "postgres-ca", "serviceaccount"):
            (cls.run_folder / name).symlink_to(pair)
        (cls.run_folder / "gateway").mkdir()
        (cls.run_folder / "gateway/gateway.yaml").write_text("gateway: {tenant: acme, project: chat}\n")
        secrets = cls.run_folder / "secrets/kdcube-metrics"
        secrets.mkdir(parents=True)
        for name, value in {"REDIS_URL": "redis://127.0.0.1:1/0", "POSTGRES_PASSWORD": "x", "METRICS_AUTH_TOKEN": "token"}.items():
            (secrets / name).write_text(value)
        (secrets / "METRICS_AUTH_HEADER_VALUE").write_text("Bearer x")

    def check(self, documents):
        """`check` ends with 78 for bad configuration only; no dependency can be reached here."""
        sent = {name: value.replace(RUN, f"{self.run_folder}/") for name, value in variables(documents).items()}
        sent |= {"METRICS_REQUEST_TIMEOUT_SEC": "1", "AWS_EC2_METADATA_DISABLED": "true"}
        if pod(documents)["automountServiceAccountToken"]:
            sent["METRICS_EXTERNAL_METRICS_SERVICE_ACCOUNT_DIR"] = str(self.run_folder / "serviceaccount")
        return subprocess.run([project.PROGRAM, "check"], env=sent, capture_output=True, text=True, check=False)

    def test_every_variable_is_a_setting_and_every_setting_is_taken(self):
        for name in NAMES:
            documents = chart.case(name)
            unknown = [variable for variable in variables(documents) if not project.is_setting(variable)]
            self.assertEqual([variable for variable in unknown if not variable.startswith("HTTPS_")], [], name)
            result = self.check(documents)
            self.assertNotEqual(result.returncode, 78, f"{name}: {result.stdout}{result.stderr}")
            self.assertIn("FAILED", result.stdout, name)

    def test_a_setting_that_is_wrong_is_noticed(self):
        documents = chart.render("-f", chart.CASES / "minimal.yaml", "--set", "settings.METRICS_SAMPLE_INTERVAL_SEC=never")
        self.assertEqual(self.check(documents).returncode, 78)


class Values(unittest.TestCase):
    def rejected(self, *arguments):
        return chart.helm("template", "x", chart.FOLDER, "-f", chart.CASES / "minimal.yaml", *arguments, succeeds=False)

    def test_what_cannot_work_is_rejected_with_what_to_do(self):
        self.assertIn("gateway.config: redis mode needs", chart.helm("template", "x", chart.FOLDER, succeeds=False))
        self.assertIn("proxy.ingressBaseUrl", self.rejected("--set", "mode=proxy"))
        self.assertIn("enable one", self.rejected("--set", "hpa.enabled=true,keda.enabled=true"))
        self.assertIn("tls.existingSecret", self.rejected("--set", "tls.enabled=true"))
        provider = "externalMetrics.enabled=true"
        self.assertIn("set tls.enabled", self.rejected("--set", provider))
        served = f"{provider},tls.enabled=true,tls.existingSecret=x"
        self.assertIn("externalMetrics.caBundle", self.rejected("--set", served))
        self.assertIn("enable one", self.rejected("--set", f"{served},externalMetrics.caBundle=Q0E=,keda.enabled=true"))

    def test_a_name_or_a_type_that_does_not_exist_is_rejected(self):
        for wrong in ("replica=2", "log.fromat=json", "replicas=many", "mode=reddis", "settings.metrics_port=1", "autoscaling.proc.max=3"):
            self.assertIn("values don't meet the specifications of the schema", self.rejected("--set", wrong), wrong)

    def test_the_schema_has_every_value_and_nothing_else(self):
        schema = json.loads((chart.FOLDER / "values.schema.json").read_text())
        schema["properties"].pop("global")
        self.same_keys(VALUES, schema, "")

    def same_keys(self, values, schema, path):
        if "properties" not in schema:
            return
        self.assertEqual(set(values), set(schema["properties"]), path)
        self.assertIs(schema["additionalProperties"], False, path)
        for key, inner in schema["properties"].items():
            self.same_keys(values[key], inner, f"{path}.{key}")

    def test_every_value_is_described_and_the_readme_has_the_table(self):
        paths = [path for path, _, _ in chart.described()]
        hidden = [leaf for leaf in chart.leaves(VALUES) if not any(leaf == path or leaf.startswith(f"{path}.") for path in paths)]
        self.assertEqual(hidden, [])
        # python tests/deployment/chart.py
        self.assertEqual((chart.FOLDER / "README.md").read_text(), chart.readme())

    def test_every_setting_that_is_named_is_known(self):
        text = (chart.FOLDER / "values.yaml").read_text() + (chart.FOLDER / "templates/_helpers.tpl").read_text()
        named = set(re.findall(r'[`"]((?:METRICS|POSTGRES|GATEWAY|REDIS|TENANT|PROJECT|RUST)_[A-Z_]+[A-Z])[`"]', text))
        self.assertGreater(len(named), 40)
        self.assertEqual({name for name in named if not project.is_setting(name)}, set())

    def test_every_group_of_settings_has_values(self):
        text = (chart.FOLDER / "values.yaml").read_text()
        page = (project.ROOT / "docs/configuration.md").read_text()
        for group in re.split(r"^## ", page, flags=re.M)[1:]:
            names = re.findall(r"^\| `(\w+)`", group, re.M)
            self.assertTrue(any(name in text for name in names), group.split("\n")[0])

    def test_the_versions_are_the_programs(self):
        document = yaml.safe_load((chart.FOLDER / "Chart.yaml").read_text())
        self.assertEqual((document["version"], document["appVersion"]), (project.version(), project.version()))

    def test_a_packaged_chart_carries_the_alerts(self):
        with tempfile.TemporaryDirectory() as folder:
            chart.helm("package", chart.FOLDER, "--destination", folder)
            (package,) = Path(folder).iterdir()
            listed = subprocess.run(["tar", "xzOf", package, "kdcube-metrics/alerts.yaml"], capture_output=True, text=True, check=True)
        self.assertEqual(listed.stdout, (project.DEPLOYMENT / "kubernetes/alerts/rules.yaml").read_text())

    def test_the_notes_warn_of_what_is_easily_overlooked(self):
        words = ("install", "x", chart.FOLDER, "-f", chart.CASES / "minimal.yaml", "--dry-run=client", "--set")
        output = chart.helm(*words, "replicas=2,sampling.lease=false,cloudwatch.enabled=true")
        self.assertIn("WARNING: 2 replicas without a lease", output)
        self.assertIn("nothing is pushed but on demand", output)
        self.assertNotIn("WARNING", chart.helm(*words, "replicas=2"))


if __name__ == "__main__":
    unittest.main()
