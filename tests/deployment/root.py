"""What only root may do: other users, other roots. In CI that is root itself or sudo without a password."""

import os
import shutil
import subprocess


def prefix():
    """What makes a command root's, or None where nothing does."""
    if os.geteuid() == 0:
        return []
    sudo = ["sudo", "-n"]
    possible = shutil.which("sudo") and subprocess.run([*sudo, "true"], capture_output=True, check=False).returncode == 0
    return sudo if possible else None


def run(*command, **options):
    """Runs a command as root; fails with all that it said."""
    result = subprocess.run([*prefix(), *map(str, command)], capture_output=True, text=True, check=False, **options)
    if result.returncode != 0:
        raise AssertionError(f"{command}: {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout
