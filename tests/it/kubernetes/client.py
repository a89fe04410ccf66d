"""What a program with Kubernetes' own client reads of a metric, as JSON: {"value": …, "labels": …} or {"status": …, "message": …}.

client.py PORT METRIC [SELECTOR]
"""

import json
import sys

from kubernetes import client

GROUP, VERSION = "external.metrics.k8s.io", "v1beta1"


def main(port, metric, selector=""):
    configuration = client.Configuration(host=f"http://127.0.0.1:{port}")
    with client.ApiClient(configuration) as api:
        groups = {group.name for group in client.ApisApi(api).get_api_versions().groups}
        assert GROUP in groups, groups
        objects = client.CustomObjectsApi(api)
        names = {resource.name for resource in objects.get_api_resources(GROUP, VERSION).resources}
        assert metric in names, names
        try:
            found = objects.list_namespaced_custom_object(GROUP, VERSION, "kdcube", metric, label_selector=selector)
        except client.ApiException as error:
            return {"status": error.status, "message": json.loads(error.body)["message"]}
        (item,) = found["items"]
        return {"value": item["value"], "labels": item["metricLabels"]}


print(json.dumps(main(*sys.argv[1:])))
