"""What the image promises to those who run it.

No container engine is needed: the Dockerfile is read, and the last stage is made by hand and entered by chroot as the
image's user. Of the two halves only the compilation is missing; where STATIC_PROGRAM names a binary of build-static,
the image is made of that, else of the debug binary with its libraries.
"""

import http.server
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request
from pathlib import Path

import yaml

import project
import root
from terminal import free_port

FOLDER = project.DEPLOYMENT / "docker"
TEXT = (FOLDER / "Dockerfile").read_text()
BUILD = (FOLDER / "build-static").read_text()
LAST = TEXT[TEXT.rindex("\nFROM "):]
GATEWAY = {"GATEWAY_CONFIG_JSON": '{"tenant": "acme", "project": "chat"}'}


def instruction(name, text=TEXT):
    return re.findall(rf"^{name} (.+)$", text, re.M)


class Image(unittest.TestCase):
    def test_bases_are_pinned_and_the_last_is_empty(self):
        *bases, last = instruction("FROM")
        self.assertEqual(last, "scratch")
        for base in bases:
            self.assertRegex(base, r"^--platform=\$BUILDPLATFORM [a-z]+:\d+\.\d+\.\d+-\w+ AS \w+$")

    def test_the_build_is_the_one_that_is_locked_and_static_for_each_architecture(self):
        self.assertRegex(BUILD, r"cargo auditable build --release --locked\b")
        self.assertIn("-C target-feature=+crt-static", BUILD)
        self.assertIn('build-static "$TARGETARCH"', TEXT)
        wanted = re.search(r'^rust-version = "(.+)"', (project.ROOT / "Cargo.toml").read_text(), re.M).group(1)
        self.assertIn(f" rust:{wanted}.", instruction("FROM")[0])

    def test_an_architecture_that_is_not_built_is_refused(self):
        for words in ([], ["riscv64"]):
            result = subprocess.run([FOLDER / "build-static", *words], capture_output=True, text=True, check=False)
            self.assertEqual((result.returncode, result.stderr), (64, "usage: build-static amd64|arm64\n"))

    def test_user_program_and_port_are_those_of_the_other_documents(self):
        (user,), (entry,), (health,), (port,) = map(instruction, ("USER", "ENTRYPOINT", "HEALTHCHECK", "EXPOSE"))
        self.assertEqual((user, port), ("1000:1000", "8090"))
        task = json.loads((project.DEPLOYMENT / "ecs/metrics/metrics-task-definition.json").read_text())
        container = task["containerDefinitions"][0]
        self.assertEqual(container["user"], user)
        self.assertEqual(container["portMappings"][0]["containerPort"], int(port))
        (program,) = json.loads(entry)
        check = json.loads(health[health.index("["):])
        self.assertEqual(check, [program, "healthcheck"])
        self.assertEqual(container["healthCheck"]["command"], ["CMD", *check])
        pod = yaml.safe_load((project.DEPLOYMENT / "kubernetes/base/deployment.yaml").read_text())["spec"]["template"]["spec"]
        self.assertEqual(f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}", user)
        self.assertEqual(pod["containers"][0]["ports"][0]["containerPort"], int(port))


