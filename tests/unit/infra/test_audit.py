"""What ``make audit`` says of pip-audit's reports: found, clean, or not compared, which is not clean."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.audit import CLEAN, LOCKS, NOT_COMPARED, VULNERABLE, main

SAFE = {"name": "idna", "version": "3.20", "vulns": []}
UNSAFE = {"name": "jinja2", "version": "2.10", "vulns": [{"id": "PYSEC-2019-217", "fix_versions": ["2.10.1"]}]}
SKIPPED = {"name": "certifi", "skip_reason": "Dependency not found and could not be audited"}


def reports(**packages_of: list[dict[str, Any]] | None) -> Callable[[Path], "subprocess.CompletedProcess[str]"]:
    """Reports with these packages for the locks so named, of a safe one for the others; None fails to connect."""

    def audit(lock: Path) -> "subprocess.CompletedProcess[str]":
        packages = packages_of.get(lock.stem.replace("-", "_"), [SAFE])
        if packages is None:
            return subprocess.CompletedProcess([], 1, "", "Traceback\nConnectionError: no such host")
        return subprocess.CompletedProcess([], 0, json.dumps({"dependencies": packages}), "")

    return audit


def test_locks_without_known_vulnerabilities_are_clean(capsys):
    assert main(reports()) == CLEAN
    assert capsys.readouterr().out.count("1 of 1 packages compared, 0 known vulnerabilities") == len(LOCKS)


def test_a_known_vulnerability_is_named_with_the_version_that_mends_it_and_counts_whatever_else_failed(capsys):
    assert main(reports(requirements_dev=[UNSAFE, SAFE], requirements_java=None)) == VULNERABLE
    assert "jinja2 2.10: PYSEC-2019-217, fixed in 2.10.1" in capsys.readouterr().out


@pytest.mark.parametrize("packages", [None, [SKIPPED], [SAFE, SKIPPED]], ids=["no answer", "skipped", "one skipped"])
def test_packages_that_could_not_be_compared_are_not_clean(capsys, packages):
    assert main(reports(requirements_local=packages)) == NOT_COMPARED
    assert "What was not compared may have known vulnerabilities" in capsys.readouterr().err


def test_packages_of_which_nothing_is_known_are_not_counted_as_without_vulnerabilities(capsys):
    main(reports(requirements=[SKIPPED]))
    assert "requirements.txt: 0 of 1 packages compared, nothing is known of them" in capsys.readouterr().out


def test_a_lock_that_could_not_be_compared_is_named_with_the_reason(capsys):
    main(reports(requirements_java=None))
    assert "requirements-java.txt was not compared: ConnectionError: no such host" in capsys.readouterr().err
