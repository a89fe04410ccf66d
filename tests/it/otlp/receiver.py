"""An OpenTelemetry receiver: decodes what arrives with the standard's own messages and prints it, a JSON line each.

receiver.py PORT grpc|http ANSWERS [CERTIFICATE KEY]

ANSWERS is a JSON list of what to answer, one a request; the last one repeats: ok, hang, ["partial", rejected, message],
["status", gRPC code or HTTP status, seconds to wait or null].
"""

import gzip
import json
import ssl
import sys
import threading
import time
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as messages
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as services


class Script:
    def __init__(self, answers):
        self.answers, self.lock = answers, threading.Lock()

    def next(self):
        with self.lock:
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def show(request, headers):
    line = {"request": MessageToDict(request), "headers": headers}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def accepted(answer):
    response = messages.ExportMetricsServiceResponse()
    if answer != "ok":
        response.partial_success.rejected_data_points = answer[1]
        response.partial_success.error_message = answer[2]
    return response


class Grpc(services.MetricsServiceServicer):
    def __init__(self, script):
        self.script = script

    def Export(self, request, context):
        show(request, {key: value for key, value in context.invocation_metadata() if isinstance(value, str)})
        answer = self.script.next()
        if answer == "hang":
            time.sleep(600)
        if answer == "ok" or answer[0] == "partial":
            return accepted(answer)
        _, code, wait = answer
        code = getattr(grpc.StatusCode, code)
        if wait is not None:
            status = status_pb2.Status(code=code.value[0], message="scripted")
            info = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=wait))
            status.details.add().Pack(info)
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(code, "scripted")


def serve_grpc(port, script, pair):
    server = grpc.server(futures.ThreadPoolExecutor(8))
    services.add_MetricsServiceServicer_to_server(Grpc(script), server)
    if pair:
        certificate, key = (open(file, "rb").read() for file in pair)
        server.add_secure_port(f"localhost:{port}", grpc.ssl_server_credentials([(key, certificate)]))
    else:
        server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


def serve_http(port, script, pair):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            request = messages.ExportMetricsServiceRequest.FromString(body)
            headers = {key.lower(): value for key, value in self.headers.items()}
            show(request, headers | {":path": self.path})
            answer = script.next()
            if answer == "hang":
                time.sleep(600)
            if answer == "ok" or answer[0] == "partial":
                return self.answer(200, accepted(answer).SerializeToString(), None)
            self.answer(answer[1], b"scripted", answer[2])

        def answer(self, status, body, wait):
            self.send_response(status)
            if wait is not None:
                self.send_header("retry-after", str(wait))
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    if pair:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


def main(port, protocol, answers, *pair):
    serve = serve_grpc if protocol == "grpc" else serve_http
    serve(int(port), Script(json.loads(answers)), pair)


main(*sys.argv[1:])
