"""What the project says of itself: known settings and metrics, from the generated pages."""

import json
import os
import re
import socket
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEPLOYMENT = ROOT / "deployment"
INTEGRATIONS = ROOT / "docs" / "integrations"
# As `cargo test` builds it.
PROGRAM = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug/kdcube-metrics"


def version():
    return re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.M).group(1)


def rows(page):
    """The cells of every table row of a page whose first cell is code."""
    for line in (ROOT / "docs" / page).read_text().splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def code(cell):
    return re.search(r"`([^`]+)`", cell).group(1)


def settings():
    return {code(row[0]) for row in rows("configuration.md")}


def is_setting(name):
    known = settings()
    return name in known or name.removesuffix("_FILE") in known


def scalars():
    """Prometheus name and CloudWatch name of each scalar, by key."""
    return {code(row[0]): (code(row[1]), code(row[2])) for row in rows("metrics.md") if "." in code(row[0])}


def prometheus_names():
    own = {code(row[0]) for row in rows("metrics.md") if "." not in code(row[0])}
    return own | {prometheus for prometheus, _ in scalars().values()}


def unknown_series(text):
    """Names in a text that look like the project's metrics and are none."""
    job = "kdcube_metrics"  # METRICS_PROM_JOB_NAME
    return set(re.findall(r"\bkdcube_\w+", text)) - prometheus_names() - {job}


def template(name):
    """The variables of a template, in order."""
    lines = (DEPLOYMENT / "ecs/metrics" / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def fill(text, values):
    """As envsubst does, but a variable that is missing is an error."""
    return re.sub(r"\$\{(\w+)\}", lambda found: values[found.group(1)], text)


def find(value, *keys):
    """Every value under one of these keys, however deep."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in keys:
                yield inner
            yield from find(inner, *keys)
    elif isinstance(value, list):
        for inner in value:
            yield from find(inner, *keys)


def differences(expected, actual, path=""):
    """Where a document that was read back lacks something of the one that was put."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key, value in expected.items():
            if key in actual:
                yield from differences(value, actual[key], f"{path}.{key}")
            else:
                yield f"{path}.{key} is missing"
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for index, (value, other) in enumerate(zip(expected, actual)):
            yield from differences(value, other, f"{path}[{index}]")
    elif expected != actual:
        yield f"{path}: put {json.dumps(expected)}, read {json.dumps(actual, default=str)}"


def eventually_listens(port):
    """Waits until somebody accepts connections on a port of this machine."""
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", int(port)), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
