"""The documents of deployment/ecs, put into a simulated AWS and read back.

The AWS SDK knows every field of every call, so a field that does not exist is refused here too.
"""

import json
import os
import re
import subprocess
import unittest
from datetime import datetime, timezone

import boto3
from moto import mock_aws

import project

FOLDER = project.DEPLOYMENT / "ecs/metrics"
# AWS gives it when the policy is put, and the alarm needs it.
POLICY_ARN = "PROC_PRESSURE_POLICY_ARN"
VALUES = project.template("env.template") | project.template("values.template")
SCALES = re.compile("^arn:aws:autoscaling:")


def environment(task):
    return {entry["name"]: entry["value"] for entry in task["containerDefinitions"][0]["environment"]}


class Documents(unittest.TestCase):
    """What the documents say, without an AWS."""

    @classmethod
    def setUpClass(cls):
        values = VALUES | {POLICY_ARN: "arn:aws:autoscaling:eu-west-1:123456789012:scalingPolicy:x"}
        cls.texts = {str(path.relative_to(FOLDER)): path.read_text() for path in sorted(FOLDER.rglob("*.json"))}
        cls.documents = {name: json.loads(project.fill(text, values)) for name, text in cls.texts.items()}
        cls.service = cls.documents["metrics-task-definition.json"]
        cls.once = cls.documents["metrics-scheduled-task.json"]

    def under(self, folder):
        return {name: document for name, document in self.documents.items() if name.startswith(folder)}

    def test_the_templates_have_what_the_documents_use_and_nothing_else(self):
        used = set(re.findall(r"\$\{(\w+)\}", "".join(self.texts.values()))) - {POLICY_ARN}
        self.assertEqual(used, set(VALUES))

    def test_every_variable_is_a_setting(self):
        names = set(project.template("env.template"))
        for task in (self.service, self.once):
            names |= set(environment(task))
            names |= {secret["name"] for secret in task["containerDefinitions"][0]["secrets"]}
        self.assertEqual({name for name in names if not project.is_setting(name)}, set())

    def test_the_scheduled_task_differs_only_where_it_must(self):
        self.assertEqual(self.service["containerDefinitions"][0]["command"], ["serve"])
        self.assertEqual(self.once["containerDefinitions"][0]["command"], ["once"])
        differ = {name for name, value in environment(self.service).items() if environment(self.once).get(name) != value}
        self.assertEqual(
            differ, {"METRICS_SCHEDULER_ENABLED", "METRICS_EXPORT_INTERVAL_SEC", "METRICS_CLOUDWATCH_HIGH_RESOLUTION"}
        )

    def test_containers_have_no_rights_and_no_secret_in_the_open(self):
        for task in (self.service, self.once):
            (container,) = task["containerDefinitions"]
            self.assertEqual(container["user"], "1000:1000")
            self.assertIs(container["readonlyRootFilesystem"], True)
            self.assertEqual(container["linuxParameters"]["capabilities"], {"drop": ["ALL"]})
            self.assertNotIn("REDIS_URL", environment(task))

    def test_a_log_that_is_not_taken_does_not_stop_the_server(self):
        # The driver's default blocks writes to standard error while CloudWatch Logs cannot be reached.
        for task in (self.service, self.once):
            (container,) = task["containerDefinitions"]
            options = container["logConfiguration"]["options"]
            self.assertEqual(options["mode"], "non-blocking")
            self.assertRegex(options["max-buffer-size"], r"^\d+m$")

    def test_what_is_scaled_on_is_what_is_pushed(self):
        names = {cloudwatch for _, cloudwatch in project.scalars().values()}
        sent = environment(self.service)
        dimensions = json.loads(sent["METRICS_CLOUDWATCH_DIMENSIONS_JSON"])
        self.assertEqual(environment(self.once)["METRICS_CLOUDWATCH_DIMENSIONS_JSON"], json.dumps(dimensions))
        readers = [*project.find(self.under("autoscaling"), "CustomizedMetricSpecification"), *self.under("alarms").values()]
        self.assertEqual(len(readers), 4)
        for reader in readers:
            self.assertIn(reader["MetricName"], names)
            self.assertEqual(reader["Namespace"], sent["METRICS_CLOUDWATCH_NAMESPACE"])
            self.assertEqual(reader["Dimensions"], dimensions)
            # A unit that differs from the one pushed matches nothing, and nobody says so.
            self.assertNotIn("Unit", reader)

    def test_the_program_pushes_what_is_scaled_on_with_the_settings_of_both_tasks(self):
        for task in (self.service, self.once):
            sent = environment(task) | {"METRICS_MODE": "embedded"}
            result = subprocess.run([project.PROGRAM, "once", "--dry-run"], env=sent, capture_output=True, text=True, check=False)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn(f"PutMetricData to {VALUES['METRICS_CLOUDWATCH_NAMESPACE']} in {VALUES['AWS_REGION']}\n", result.stdout)
            pushed = set(re.findall(r"^  (\S+ \{.*\}) = ", result.stdout, re.M))
            for reader in [*project.find(self.under("autoscaling"), "CustomizedMetricSpecification"), *self.under("alarms").values()]:
                dimensions = ", ".join(f"{pair['Name']}={pair['Value']}" for pair in reader["Dimensions"])
                self.assertIn(f"{reader['MetricName']} {{{dimensions}}}", pushed)

    def test_nothing_adds_up_points(self):
        statistics = list(project.find(self.documents, "Statistic", "Stat", "ExtendedStatistic", "MetricAggregationType"))
        self.assertEqual(len(statistics), 5)
        self.assertLessEqual(set(statistics), {"Average", "Maximum"})

    def test_a_fast_alarm_is_fed_fast_enough(self):
        sent = environment(self.service)
        shortest = min(alarm["Period"] for alarm in self.under("alarms").values())
        self.assertEqual(shortest, 10)
        self.assertEqual(sent["METRICS_CLOUDWATCH_HIGH_RESOLUTION"], "1")
        self.assertLessEqual(float(sent["METRICS_EXPORT_INTERVAL_SEC"]), shortest)

    def test_missing_data_scales_nothing(self):
        for name, alarm in self.under("alarms").items():
            actions = [action for key in ("AlarmActions", "OKActions", "InsufficientDataActions") for action in alarm.get(key, [])]
            if any(SCALES.match(action) for action in actions):
                # INSUFFICIENT_DATA has no action. `ignore` would stay in ALARM and go on adding.
                self.assertEqual(alarm["TreatMissingData"], "missing", name)
                self.assertEqual(actions, alarm["AlarmActions"], name)
                self.assertTrue(alarm["ComparisonOperator"].startswith("Greater"), name)
            else:
                self.assertEqual(alarm["TreatMissingData"], "breaching", name)
        steps = self.documents["autoscaling/proc-pressure-policy.json"]["StepScalingPolicyConfiguration"]["StepAdjustments"]
        self.assertTrue(all(step["ScalingAdjustment"] > 0 for step in steps))

    def test_the_task_role_may_push_to_one_namespace_only(self):
        (statement,) = self.documents["iam/task-role-policy.json"]["Statement"]
        self.assertEqual(statement["Action"], "cloudwatch:PutMetricData")
        namespace = environment(self.service)["METRICS_CLOUDWATCH_NAMESPACE"]
        self.assertEqual(statement["Condition"], {"StringEquals": {"cloudwatch:namespace": namespace}})

    def test_only_calls_without_a_resource_are_allowed_on_all(self):
        everywhere = set()
        for policy in self.under("iam").values():
            for statement in policy["Statement"]:
                actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
                self.assertFalse([action for action in actions if "*" in action])
                if statement.get("Resource") == "*":
                    everywhere |= set(actions)
        self.assertEqual(everywhere, {"cloudwatch:PutMetricData", "ecr:GetAuthorizationToken"})

    def test_the_events_role_runs_one_task_in_one_cluster(self):
        run, hand_over = self.documents["iam/events-role-policy.json"]["Statement"]
        (target,) = self.documents["events/targets.json"]["Targets"]
        definition = target["EcsParameters"]["TaskDefinitionArn"]
        self.assertEqual(run["Action"], "ecs:RunTask")
        self.assertEqual(run["Resource"], [definition, f"{definition}:*"])
        self.assertEqual(run["Condition"], {"ArnEquals": {"ecs:cluster": target["Arn"]}})
        self.assertEqual(hand_over["Action"], "iam:PassRole")
        self.assertEqual(hand_over["Resource"], [self.once["taskRoleArn"], self.once["executionRoleArn"]])
        self.assertEqual(hand_over["Condition"], {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}})


