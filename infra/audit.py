"""Compare the locks with the known vulnerabilities: ``make audit``.

Ends with 0 where none is known, 1 where some are, and 3 where a package could not be compared: pip-audit itself counts
a package that its source does not answer for among those without vulnerabilities.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from infra.package import ROOT

LOCKS = (
    "requirements.txt",
    "embedder_container/requirements.txt",
    "embedder_container/requirements-build.txt",
    "requirements-local.txt",
    "requirements-uv.txt",
    "requirements-package.txt",
    "requirements-java.txt",
    "requirements-dev.txt",
)
CLEAN, VULNERABLE, NOT_COMPARED = 0, 1, 3

Audit = Callable[[Path], "subprocess.CompletedProcess[str]"]


def pip_audit(lock: Path) -> "subprocess.CompletedProcess[str]":
    """The lock as it stands: nothing is resolved or installed, and pip is not asked."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off"]
    command += ["--format", "json", "--requirement", str(lock)]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def main(audit: Audit = pip_audit, root: Path = ROOT) -> int:
    statuses = [_report(name, audit(root / name)) for name in LOCKS]
    if NOT_COMPARED in statuses:
        print("What was not compared may have known vulnerabilities. Its source may be out of reach.", file=sys.stderr)
    # What was found counts, whatever else could not be compared.
    return next((status for status in (VULNERABLE, NOT_COMPARED) if status in statuses), CLEAN)


def _report(name: str, done: "subprocess.CompletedProcess[str]") -> int:
    """Print what was found about a lock; returns its status."""
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        reason = (done.stderr.strip().splitlines() or [f"pip-audit ended with {done.returncode}"])[-1]
        print(f"{name} was not compared: {reason}", file=sys.stderr)
        return NOT_COMPARED
    compared = [package for package in packages if "skip_reason" not in package]
    found = [line for package in compared for line in _vulnerabilities(package)]
    outcome = f"{len(found)} known vulnerabilities" if compared else "nothing is known of them"
    print(f"{name}: {len(compared)} of {len(packages)} packages compared, {outcome}")
    for line in found:
        print(f"  {line}")
    if found:
        return VULNERABLE
    return CLEAN if len(compared) == len(packages) else NOT_COMPARED


def _vulnerabilities(package: Mapping[str, Any]) -> Iterator[str]:
    for found in package["vulns"]:
        fixed = ", ".join(found["fix_versions"]) or "no version"
        yield f"{package['name']} {package['version']}: {found['id']}, fixed in {fixed}"


if __name__ == "__main__":
    sys.exit(main())
