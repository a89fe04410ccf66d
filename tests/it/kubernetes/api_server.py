"""The part of a Kubernetes API server that extensions ask: a ConfigMap and SubjectAccessReviews, over TLS, for one token.

api_server.py PORT CERTIFICATE KEY FOLDER

The folder holds `token`; `configmap.json`, without which there is none; and `users.json`, those who may read. What was asked goes
to `reviews`, a line each.
"""

import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONFIG_MAP = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


def main(port, certificate, key, folder):
    folder = Path(folder)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def answer(self, status, document):
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def may(self):
            token = (folder / "token").read_text().strip()
            if self.headers["Authorization"] == f"Bearer {token}":
                return True
            self.answer(401, {"kind": "Status", "code": 401})
            return False

        def do_GET(self):
            published = folder / "configmap.json"
            if not self.may():
                return
            if self.path == CONFIG_MAP and published.exists():
                self.answer(200, {"kind": "ConfigMap", "data": json.loads(published.read_text())})
            else:
                self.answer(404, {"kind": "Status", "code": 404})

        def do_POST(self):
            review = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if self.path != REVIEWS or not self.may():
                return
            with open(folder / "reviews", "a") as reviews:
                reviews.write(json.dumps(review["spec"]) + "\n")
            allowed = review["spec"]["user"] in json.loads((folder / "users.json").read_text())
            self.answer(201, review | {"status": {"allowed": allowed}})

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


main(*sys.argv[1:])
