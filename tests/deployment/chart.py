"""The Helm chart: rendered by Helm, and the table of its values made of the comments in values.yaml.

    python tests/deployment/chart.py    writes the table into the chart's README
"""

import json
import re
import subprocess

import yaml

import project

FOLDER = project.DEPLOYMENT / "kubernetes/chart"
# Values of a deployment each, which the tests render.
CASES = project.ROOT / "tests/deployment/chart"
BIN = project.ROOT / "target/tools/bin"
BEGIN, END = "<!-- values -->\n", "<!-- /values -->\n"


def helm(*arguments, succeeds=True):
    """What Helm says, of which its notes about links are no part."""
    result = subprocess.run([BIN / "helm", *map(str, arguments)], capture_output=True, text=True, check=False)
    if (result.returncode == 0) != succeeds:
        raise AssertionError(f"helm {arguments}: {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout if succeeds else result.stderr


def render(*arguments):
    """Every document of a release, by kind and name."""
    text = helm("template", "kdcube-metrics", FOLDER, "--namespace", "kdcube", *arguments)
    documents = [document for document in yaml.safe_load_all(text) if document]
    return {(document["kind"], document["metadata"]["name"]): document for document in documents}


def case(name):
    return render("-f", CASES / f"{name}.yaml")


def described():
    """Path, default and description of every value that has one."""
    values = yaml.safe_load((FOLDER / "values.yaml").read_text())
    path, text = [], None
    for line in (FOLDER / "values.yaml").read_text().splitlines():
        if found := re.fullmatch(r" *# -- (.+)", line):
            text = found.group(1)
        elif text and (found := re.fullmatch(r" *# (.+)", line)):
            text += f" {found.group(1)}"
        elif found := re.match(r"( *)(\w+):", line):
            path[len(found.group(1)) // 2:] = [found.group(2)]
            if text is None:
                continue
            value = values
            for key in path:
                value = value[key]
            yield ".".join(path), value, text
            text = None


def leaves(value, path=()):
    """Paths of all that is not an object with keys."""
    if not isinstance(value, dict) or not value:
        yield ".".join(path)
        return
    for key, inner in value.items():
        yield from leaves(inner, (*path, key))


def table():
    rows = ["| value | default | meaning |", "|---|---|---|"]
    for path, value, text in described():
        default = "–" if value in (None, "") else f"`{json.dumps(value)}`"
        rows.append(f"| `{path}` | {default} | {text} |")
    return "\n".join(rows) + "\n"


def readme():
    """The README with the table as it should be."""
    before, rest = (FOLDER / "README.md").read_text().split(BEGIN)
    return before + BEGIN + table() + END + rest.split(END)[1]


if __name__ == "__main__":
    (FOLDER / "README.md").write_text(readme())
