"""A terminal for the commands of the guides: a shell in a folder of its own, where servers end with it."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import project

DONE = "<<<done>>>"
# How long an answer may take to be the one that the guide shows.
SOON = 30
# A terminal has one window, so a server that a guide does not send to the background goes there once it is ready.
WRAPPER = """#!/bin/sh
[ "$*" = serve ] || exec {program} "$@"
{program} serve >serve.log 2>&1 &
for _ in $(seq 300); do
  curl -sf "http://127.0.0.1:$METRICS_PORT/readyz" >/dev/null && exit
  sleep 0.1
done
cat serve.log >&2
exit 1
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def blocks(guide):
    """Every block of commands of a guide, in order: its language and its text."""
    text = (project.INTEGRATIONS / guide).read_text()
    return re.findall(r"^```(sh|console)\n(.*?)^```", text, re.S | re.M)


def shown(text):
    """The commands of a console, each with the lines that are shown under it."""
    for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
        command, _, answer = part.partition("\n")
        yield command, answer.splitlines()


def fits(expected, lines):
    """Whether lines are those that are shown, in which … stands for anything; empty ones do not count."""
    lines = [line for line in lines if line]
    patterns = [re.escape(line).replace("…", ".*") for line in expected]
    return len(lines) == len(patterns) and all(map(re.fullmatch, patterns, lines))


class Terminal:
    """Ports that the guides name are replaced by free ones, so that nothing of this machine is in the way."""

    def __init__(self, ports, environment):
        self.folder = Path(tempfile.mkdtemp())
        self.ports = {str(port): str(free_port()) for port in ports}
        (self.folder / "bin").mkdir()
        self.install("kdcube-metrics", WRAPPER.format(program=project.PROGRAM))
        path = f"{self.folder}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
        base = {"PATH": path, "HOME": str(self.folder), "METRICS_MODE": "embedded", "METRICS_BIND": "127.0.0.1"}
        own = {"METRICS_PORT": self.ports.get("8090", str(free_port())), "METRICS_SAMPLE_INTERVAL_SEC": "1"}
        with open(self.folder / "errors", "w") as errors:
            self.shell = subprocess.Popen(
                ["bash", "-euo", "pipefail"],
                cwd=self.folder,
                env=base | own | environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )

    def install(self, name, script):
        (self.folder / "bin" / name).write_text(script)
        (self.folder / "bin" / name).chmod(0o755)

    def close(self):
        os.killpg(self.shell.pid, signal.SIGKILL)
        self.shell.wait()
        self.shell.stdin.close()
        self.shell.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, commands):
        """Runs commands as they stand; what the shell knows stays for the next ones."""
        for port, free in self.ports.items():
            commands = re.sub(rf"\b{port}\b", free, commands)
        self.shell.stdin.write(f"{commands}\necho; echo '{DONE}'\n")
        self.shell.stdin.flush()
        lines = []
        for line in self.shell.stdout:
            if line.rstrip() == DONE:
                # The one before it is ours.
                return lines[:-1] if lines[-1:] == [""] else lines
            lines.append(line.rstrip("\n"))
        errors = (self.folder / "errors").read_text()
        raise AssertionError(f"failed:\n{commands}\n" + "\n".join(lines) + f"\n{errors}")

    def show(self, command, expected):
        """Runs a command until it answers as shown."""
        for port, free in self.ports.items():
            expected = [re.sub(rf"\b{port}\b", free, line) for line in expected]
        end = time.monotonic() + SOON
        while not fits(expected, lines := self.run(f"( {command} ) || true")):
            if time.monotonic() > end:
                raise AssertionError(f"$ {command}\nshown: {expected}\nanswered: {lines}\n" + (self.folder / "errors").read_text())
            time.sleep(0.2)

    def follow(self, guide):
        """Does all that a guide says, in its order."""
        for language, text in blocks(guide):
            if language == "sh":
                self.run(text)
                continue
            for command, answer in shown(text):
                self.show(command, answer)
