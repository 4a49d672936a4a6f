"""What ``make deploy`` says when it is not told what to deploy where."""

import pytest

from infra.deploy import main


@pytest.mark.parametrize("missing", ["--stack", "--region"])
def test_a_deployment_without_a_stack_or_a_region_is_refused_with_an_example(
    missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"--stack": "similarix", "--region": "eu-central-1", "--image": ""} | {missing: ""}
    with pytest.raises(SystemExit) as end:
        main([word for option in given.items() for word in option])

    assert end.value.code == 2
    assert "make deploy STACK=similarix REGION=eu-central-1 IMAGE=URI" in capsys.readouterr().err
