"""Every command of the guides, run as it stands: with the program, a Pushgateway, Prometheus and a simulated AWS.

Without a cluster of Kubernetes, kubectl and Helm do what they can do alone, and what they would send is checked.
"""

import json
import re
import shutil
import subprocess
import sys
import time
import unittest
import urllib.request

import boto3
import yaml

import chart
import project
from browser import until
from terminal import WRAPPER, Terminal, blocks, free_port

REGION = "eu-west-1"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}
GATEWAY = {"GATEWAY_CONFIG_JSON": '{"tenant": "acme", "project": "chat"}'}


class Cluster:
    """What a cluster has around an extension: a certificate for it, a service account, an API server and its front proxy."""

    KUBECTL = """#!/bin/sh
case " $* " in
  *" --raw "*) exec {program} --server http://127.0.0.1:{port} "$@" ;;
  *" configmap "*) cat "$HOME/ca.pem" ;;
  *" -f "*) for last; do :; done; test -d "$last" ;;
esac
"""

    def __init__(self, folder):
        self.folder, self.processes, self.programs = folder, [], project.ROOT / "tests/it/kubernetes"
        key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
        (folder / "names").write_text("subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n")
        self.openssl(f"req -x509 {key} -days 2 -subj /CN=authority -keyout ca.key -out ca.pem")
        self.openssl(f"req {key} -subj /CN=front-proxy-client -keyout tls.key -out tls.csr")
        self.openssl("x509 -req -in tls.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -days 2 -out tls.pem")
        shutil.copy(folder / "ca.pem", folder / "ca.crt")
        (folder / "token").write_text("hunter2")
        published = {"requestheader-client-ca-file": (folder / "ca.pem").read_text(), "requestheader-allowed-names": '["front-proxy-client"]'}
        (folder / "configmap.json").write_text(json.dumps(published))
        port = self.start("api_server.py", "tls.pem", "tls.key", folder)
        self.settings = {
            "METRICS_EXTERNAL_METRICS_API_SERVER": f"https://localhost:{port}",
            "METRICS_EXTERNAL_METRICS_SERVICE_ACCOUNT_DIR": folder,
        }

    def openssl(self, arguments):
        subprocess.run(["openssl", *arguments.split()], cwd=self.folder, check=True, capture_output=True)

    def start(self, program, *arguments):
        port = free_port()
        command = [sys.executable, self.programs / program, str(port), *arguments]
        self.processes.append(subprocess.Popen([str(part) for part in command], cwd=self.folder))
        project.eventually_listens(port)
        return port

    def front(self, extension):
        return self.start("front_proxy.py", extension, "ca.pem", "tls.pem", "tls.key")

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()


class Guides(unittest.TestCase):
    def terminal(self, *ports, **environment):
        terminal = Terminal(ports, GATEWAY | environment)
        self.addCleanup(terminal.close)
        (terminal.folder / "deployment").symlink_to(project.DEPLOYMENT)
        return terminal

    def test_pushgateway(self):
        self.terminal(8090, 9090, 9091, 9092).follow("pushgateway.md")

    def test_prometheus(self):
        terminal = self.terminal(8090)
        terminal.run("kdcube-metrics serve")
        terminal.follow("prometheus.md")

    def test_proxy_mode(self):
        terminal = self.terminal(6390, 8090, 8091, 8092, METRICS_MODE="redis")
        # The settings are those of a platform; what follows them stands in for one.
        _, start, stop = (text for _, text in blocks("proxy-mode.md"))
        answer = terminal.run(start)
        terminal.run(stop)
        for upstream in ("ingress", "proc"):
            self.assertIn(f'kdcube_metrics_upstream_up{{upstream="{upstream}"}} 1', answer)
        self.assertTrue(any(line.startswith("kdcube_proc_queue_pressure_ratio") for line in answer), answer)
        # The mode, and a queue that was read.
        self.assertEqual(answer[-2], '"proxy"')
        self.assertRegex(answer[-1], r"^\d+$")

    def test_api(self):
        self.terminal(8090).follow("../api.md")

    def test_keda(self):
        self.terminal(8090, 9666).follow("keda.md")

    def test_external_metrics(self):
        terminal = self.terminal(6443, 8090)
        cluster = Cluster(terminal.folder)
        self.addCleanup(cluster.close)
        terminal.install("kdcube-metrics", WRAPPER.format(program=project.PROGRAM).replace("curl -sf \"http:", "curl -skf \"https:"))
        terminal.install("kubectl", cluster.KUBECTL.format(program=chart.BIN / "kubectl", port=cluster.front(terminal.ports["6443"])))
        terminal.run("\n".join(f"export {name}={value}" for name, value in cluster.settings.items()))
        start, register, ask, publish = (text for _, text in blocks("external-metrics.md"))
        terminal.run(start)
        terminal.run(register)
        # The server learns from the cluster who may ask.
        found = json.loads("".join(until("a value", lambda: terminal.run(f"( {ask} ) || true"))))
        terminal.run(publish)
        self.assertEqual((found["kind"], found["items"][0]["metricName"]), ("ExternalMetricValueList", "kdcube_proc_queue_pressure_ratio"))
        self.assertEqual((terminal.folder / "front-proxy-ca.pem").read_text(), (terminal.folder / "ca.pem").read_text())

    def test_otlp(self):
        terminal = self.terminal(4317, 8090)
        receiver = project.ROOT / "tests/it/otlp/receiver.py"
        # In place of a Collector.
        port = terminal.ports["4317"]
        terminal.install("collector", f"#!/bin/sh\nexec python {receiver} {port} grpc '[\"ok\"]' >arrived\n")
        terminal.run("collector &")
        project.eventually_listens(port)
        terminal.follow("otlp.md")

    def test_statsd(self):
        self.terminal(8090, 8125).follow("statsd.md")

    def test_migrating(self):
        terminal = self.terminal(6390, 8090, 8091, METRICS_MODE="redis")
        terminal.follow("../migrating.md")


