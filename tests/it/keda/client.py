"""A client of KEDA's external scaler, made from a .proto as KEDA's own is: reads steps as JSON lines, prints what came back.

client.py PROTO PORT [CA CERTIFICATE KEY]
"""

import importlib
import json
import sys
import tempfile
import threading
import time
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_tools import protoc

TIMEOUT = 10


def stubs(proto):
    folder = tempfile.mkdtemp()
    proto = Path(proto)
    arguments = ["", f"-I{proto.parent}", f"--python_out={folder}", f"--grpc_python_out={folder}", str(proto)]
    assert protoc.main(arguments) == 0
    sys.path.insert(0, folder)
    return importlib.import_module(f"{proto.stem}_pb2"), importlib.import_module(f"{proto.stem}_pb2_grpc")


def channel(port, files):
    if not files:
        return grpc.insecure_channel(f"127.0.0.1:{port}")
    authority, *pair = (Path(file).read_bytes() for file in files)
    key, certificate = (pair[1], pair[0]) if pair else (None, None)
    credentials = grpc.ssl_channel_credentials(authority, key, certificate)
    return grpc.secure_channel(f"localhost:{port}", credentials)


class Client:
    def __init__(self, proto, port, files):
        self.messages, services = stubs(proto)
        self.channel = channel(port, files)
        self.scaler = services.ExternalScalerStub(self.channel)
        self.health = health_pb2_grpc.HealthStub(self.channel)
        self.reflection = reflection_pb2_grpc.ServerReflectionStub(self.channel)
        self.open = []

    def reference(self, metadata):
        return self.messages.ScaledObjectRef(name="worker", namespace="kdcube", scalerMetadata=metadata)

    def spec(self, metadata):
        return self.scaler.GetMetricSpec(self.reference(metadata), timeout=TIMEOUT).metricSpecs[0]

    def metrics(self, metadata, name=""):
        request = self.messages.GetMetricsRequest(scaledObjectRef=self.reference(metadata), metricName=name)
        return self.scaler.GetMetrics(request, timeout=TIMEOUT).metricValues[0]

    def cycle(self, metadata):
        """What KEDA does for one trigger: the spec for the HPA, then at each poll the value and the activity."""
        spec = self.spec(metadata)
        value = self.metrics(metadata, spec.metricName)
        active = self.scaler.IsActive(self.reference(metadata), timeout=TIMEOUT).result
        fields = lambda message: {field.name: getattr(message, field.name) for field in message.DESCRIPTOR.fields}
        return {"spec": fields(spec), "value": fields(value), "active": active}

    def only_spec(self, metadata):
        return self.spec(metadata).metricName

    def value(self, metadata, name=""):
        return self.metrics(metadata, name).metricValue

    def active(self, metadata):
        return self.scaler.IsActive(self.reference(metadata), timeout=TIMEOUT).result

    def push(self, metadata, count):
        """The first messages of a stream of activity, and the seconds until each."""
        began, stream = time.monotonic(), self.scaler.StreamIsActive(self.reference(metadata), timeout=60)
        found = []
        for message in stream:
            found.append([message.result, time.monotonic() - began])
            if len(found) == count:
                break
        stream.cancel()
        return found

    def specs(self, metadata):
        """The one message of a stream of specs, which stays open."""
        stream = self.scaler.StreamMetricSpec(self.reference(metadata), timeout=1)
        found = []
        try:
            for message in stream:
                found.append(message.metricSpecs[0].targetSizeFloat)
        except grpc.RpcError as error:
            found.append(error.code().name)
        return found

    def hold(self, metadata, count):
        """Opens streams that stay, over one connection."""
        streams = [self.scaler.StreamIsActive(self.reference(metadata)) for _ in range(count)]
        first = [next(stream).result for stream in streams]
        self.open += streams
        return first.count(True) + first.count(False)

    def held_end(self):
        """How the held streams end."""
        codes = {}
        for stream in self.open:
            try:
                while True:
                    next(stream)
            except StopIteration:
                code = "OK"
            except grpc.RpcError as error:
                code = error.code().name
            codes[code] = codes.get(code, 0) + 1
        return codes

    def serving(self, name=""):
        answer = self.health.Check(health_pb2.HealthCheckRequest(service=name), timeout=TIMEOUT)
        return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)

    def services(self):
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        answers = self.reflection.ServerReflectionInfo(iter([request]), timeout=TIMEOUT)
        return sorted(service.name for service in next(iter(answers)).list_services_response.service)

    def huge(self):
        return self.value({"metric": "x" * 100_000, "target": "1"})

    def unknown(self):
        method = self.channel.unary_unary("/externalscaler.ExternalScaler/Nothing")
        return method(b"", timeout=TIMEOUT)

    def garbage(self):
        method = self.channel.unary_unary("/externalscaler.ExternalScaler/IsActive")
        return method(b"\xff\xff\xff\xff", timeout=TIMEOUT)

    def load(self, metadata, seconds, rate):
        """Calls in KEDA's mix at a fixed rate; the percentiles of their durations in milliseconds, and the failures."""
        durations, failed, lock = [], [], threading.Lock()
        request = self.messages.GetMetricsRequest(scaledObjectRef=self.reference(metadata))
        calls = [lambda: self.scaler.GetMetrics.future(request), lambda: self.scaler.IsActive.future(self.reference(metadata))]
        self.active(metadata)
        start, pending = time.perf_counter(), []
        for index in range(int(seconds * rate)):
            wait = start + index / rate - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            began = time.perf_counter()

            def done(call, began=began):
                with lock:
                    durations.append(1000 * (time.perf_counter() - began))
                    if call.code() != grpc.StatusCode.OK:
                        failed.append(call.code().name)

            call = calls[index % 2]()
            call.add_done_callback(done)
            pending.append(call)
        for call in pending:
            call.exception(timeout=TIMEOUT)
        took = time.perf_counter() - start
        while len(durations) < len(pending):
            time.sleep(0.01)
        durations.sort()
        rank = lambda part: durations[min(int(part * len(durations)), len(durations) - 1)]
        return {"calls_per_second": len(durations) / took, "p50": rank(0.5), "p99": rank(0.99), "failed": len(failed)}


def main(proto, port, *files):
    client = Client(proto, port, files)
    for line in sys.stdin:
        step, *arguments = json.loads(line)
        try:
            result = {"ok": getattr(client, step)(*arguments)}
        except grpc.RpcError as error:
            result = {"code": error.code().name, "details": error.details()}
        print(json.dumps(result), flush=True)


main(*sys.argv[1:])
