"""The documents of deployment/kubernetes against Kubernetes' own schemas, and against each other.

Custom resources (ServiceMonitor, ScaledObject) have no schema here; what they refer to is compared.
"""

import subprocess
import unittest
from urllib.parse import urlsplit

import kubernetes_validate
import yaml

import project

FOLDER = project.DEPLOYMENT / "kubernetes"
# The oldest that the autoscaling/v2 and policy/v1 documents promise, and the newest that is known.
VERSIONS = ("1.25", kubernetes_validate.latest_version())
CUSTOM = {"monitoring.coreos.com/v1", "keda.sh/v1alpha1", "kustomize.config.k8s.io/v1beta1"}
LABELS = {"app.kubernetes.io/name": "kdcube-metrics"}


def load(name):
    return yaml.safe_load((FOLDER / name).read_text())


def external_metrics(autoscaler):
    return {metric["external"]["metric"]["name"]: metric["external"]["target"] for metric in autoscaler["spec"]["metrics"]}


class Kubernetes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.deployment = load("base/deployment.yaml")
        cls.pod = cls.deployment["spec"]["template"]["spec"]
        (cls.container,) = cls.pod["containers"]
        cls.service = load("base/service.yaml")
        cls.adapter = load("prometheus-adapter/rules.yaml")
        cls.autoscalers = [load(f"hpa/{name}.yaml") for name in ("ingress", "proc")]
        cls.scaled = [load(f"keda/{name}.yaml") for name in ("ingress", "proc")]
        cls.exact = [load(f"hpa-replicas/{name}.yaml") for name in ("ingress", "proc")]
        cls.exact_scaled = [load(f"keda-replicas/{name}.yaml") for name in ("ingress", "proc")]

    def test_every_document_obeys_its_schema(self):
        checked = set()
        for path in sorted(FOLDER.rglob("*.yaml")):
            # Helm's templates become YAML when they are rendered: test_chart.py.
            if FOLDER / "chart" in path.parents:
                continue
            document = yaml.safe_load(path.read_text())
            if "kind" not in document or document["apiVersion"] in CUSTOM:
                continue
            for version in VERSIONS:
                with self.subTest(path=path.name, version=version):
                    kubernetes_validate.validate(document, version, strict=True)
            checked.add(document["kind"])
        kinds = {"Deployment", "Service", "NetworkPolicy", "PodDisruptionBudget", "HorizontalPodAutoscaler"}
        # Who may read external metrics, where the API server asks for them, and what their server may ask.
        kinds |= {"APIService", "ClusterRole", "ClusterRoleBinding", "RoleBinding", "ServiceAccount"}
        self.assertEqual(checked, kinds)

    def test_a_field_that_does_not_exist_is_noticed(self):
        wrong = load("hpa/proc.yaml")
        wrong["spec"]["maxReplica"] = 1
        with self.assertRaises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)

    def test_the_kustomization_names_every_document_and_the_image(self):
        kustomization = load("base/kustomization.yaml")
        files = {path.name for path in (FOLDER / "base").iterdir()} - {"kustomization.yaml"}
        self.assertEqual(set(kustomization["resources"]), files)
        self.assertEqual([image["name"] for image in kustomization["images"]], [self.container["image"]])
        self.assertEqual(kustomization["images"][0]["newTag"], project.version())

    def test_kubectl_builds_the_kustomization(self):
        command = [project.ROOT / "target/tools/bin/kubectl", "kustomize", FOLDER / "base"]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        documents = {document["kind"]: document for document in yaml.safe_load_all(text)}
        self.assertEqual(len(documents), len(load("base/kustomization.yaml")["resources"]))
        for kind, document in documents.items():
            self.assertEqual(document["metadata"]["namespace"], "kdcube", kind)
            if document["apiVersion"] not in CUSTOM:
                kubernetes_validate.validate(document, VERSIONS[-1], strict=True)
        pod = documents["Deployment"]["spec"]["template"]["spec"]
        self.assertEqual(pod["containers"][0]["image"], f"kdcube-metrics:{project.version()}")
        self.assertIs(pod["enableServiceLinks"], False)

    def test_every_selector_means_the_server_and_nothing_else(self):
        self.assertEqual(self.deployment["spec"]["template"]["metadata"]["labels"], LABELS)
        self.assertEqual(self.deployment["spec"]["selector"], {"matchLabels": LABELS})
        self.assertEqual(self.service["spec"]["selector"], LABELS)
        self.assertEqual(self.service["metadata"]["labels"], LABELS)
        self.assertEqual(load("base/networkpolicy.yaml")["spec"]["podSelector"], {"matchLabels": LABELS})
        self.assertEqual(load("base/poddisruptionbudget.yaml")["spec"]["selector"], {"matchLabels": LABELS})
        self.assertEqual(load("base/servicemonitor.yaml")["spec"]["selector"], {"matchLabels": LABELS})

    def test_the_port_has_one_name_everywhere(self):
        (port,) = self.container["ports"]
        (published,) = self.service["spec"]["ports"]
        (endpoint,) = load("base/servicemonitor.yaml")["spec"]["endpoints"]
        self.assertEqual(published["targetPort"], port["name"])
        self.assertEqual((endpoint["port"], endpoint["path"]), (published["name"], "/metrics"))
        policy = load("base/networkpolicy.yaml")["spec"]["ingress"][0]["ports"][0]
        self.assertEqual(policy["port"], port["name"])
        for probe, path in {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}.items():
            self.assertEqual(self.container[probe]["httpGet"], {"path": path, "port": port["name"]})

    def test_the_pod_is_restricted(self):
        pod, container = self.pod["securityContext"], self.container["securityContext"]
        self.assertIs(pod["runAsNonRoot"], True)
        self.assertEqual(pod["seccompProfile"], {"type": "RuntimeDefault"})
        self.assertIs(container["readOnlyRootFilesystem"], True)
        self.assertIs(container["allowPrivilegeEscalation"], False)
        self.assertEqual(container["capabilities"], {"drop": ["ALL"]})
        self.assertIs(self.pod["automountServiceAccountToken"], False)
        self.assertLessEqual({"requests", "limits"}, set(self.container["resources"]))

    def test_the_secret_is_a_file_that_the_user_may_read(self):
        (volume,) = self.pod["volumes"]
        self.assertEqual(volume["secret"]["defaultMode"], 0o440)
        self.assertEqual(self.pod["securityContext"]["fsGroup"], self.pod["securityContext"]["runAsGroup"])
        (mount,) = self.container["volumeMounts"]
        variables = {entry["name"]: entry.get("value") for entry in self.container["env"]}
        self.assertEqual(variables["REDIS_URL_FILE"], f"{mount['mountPath']}/redis-url")

    def test_every_variable_is_a_setting(self):
        names = [entry["name"] for entry in self.container["env"]]
        self.assertEqual([name for name in names if not project.is_setting(name)], [])

    def test_autoscalers_ask_for_what_the_adapter_gives(self):
        given = {rule["name"]["as"] for rule in self.adapter["externalRules"]}
        asked = {name for autoscaler in self.autoscalers + self.exact for name in external_metrics(autoscaler)}
        self.assertEqual(asked, given)

    def test_the_desired_number_becomes_exactly_that_many_replicas(self):
        # The HPA's rule for an external metric with AverageValue: ceil(value / averageValue), whatever runs now.
        for autoscaler in self.exact:
            for name, target in external_metrics(autoscaler).items():
                self.assertEqual((name.rsplit("_", 2)[1:], target), (["replicas", "desired"], {"type": "AverageValue", "averageValue": "1"}))
        for scaled in self.exact_scaled:
            (trigger,) = scaled["spec"]["triggers"]
            self.assertEqual((trigger["metricType"], trigger["metadata"]["targetValue"]), ("AverageValue", "1"))

    def test_ratios_are_compared_whole_and_not_by_replica(self):
        for autoscaler in self.autoscalers:
            for name, target in external_metrics(autoscaler).items():
                self.assertEqual((target["type"], set(target)), ("Value", {"type", "value"}), name)
        for scaled in self.scaled:
            for trigger in scaled["spec"]["triggers"]:
                self.assertEqual(trigger["metricType"], "Value")

    def test_the_adapter_answers_one_item_a_query_of_known_series(self):
        for rule in self.adapter["externalRules"]:
            self.assertEqual(rule["resources"], {"namespaced": False})
            self.assertNotRegex(rule["metricsQuery"], r"\b(sum|avg)\b|\bby\b")
            self.assertEqual(project.unknown_series(rule["seriesQuery"] + " " + rule["metricsQuery"]), set())

    def test_keda_reads_signals_that_exist_from_the_service(self):
        namespace = load("base/kustomization.yaml")["namespace"]
        host = f"{self.service['metadata']['name']}.{namespace}.svc"
        for scaled, autoscaler in zip(self.scaled + self.exact_scaled, self.autoscalers + self.exact):
            self.assertEqual(scaled["spec"]["scaleTargetRef"]["name"], autoscaler["spec"]["scaleTargetRef"]["name"])
            self.assertEqual(scaled["spec"]["maxReplicaCount"], autoscaler["spec"]["maxReplicas"])
            self.assertEqual(scaled["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"], autoscaler["spec"]["behavior"])
            for trigger in scaled["spec"]["triggers"]:
                url = urlsplit(trigger["metadata"]["url"])
                self.assertEqual((url.hostname, url.port), (host, self.service["spec"]["ports"][0]["port"]))
                self.assertEqual(url.path, "/api/v1/signals")
                self.assertIn(trigger["metadata"]["valueLocation"], project.scalars())
                # Not a number is refused by KEDA only when it runs.
                float(trigger["metadata"]["targetValue"])

    def test_alerts_are_about_known_series(self):
        for path in sorted((FOLDER / "alerts").glob("*.yaml")):
            self.assertEqual(project.unknown_series(path.read_text()), set(), path.name)


if __name__ == "__main__":
    unittest.main()
