"""A deployment in a real Redis, the server that measures it, and a browser that looks at its page."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import project
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

SOON = 90


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def until(what, done, limit=SOON):
    """Waits until something is true, and returns it."""
    end = time.monotonic() + limit
    while not (found := done()):
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come within {limit} s")
        time.sleep(0.2)
    return found


class Deployment:
    """Redis, perhaps simulated workers, and the server; all end together."""

    def __init__(self, simulate=None, tenant="acme", **settings):
        self.folder = Path(tempfile.mkdtemp())
        self.processes = []
        self.redis_port, self.port = free_port(), free_port()
        self.redis = self.start("redis-server", "--port", self.redis_port, "--save", "", "--bind", "127.0.0.1", "--dir", self.folder)
        until("redis", lambda: self.cli("PING") == "PONG")
        self.url = f"redis://127.0.0.1:{self.redis_port}/0"
        if simulate is not None:
            arguments = ["--tenant", "acme", "--project", "chat", *simulate]
            self.start(project.PROGRAM, "simulate", "--redis-url", self.url, *arguments)
            until("simulated workers", lambda: self.cli("KEYS", "acme:chat:*heartbeat*") != "")
        base = {
            "REDIS_URL": self.url,
            "GATEWAY_CONFIG_JSON": f'{{"tenant": "{tenant}", "project": "chat"}}',
            "METRICS_PORT": str(self.port),
            "METRICS_BIND": "127.0.0.1",
            "METRICS_SAMPLE_INTERVAL_SEC": "1",
        }
        self.start(project.PROGRAM, "serve", environment=base | settings)
        until("the server", lambda: self.status("/readyz") == 200)

    def start(self, *command, environment=None):
        environment = {"PATH": os.environ["PATH"]} | (environment or {})
        with open(self.folder / f"{len(self.processes)}.log", "w") as log:
            process = subprocess.Popen([str(part) for part in command], env=environment, stdout=log, stderr=log, cwd=self.folder)
        self.processes.append(process)
        return process

    def cli(self, *command):
        parts = ["redis-cli", "-p", str(self.redis_port), *command]
        return subprocess.run(parts, capture_output=True, text=True, check=False).stdout.strip()

    def status(self, path):
        try:
            return urllib.request.urlopen(self.address(path), timeout=5).status
        except OSError as error:
            return getattr(error, "code", 0)

    def address(self, path="/"):
        return f"http://127.0.0.1:{self.port}{path}"

    def close(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGKILL)
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def deployment(*arguments, **settings):
    deployed = Deployment(*arguments, **settings)
    try:
        yield deployed
    finally:
        deployed.close()


@contextmanager
def browser(width=1280, height=900, dark=False, script=True):
    """Chromium without a window."""
    options = Options()
    for argument in ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage"]:
        options.add_argument(argument)
    options.add_argument(f"--window-size={width},{height}")
    options.binary_location = shutil.which("chromium")
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not script})
        yield driver
    finally:
        driver.quit()
