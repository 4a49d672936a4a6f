"""Calls that schemathesis generates of the OpenAPI document: every answer conforms to the document."""

import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

SEED = "20261124"
# It expects 401 for a request without a token. The contract says 403, and test_isolation checks that.
EXCLUDED_CHECK = "missing_required_header"
SETTINGS = f"""
hooks = "{Path(__file__).with_name("closed_answers.py")}"

[checks.positive_data_acceptance]
# A schema cannot express: bytes that are no picture, another list's cursor, a role that cannot be assumed, a full plan.
expected-statuses = ["2xx", 302, 400, 403, 404, 409, 413, 415, 429]

[checks.negative_data_rejection]
expected-statuses = [400, 403, 404, 405, 409, 413, 415, 429]

[phases]  # else deletions take the identifiers of other calls' responses
examples.extra-data-sources.responses = false
coverage.extra-data-sources.responses = false
fuzzing.extra-data-sources.responses = false
"""
# Paths where a generated identifier would always return 404. Deletions keep to generated ones, and so do changes of a
# file: one of its path gives it another identifier.
EXISTING_RESOURCES = """
[[operations]]
include-path-regex = "^{path}"
exclude-method = {excluded}
parameters = {{ {parameters} }}
"""
# What the code takes beside the one shape that the document has for generators: a sync's options that are null, as
# clients in Java send them, and a filter's single values.
TAKEN_BESIDE = """
[[operations]]
include-operation-id = ["startSync", "searchByTerms"]
checks.negative_data_rejection.expected-statuses = [200, 202, 400, 403, 404, 405, 409, 413, 415, 429]
"""


@dataclass(frozen=True)
class ApiUnderTest:
    """Where a running API is; ``folder`` takes the settings of the calls."""

    url: str
    folder: Path

    def call(self, token: str | None, *options: str, existing: str = "") -> str:
        """What schemathesis printed of its calls with a token; fails unless every answer conforms to the document.

        Args:
            existing: settings that name resources, as ``existing_resources`` returns them.
        """
        (self.folder / "settings.toml").write_text(SETTINGS + existing + TAKEN_BESIDE)
        command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", "settings.toml", "run"]
        command += [f"{self.url}/api/openapi.json", f"--url={self.url}", "--checks=all", f"--seed={SEED}"]
        command += [f"--exclude-checks={EXCLUDED_CHECK}", "--max-redirects=0", "--generation-database=none"]
        command += ["--suppress-health-check=all", "--no-color", "--continue-on-failure"]
        command += [f"--header=Authorization: Token {token}"] if token else []
        process = subprocess.run([*command, *options], cwd=self.folder, capture_output=True, text=True, check=False)
        assert process.returncode == 0, process.stdout + process.stderr
        return process.stdout


def existing_resources(collection: str, file: Mapping[str, str]) -> str:
    """Settings by which calls name a collection and its file, as a listing shows it."""
    link = dict(parse_qsl(urlsplit(file["thumbnail"]).query))
    signed = f'"query.expires" = {link["expires"]}, "query.signature" = "{link["signature"]}"'
    resources = [
        ("/api/collections/\\\\{uuid\\\\}", f'"path.uuid" = "{collection}"'),
        ("/(api/files|collections/download)/", f'"path.uuid" = "{file["uuid"]}"'),
        ("/media/", f'"path.collection" = "{collection}", "path.file" = "{file["uuid"]}.jpg", {signed}'),
    ]
    return "".join(
        EXISTING_RESOURCES.format(
            path=path, parameters=named, excluded=["DELETE", *(["PATCH"] if "files" in path else [])]
        )
        for path, named in resources
    )


def assert_existing_resources_were_called(output: str) -> None:
    missed = output.partition("Missing test data")[2].partition("Schema validation mismatch")[0]
    for operation in (
        "GET /api/collections/{uuid}/files/",
        "GET /api/files/{uuid}/similar/",
        "GET /media/{collection}/{file}",
    ):
        assert operation not in missed, f"it was not called with existing resources:{missed}"


def assert_links_were_followed(output: str) -> None:
    followed = re.search(r"API Links: +(\d+) covered", output)
    assert followed is not None
    assert int(followed[1]) >= 3, output
