"""Prints every series of a namespace as JSON: read.py ENDPOINT NAMESPACE."""

import datetime
import json
import sys

import boto3

endpoint, namespace = sys.argv[1:]
cloudwatch = boto3.client("cloudwatch", endpoint_url=endpoint)
now = datetime.datetime.now(datetime.timezone.utc)
series = []
for page in cloudwatch.get_paginator("list_metrics").paginate(Namespace=namespace):
    for metric in page["Metrics"]:
        answer = cloudwatch.get_metric_statistics(
            **metric,
            StartTime=now - datetime.timedelta(minutes=20),
            EndTime=now + datetime.timedelta(minutes=1),
            Period=1,
            Statistics=["Average", "SampleCount"],
        )
        points = [
            [point["Timestamp"].timestamp(), point["Average"], point["SampleCount"], point["Unit"]]
            for point in answer["Datapoints"]
        ]
        dimensions = {dimension["Name"]: dimension["Value"] for dimension in metric["Dimensions"]}
        series.append({"name": metric["MetricName"], "dimensions": dimensions, "points": sorted(points)})
json.dump(sorted(series, key=lambda one: (one["name"], sorted(one["dimensions"].items()))), sys.stdout)