class Aws(http.server.BaseHTTPRequestHandler):
    """Takes every point, and keeps who signed for it."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.signatures.append(self.headers["Authorization"])
        self.send_response(200)
        self.send_header("Content-Type", "application/cbor")
        self.send_header("Smithy-Protocol", "rpc-v2-cbor")
        self.send_header("Content-Length", "1")
        self.end_headers()
        self.wfile.write(b"\xa0")

    def log_message(self, *_):
        pass


def libraries(program):
    """The shared libraries that a program needs, none for a static one."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return re.findall(r"(/\S+) \(0x", listed)


@unittest.skipIf(root.prefix() is None, "needs root, or sudo without a password")
class Container(unittest.TestCase):
    """The last stage, by chroot."""

    def setUp(self):
        self.root = Path(tempfile.mkdtemp())
        self.addCleanup(root.run, "rm", "-rf", self.root)
        self.root.chmod(0o755)
        self.user = instruction("USER")[0]
        self.environment = dict(pair.split("=", 1) for pair in instruction("ENV", LAST))
        (self.program,) = json.loads(instruction("ENTRYPOINT")[0])
        (self.command,) = json.loads(instruction("CMD")[0])
        self.home = self.root / self.environment["HOME"].lstrip("/")
        self.home.mkdir(parents=True)
        self.copy("/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates.crt")
        source = os.environ.get("STATIC_PROGRAM", project.PROGRAM)
        self.copy(source, self.program)
        for library in libraries(source):
            self.copy(library, library)
        # Programs and their libraries are as large as disks are slow: links would do, but not across file systems.
        subprocess.run(["strip", self.root / self.program.lstrip("/")], check=True)

    def copy(self, source, target):
        target = self.root / str(target).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(os.path.realpath(source), target)

    def start(self, *words, **environment):
        variables = [f"{name}={value}" for name, value in (self.environment | environment).items()]
        command = ["env", "-i", *variables, shutil.which("chroot", path="/usr/sbin:/sbin:/usr/bin:/bin")]
        command += [f"--userspec={self.user}", "--groups=", str(self.root), self.program, *words]
        process = subprocess.Popen(
            [*root.prefix(), *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.root
        )
        self.addCleanup(process.stdout.close)
        self.addCleanup(self.stop, process)
        return process

    def stop(self, process):
        """By root, whose process it is; sudo passes SIGTERM on, and could not pass on SIGKILL."""
        if process.poll() is None:
            root.run("kill", "-TERM", process.pid)
        return process.wait(timeout=15)

    def run_in(self, *words, **environment):
        process = self.start(*words, **environment)
        output, _ = process.communicate(timeout=60)
        return process.returncode, output

    def test_it_serves_without_arguments_and_its_health_check_agrees(self):
        port = free_port()
        own = GATEWAY | {"METRICS_MODE": "embedded", "METRICS_PORT": str(port), "METRICS_BIND": "127.0.0.1"}
        # The image's command, and the program alone for those who replace it.
        for words in ([self.command], []):
            process = self.start(*words, **own)
            end = time.monotonic() + 30
            while self.run_in("healthcheck", **own)[0] != 0:
                self.assertIsNone(process.poll(), words)
                self.assertLess(time.monotonic(), end)
                time.sleep(0.1)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
                self.assertEqual(answer.status, 200)
            self.assertEqual(self.stop(process), 0)
        self.assertNotEqual(self.run_in("healthcheck", **own)[0], 0)

    def test_a_profile_in_the_mounted_home_signs_what_is_pushed(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Aws)
        server.signatures = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        folder = self.home / ".aws"
        folder.mkdir()
        (folder / "config").write_text("[profile kdcube]\nregion = eu-north-1\n")
        (folder / "credentials").write_text("[kdcube]\naws_access_key_id = AKIDOFTHEFILE\naws_secret_access_key = x\n")
        for file in folder.iterdir():
            file.chmod(0o600)
        root.run("chown", "-R", self.user, folder)
        own = {"METRICS_MODE": "embedded", "METRICS_EXPORT_CLOUDWATCH": "1", "AWS_PROFILE": "kdcube"}
        own["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{server.server_port}"
        status, output = self.run_in("once", **GATEWAY, **own)
        self.assertEqual(status, 0, output)
        self.assertRegex(server.signatures[0], r"Credential=AKIDOFTHEFILE/\d+/eu-north-1/monitoring/")

    def test_names_of_the_hosts_file_are_known_without_dns(self):
        port = free_port()
        # Docker and Kubernetes write it into the empty image.
        (self.root / "etc/hosts").write_text("127.0.0.1 redis-of-the-hosts-file\n")
        url = f"redis://redis-of-the-hosts-file:{port}/0"
        _, output = self.run_in("check", **GATEWAY, REDIS_URL=url, METRICS_BIND="127.0.0.1", METRICS_PORT="0")
        # The name was found: it is the connection that fails.
        self.assertRegex(output, r"(?i)redis.*connection refused")


if __name__ == "__main__":
    unittest.main()
