"""What the commands of administration refuse before they reach a deployment."""

import argparse

import pytest

from infra.admin import tokens


@pytest.mark.parametrize("days", ["0", "-1", "1.5", "soon", "36501"])
def test_a_token_that_would_be_expired_or_never_expire_is_refused(
    days: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    tokens.add(parser.add_subparsers())
    with pytest.raises(SystemExit):
        parser.parse_args(["issue-token", "an-account", "a name", "--days", days])

    assert "whole number of days, from 1 to 36,500" in capsys.readouterr().err