@mock_aws
class Replicas(unittest.TestCase):
    """The step policies on the missing replicas: taken by AWS's calls, fed by the program, and never beyond what is missing."""

    FOLDER = project.DEPLOYMENT / "ecs/replicas"

    def setUp(self):
        os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        self.session = boto3.Session(region_name=VALUES["AWS_REGION"])
        self.values = dict(VALUES)

    def document(self, name):
        return json.loads(project.fill((self.FOLDER / f"{name}.json").read_text(), self.values))

    def test_policies_and_alarms_are_accepted_and_read_back(self):
        ecs, scaling, cloudwatch = (self.session.client(name) for name in ("ecs", "application-autoscaling", "cloudwatch"))
        ecs.create_cluster(clusterName=self.values["ECS_CLUSTER_NAME"])
        target = json.loads(project.fill((FOLDER / "autoscaling/proc-target.json").read_text(), self.values))
        ecs.register_task_definition(family="x", containerDefinitions=[{"name": "x", "image": "x", "memory": 64}])
        service = self.values["PROC_SERVICE_NAME"]
        ecs.create_service(cluster=self.values["ECS_CLUSTER_NAME"], serviceName=service, taskDefinition="x", desiredCount=2)
        scaling.register_scalable_target(**target)
        for name in ("out", "in"):
            policy = self.document(f"{name}-policy")
            self.values[f"PROC_{name.upper()}_POLICY_ARN"] = scaling.put_scaling_policy(**policy)["PolicyARN"]
            listed = scaling.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]
            (read,) = [found for found in listed if found["PolicyName"] == policy["PolicyName"]]
            self.assertEqual(list(project.differences(policy, read)), [])
            alarm = self.document(f"{name}-alarm")
            cloudwatch.put_metric_alarm(**alarm)
            (read,) = cloudwatch.describe_alarms(AlarmNames=[alarm["AlarmName"]])["MetricAlarms"]
            self.assertEqual(list(project.differences(alarm, read)), [])

    def test_the_program_pushes_what_the_alarms_read(self):
        task = json.loads(project.fill((FOLDER / "metrics-task-definition.json").read_text(), self.values))
        sent = environment(task) | {"METRICS_MODE": "embedded", "METRICS_CLOUDWATCH_INCLUDE": "@default,proc.replicas.missing"}
        result = subprocess.run([project.PROGRAM, "once", "--dry-run"], env=sent, capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.values |= {f"PROC_{name}_POLICY_ARN": "arn:aws:autoscaling:x" for name in ("OUT", "IN")}
        for name in ("out", "in"):
            alarm = self.document(f"{name}-alarm")
            dimensions = ", ".join(f"{pair['Name']}={pair['Value']}" for pair in alarm["Dimensions"])
            self.assertIn(f"{alarm['MetricName']} {{{dimensions}}}", result.stdout)
            self.assertEqual((alarm["TreatMissingData"], alarm["Namespace"]), ("missing", sent["METRICS_CLOUDWATCH_NAMESPACE"]))
            self.assertNotIn("Unit", alarm)

    def test_a_step_is_no_more_than_is_missing_and_at_least_half_of_it(self):
        self.values |= {f"PROC_{name}_POLICY_ARN": "arn:aws:autoscaling:x" for name in ("OUT", "IN")}
        for name, sign in (("out", 1), ("in", -1)):
            threshold = self.document(f"{name}-alarm")["Threshold"]
            steps = self.document(f"{name}-policy")["StepScalingPolicyConfiguration"]["StepAdjustments"]
            for missing in range(1, 60):
                beyond = sign * missing - threshold
                found = [step["ScalingAdjustment"] for step in steps if self.holds(step, beyond, sign)]
                self.assertEqual(len(found), 1, (name, missing))
                self.assertLessEqual(missing / 2, sign * found[0], (name, missing))
                self.assertLessEqual(sign * found[0], missing, (name, missing))

    @staticmethod
    def holds(step, beyond, sign):
        # AWS: the lower bound is inclusive above the threshold, the upper one below it.
        lower, upper = step.get("MetricIntervalLowerBound", float("-inf")), step.get("MetricIntervalUpperBound", float("inf"))
        return lower <= beyond < upper if sign > 0 else lower < beyond <= upper


@mock_aws
class Accepted(unittest.TestCase):
    """Every document is taken by AWS's calls and reads back the same."""

    def setUp(self):
        self.values = dict(VALUES)
        os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        self.put = set()
        self.session = boto3.Session(region_name=self.values["AWS_REGION"])
        self.values |= self.network()

    def network(self):
        ec2 = self.session.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = lambda block: ec2.create_subnet(VpcId=vpc, CidrBlock=block)["Subnet"]["SubnetId"]
        group = ec2.create_security_group(VpcId=vpc, GroupName="metrics", Description="metrics")
        return {
            "PRIVATE_SUBNET_A": subnet("10.0.1.0/24"),
            "PRIVATE_SUBNET_B": subnet("10.0.2.0/24"),
            "SECURITY_GROUP": group["GroupId"],
        }

    def document(self, name):
        self.put.add(name)
        return json.loads(project.fill((FOLDER / name).read_text(), self.values))

    def same(self, expected, actual):
        self.assertEqual(list(project.differences(expected, actual)), [])

    def test_all_of_them_in_the_order_of_the_guide(self):
        self.roles()
        self.tasks()
        self.schedule()
        self.scaling()
        self.alarms()
        on_disk = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.json")}
        self.assertEqual(on_disk, self.put)

    def roles(self):
        iam = self.session.client("iam")
        roles = {"task": "tasks", "execution": "tasks", "events": "events"}
        for role, trusted in roles.items():
            name = f"kdcube-metrics-{role}"
            trust = self.document(f"iam/{trusted}-trust.json")
            policy = self.document(f"iam/{role}-role-policy.json")
            created = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
            iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=json.dumps(policy))
            read = iam.get_role_policy(RoleName=name, PolicyName=name)
            self.assertEqual(read["PolicyDocument"], policy)
            self.assertEqual(iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"], trust)
            setattr(self, f"{role}_role", created["Arn"])

    def tasks(self):
        ecs = self.session.client("ecs")
        cluster = ecs.create_cluster(clusterName=self.values["ECS_CLUSTER_NAME"])["cluster"]
        self.cluster = cluster["clusterArn"]
        for name in ("metrics-task-definition.json", "metrics-scheduled-task.json"):
            task = self.document(name)
            ecs.register_task_definition(**task)
            read = ecs.describe_task_definition(taskDefinition=task["family"])["taskDefinition"]
            self.same(task, read)
            self.assertEqual([read["taskRoleArn"], read["executionRoleArn"]], [self.task_role, self.execution_role])
        self.once = read["taskDefinitionArn"]
        service = self.document("metrics-service.json")
        ecs.create_service(**service)
        read = ecs.describe_services(cluster=service["cluster"], services=[service["serviceName"]])["services"][0]
        self.assertEqual((read["status"], read["desiredCount"]), ("ACTIVE", 2))
        # What the policies scale.
        for name in (self.values["INGRESS_SERVICE_NAME"], self.values["PROC_SERVICE_NAME"]):
            ecs.create_service(cluster=service["cluster"], serviceName=name, taskDefinition="kdcube-metrics", desiredCount=2)

    def schedule(self):
        events = self.session.client("events")
        rule = self.document("events/rule.json")
        events.put_rule(**rule)
        self.same(rule, events.describe_rule(Name=rule["Name"]))
        targets = self.document("events/targets.json")
        self.assertEqual(events.put_targets(**targets)["FailedEntryCount"], 0)
        read = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
        self.same(targets["Targets"], read)
        self.assertEqual((read[0]["Arn"], read[0]["RoleArn"]), (self.cluster, self.events_role))
        # Without a revision, so that the newest runs.
        self.assertEqual(read[0]["EcsParameters"]["TaskDefinitionArn"], self.once.rsplit(":", 1)[0])

    def scaling(self):
        scaling = self.session.client("application-autoscaling")
        for name in ("ingress-target", "proc-target"):
            target = self.document(f"autoscaling/{name}.json")
            scaling.register_scalable_target(**target)
            read = scaling.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=[target["ResourceId"]])
            self.same([target], read["ScalableTargets"])
        for name in ("ingress-saturation-policy", "proc-utilization-policy", "proc-pressure-policy"):
            policy = self.document(f"autoscaling/{name}.json")
            arn = scaling.put_scaling_policy(**policy)["PolicyARN"]
            read = scaling.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]
            self.same([policy], [other for other in read if other["PolicyARN"] == arn])
            if name == "proc-pressure-policy":
                self.assertRegex(arn, SCALES)
                self.values[POLICY_ARN] = arn

    def alarms(self):
        cloudwatch = self.session.client("cloudwatch")
        for name in ("alarms/proc-pressure.json", "alarms/no-data.json"):
            alarm = self.document(name)
            cloudwatch.put_metric_alarm(**alarm)
            (read,) = cloudwatch.describe_alarms(AlarmNames=[alarm["AlarmName"]])["MetricAlarms"]
            self.same(alarm, read)
        # The alarm sees a point that is pushed as the server pushes it.
        alarm = self.document("alarms/proc-pressure.json")
        series = {key: alarm[key] for key in ("MetricName", "Dimensions")}
        cloudwatch.put_metric_data(
            Namespace=self.values["METRICS_CLOUDWATCH_NAMESPACE"],
            MetricData=[series | {"Value": 0.9, "Unit": "None", "StorageResolution": 1, "Timestamp": datetime.now(timezone.utc)}],
        )
        found = cloudwatch.list_metrics(Namespace=alarm["Namespace"], **series)["Metrics"]
        self.assertEqual(len(found), 1)


if __name__ == "__main__":
    unittest.main()