class Aws(unittest.TestCase):
    """A simulated AWS, told to the AWS CLI by its usual variables."""

    @classmethod
    def setUpClass(cls):
        port = free_port()
        cls.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
        cls.moto = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cls.addClassCleanup(cls.moto.wait)
        cls.addClassCleanup(cls.moto.kill)
        end = time.monotonic() + 60
        while not cls.answers():
            assert time.monotonic() < end, "moto does not start"
            time.sleep(0.1)

    @classmethod
    def answers(cls):
        try:
            return urllib.request.urlopen(f"{cls.url}/moto-api/data.json", timeout=5).status == 200
        except OSError:
            return False

    def setUp(self):
        self.terminal = Terminal([8090], GATEWAY | KEYS | {"AWS_ENDPOINT_URL": self.url, "AWS_PAGER": ""})
        self.addCleanup(self.terminal.close)

    def client(self, service, region=REGION):
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, endpoint_url=self.url, region_name=region, **keys)

    def publish(self, region):
        """Puts the points that the program would push; moto does not speak its protocol."""
        lines = self.terminal.run("kdcube-metrics once --dry-run")
        points = [re.fullmatch(r"  (\S+) \{(.*)\} = (\S+) (\S+)", line) for line in lines]
        self.assertGreater(len([point for point in points if point]), 20, lines)
        for name, dimensions, value, unit in (point.groups() for point in points if point):
            pairs = [dict(zip(("Name", "Value"), pair.split("="))) for pair in dimensions.split(", ")]
            data = {"MetricName": name, "Dimensions": pairs, "Value": float(value), "Unit": unit}
            self.client("cloudwatch", region).put_metric_data(Namespace="KDCube/Metrics", MetricData=[data])

    def test_cloudwatch(self):
        first, *rest = blocks("cloudwatch.md")
        self.terminal.run(first[1])
        self.publish("eu-central-1")
        # The guide asks up to a whole second, which the points have to be before.
        time.sleep(1)
        answers = ["\n".join(self.terminal.run(text)) for _, text in rest]
        # Listed, and read under the name and the dimensions of the guide.
        self.assertIn('"Maximum": ', "".join(answers))
        alarms = self.client("cloudwatch", "eu-central-1").describe_alarms()["MetricAlarms"]
        names = {alarm["AlarmName"] for alarm in alarms}
        self.assertEqual(names, {"kdcube-queue-pressure", "kdcube-metrics-silent"})

    def test_ecs(self):
        values = self.platform()
        folder = self.terminal.folder / "deployment/ecs"
        shutil.copytree(project.DEPLOYMENT / "ecs", folder)
        template = folder / "metrics/values.template"
        lines = template.read_text().splitlines()
        filled = [f"{name}={values.get(name, rest)}" if rest else name for name, _, rest in (line.partition("=") for line in lines)]
        template.write_text("\n".join(filled) + "\n")
        self.terminal.follow("ecs.md")

        services = self.client("ecs").describe_services(cluster="kdcube", services=["kdcube-metrics"])["services"]
        self.assertEqual([service["status"] for service in services], ["ACTIVE"])
        scaling = self.client("application-autoscaling")
        self.assertEqual(len(scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]), 2)
        policies = {policy["PolicyName"]: policy["PolicyARN"] for policy in scaling.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]}
        self.assertEqual(len(policies), 5)
        names = ["kdcube-proc-queue-pressure", "kdcube-metrics-no-data", "kdcube-proc-replicas-missing", "kdcube-proc-replicas-spare"]
        alarms = {alarm["AlarmName"]: alarm for alarm in self.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"]}
        self.assertEqual(set(alarms), set(names))
        for alarm, policy in zip((names[0], *names[2:]), ("queue-pressure", "replicas-out", "replicas-in")):
            self.assertEqual(alarms[alarm]["AlarmActions"], [policies[f"kdcube-proc-{policy}"]])
        self.assertEqual(self.client("events").list_rules()["Rules"][0]["Name"], "kdcube-metrics-once")

    def platform(self):
        """What the guide takes to be there: a network, a cluster, and the two services to scale."""
        ec2, ecs = self.client("ec2"), self.client("ecs")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24")["Subnet"]["SubnetId"] for n in (1, 2)]
        group = ec2.create_security_group(VpcId=vpc, GroupName="metrics", Description="metrics")["GroupId"]
        ecs.create_cluster(clusterName="kdcube")
        ecs.register_task_definition(family="app", containerDefinitions=[{"name": "app", "image": "app", "memory": 64}])
        for service in ("kdcube-ingress", "kdcube-proc"):
            ecs.create_service(cluster="kdcube", serviceName=service, taskDefinition="app", desiredCount=2)
        return {"PRIVATE_SUBNET_A": subnets[0], "PRIVATE_SUBNET_B": subnets[1], "SECURITY_GROUP": group}


def kinds(path):
    """Kind and name of every document of a file."""
    return [(document["kind"], document["metadata"]["name"]) for document in yaml.safe_load_all(path.read_text()) if document]


class Kubernetes(unittest.TestCase):
    """What needs a cluster is kept in files; all that does not is done by the real programs."""

    KUBECTL = """#!/bin/sh
case " $* " in
  *" create "*) {program} "$@" --dry-run=client -o yaml >>"$HOME/created.yaml" && echo --- >>"$HOME/created.yaml" ;;
  *" --raw "*) echo '{{"items": [{{"value": "214m"}}]}}' ;;
  *" -f - ") cat >"$HOME/kubectl.yaml" ;;
  *" apply -k "*) for last; do :; done; {program} kustomize "$last" >"$HOME/kustomized.yaml" ;;
  *" -f "*) for last; do :; done; test -d "$last" ;;
esac
"""
    HELM = """#!/bin/sh
case "$*" in
  "upgrade "*" prometheus-community/"*) cat >"$HOME/helm.yaml" ;;
  "upgrade "*) shift; [ "$1" != --install ] || shift; {program} template "$@" >>"$HOME/released.yaml" ;;
  *) exec {program} "$@" ;;
esac
"""

    def test_kubernetes(self):
        terminal = Terminal([8090], GATEWAY)
        self.addCleanup(terminal.close)
        (terminal.folder / "deployment").symlink_to(project.DEPLOYMENT)
        for name, script in (("kubectl", self.KUBECTL), ("helm", self.HELM)):
            terminal.install(name, script.format(program=chart.BIN / name))
        # What port-forward leads to.
        terminal.run("kdcube-metrics serve")
        terminal.follow("kubernetes.md")
        read = lambda path: yaml.safe_load(path.read_text())
        values = read(terminal.folder / "helm.yaml")
        rules = read(project.DEPLOYMENT / "kubernetes/prometheus-adapter/rules.yaml")
        self.assertEqual(values["rules"], {"default": False, "external": rules["externalRules"]})
        self.assertEqual(
            kinds(terminal.folder / "created.yaml"),
            [("Namespace", "kdcube"), ("Secret", "kdcube-metrics"), ("ConfigMap", "kdcube-metrics")],
        )
        self.assertIn(("Deployment", "kdcube-metrics"), kinds(terminal.folder / "kustomized.yaml"))
        released = kinds(terminal.folder / "released.yaml")
        # Installed, then with HPAs, then with KEDA.
        self.assertEqual(released.count(("Deployment", "kdcube-metrics")), 3)
        self.assertEqual(released.count(("HorizontalPodAutoscaler", "kdcube-proc")), 1)
        self.assertEqual(released.count(("ScaledObject", "kdcube-proc")), 1)
        wrapped = read(terminal.folder / "kubectl.yaml")
        self.assertEqual((wrapped["kind"], wrapped["metadata"]["name"]), ("PrometheusRule", "kdcube-metrics"))
        self.assertEqual(wrapped["spec"], read(project.DEPLOYMENT / "kubernetes/alerts/rules.yaml"))


if __name__ == "__main__":
    unittest.main()
