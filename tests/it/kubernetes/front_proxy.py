"""The part of a Kubernetes API server that asks an extension: plain HTTP in front, TLS with its certificate behind, and who asks
in headers. Everybody may be anybody: it takes the word of Impersonate-User.

front_proxy.py PORT EXTENSION_PORT AUTHORITY [CERTIFICATE KEY]
"""

import http.client
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTROLLER = "system:serviceaccount:kube-system:horizontal-pod-autoscaler"


def main(port, extension, authority, *pair):
    context = ssl.create_default_context(cafile=authority)
    if pair:
        context.load_cert_chain(*pair)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_GET(self):
            connection = http.client.HTTPSConnection("localhost", int(extension), context=context, timeout=10)
            user = self.headers.get("Impersonate-User", CONTROLLER)
            headers = {"X-Remote-User": user, "X-Remote-Group": "system:authenticated", "Accept": "application/json"}
            connection.request("GET", self.path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            self.send_response(answer.status)
            self.send_header("content-type", answer.headers.get("content-type", ""))
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()


main(*sys.argv[1:])
