"""`/openapi.json` against live answers: schemathesis makes requests of it, those that it allows and those that it does not, and
compares every answer with it."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
import urllib.request
from pathlib import Path

import project
from browser import free_port, until

TOKEN = "hunter2"
# The same requests in every run.
SEED = "20260101"


class OpenApi(unittest.TestCase):
    def serve(self, **settings):
        """A server with a token and a fresh snapshot; its address."""
        port = free_port()
        base = {"PATH": os.environ["PATH"], "METRICS_BIND": "127.0.0.1", "METRICS_PORT": str(port), "METRICS_AUTH_TOKEN": TOKEN}
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        log = open(Path(folder.name) / "log", "w")
        self.addCleanup(log.close)
        server = subprocess.Popen([project.PROGRAM, "serve"], env=base | settings, cwd=folder.name, stdout=log, stderr=log)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        address = f"http://127.0.0.1:{port}"
        until("a snapshot", lambda: self.is_ready(address))
        return address

    @staticmethod
    def is_ready(address):
        try:
            return urllib.request.urlopen(f"{address}/readyz", timeout=5).status == 200
        except OSError:
            return False

    def check(self, address):
        """Every difference fails."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        request = urllib.request.Request(f"{address}/openapi.json", headers=headers)
        document = urllib.request.urlopen(request, timeout=10).read()
        # From a file, because it leaves the route that it has a document from out.
        (Path(folder.name) / "openapi.json").write_bytes(document)
        operations = sum(len(item) for item in json.loads(document)["paths"].values())
        command = [
            Path(sys.executable).parent / "schemathesis", "run", "openapi.json", "--url", address,
            "--header", f"Authorization: Bearer {TOKEN}", "--seed", SEED, "--max-examples", "4",
            "--phases", "examples,coverage,fuzzing", "--generation-deterministic", "--no-color",
        ]  # fmt: skip
        run = subprocess.run(command, cwd=folder.name, capture_output=True, text=True, timeout=300)
        self.assertEqual(run.returncode, 0, run.stdout[-6000:] + run.stderr[-2000:])
        self.assertRegex(run.stdout, rf"Operations: +{operations} selected / {operations} total")

    def test_computed_answers_are_those_that_are_described(self):
        self.check(self.serve(METRICS_MODE="embedded"))

    def test_passed_on_answers_are_those_that_are_described(self):
        upstream = self.serve(METRICS_MODE="embedded")
        upstreams = {"METRICS_INGRESS_BASE_URL": upstream, "METRICS_PROC_BASE_URL": upstream}
        self.check(self.serve(METRICS_MODE="proxy", METRICS_AUTH_HEADER_VALUE=f"Bearer {TOKEN}", **upstreams))


if __name__ == "__main__":
    unittest.main()
