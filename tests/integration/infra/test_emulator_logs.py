"""The logs of functions that run in the emulator: complete, each invocation's own, and nothing else in them."""

import base64
import io
import json
import uuid
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

PROGRAM = """
import sys

def handler(event, context):
    for number in range(event["lines"]):
        print(f"{event['name']} {number} " + "x" * event.get("width", 0))
    sys.stderr.write(event.get("unended", ""))
    if event.get("fails"):
        raise RuntimeError("as it was told")
    return event["name"]
"""


@pytest.fixture(scope="module")
def function(aws: Callable[..., Any]) -> Iterator[str]:
    name = f"logs-{uuid.uuid4().hex[:8]}"
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument=policy)["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("function.py", PROGRAM)
    aws("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=role,
        Handler="function.handler",
        Code={"ZipFile": code.getvalue()},
    )
    yield name
    aws("lambda").delete_function(FunctionName=name)
    aws("iam").delete_role(RoleName=name)


@pytest.fixture
def logged(aws: Callable[..., Any], function: str) -> Callable[..., list[str]]:
    """Invokes the function, and returns what it has logged between the lines of Lambda itself."""

    def invoke(**event: Any) -> list[str]:
        answer = aws("lambda").invoke(FunctionName=function, Payload=json.dumps(event), LogType="Tail")
        lines = base64.b64decode(answer.get("LogResult", "")).decode().splitlines()
        return [line for line in lines if line.startswith(event["name"]) or "end of the invocation" in line]

    return invoke


@pytest.mark.parametrize("lines", [0, 1, 40])
def test_each_invocation_has_its_own_lines_and_no_others(logged, lines: int) -> None:
    for name in ("first", "second", "third"):
        assert logged(name=name, lines=lines) == [f"{name} {number} " for number in range(lines)]


def test_what_is_logged_last_without_an_end_of_the_line_is_kept(logged) -> None:
    assert logged(name="cut", lines=1, unended="cut off") == ["cut 0 ", "cut off"]
    assert logged(name="next", lines=1) == ["next 0 "]


def test_the_lines_before_an_exception_are_kept_and_the_next_invocation_has_its_own(logged) -> None:
    assert logged(name="failed", lines=2, fails=True) == ["failed 0 ", "failed 1 "]
    assert logged(name="next", lines=1) == ["next 0 "]


def test_the_streams_of_the_group_have_the_same_lines(aws, function: str, logged) -> None:
    name = uuid.uuid4().hex
    logged(name=name, lines=3)
    events = aws("logs").filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
    messages = [line for event in events for line in event["message"].splitlines()]
    assert [line for line in messages if line.startswith(name)] == [f"{name} {number} " for number in range(3)]
    assert not [line for line in messages if "end of the invocation" in line]
