"""Checks the pinned packages against the lists of known vulnerabilities: `make audit`.

Exits with 0 if every package was checked and none is known to be vulnerable, with 1 if one is, and with 2 if the list
can't be reached: an unchecked package must not look like a clean one.
"""

import json
import subprocess
import sys
from typing import Any


def main(lock: str, *options: str) -> int:
    """Runs pip-audit and prints its findings.

    Args:
        lock: The lock file, with hashes.
        *options: Further options of pip-audit, such as another list.

    Returns:
        The exit code.
    """
    command = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip", "--requirement", lock]
    command += ["--format", "json", "--progress-spinner", "off", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError):
        errors = [line for line in done.stderr.splitlines() if line.strip()] or ["pip-audit printed nothing"]
        return unchecked(
            f"The list of known vulnerabilities can't be reached, so nothing was checked: {errors[-1][:300]}"
        )
    skipped = [package for package in packages if "skip_reason" in package]
    found = [package for package in packages if package.get("vulns")]
    for package in found:
        print(f"{package['name']} {package['version']}: " + "; ".join(map(describe, package["vulns"])))
    if found:
        print(f"{len(found)} of {len(packages)} packages are known to be vulnerable. Renew the lock: make lock")
    if skipped:
        unchecked(
            f"{len(skipped)} of {len(packages)} packages of {lock} could not be checked, because the list of known "
            f"vulnerabilities can't be reached or doesn't know them: {names(skipped)}"
        )
    if found:
        return 1
    if skipped:
        return 2
    print(f"{len(packages)} packages of {lock} were checked; none is known to be vulnerable.")
    return 0


def unchecked(message: str) -> int:
    """Prints why packages were not checked."""
    print(f"{message}. Try again where the network allows it.", file=sys.stderr)
    return 2


def describe(vulnerability: dict[str, Any]) -> str:
    """Returns the name of a vulnerability and the versions that fix it."""
    versions = ", ".join(vulnerability["fix_versions"])
    return vulnerability["id"] + (f" (fixed in {versions})" if versions else " (not fixed yet)")


def names(packages: list[dict[str, Any]]) -> str:
    """Returns the first three names and the number of the others."""
    first = ", ".join(package["name"] for package in packages[:3])
    return first if len(packages) <= 3 else f"{first} and {len(packages) - 3} more"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
