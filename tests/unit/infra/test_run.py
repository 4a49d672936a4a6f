"""What ``make run`` refuses before it starts anything."""

from pathlib import Path

import pytest

from infra.run import ForbiddenPortError, check_port, main


@pytest.mark.parametrize("port", ["0", "65536", "-1", "4566.0", "4_566", "٤٥٦٦", "abc", ""])
def test_a_port_that_is_none_is_refused_with_the_words_of_make(port: str, capsys, tmp_path: Path):
    with pytest.raises(SystemExit) as ended:
        main([f"--port={port}", "--folder", str(tmp_path / "system")])
    message = capsys.readouterr().err
    assert ended.value.code == 2
    assert f"{port!r} is no port, which is a number from 1 to 65535" in message
    assert message.startswith("usage: make run [PORT=4566]")
    assert not (tmp_path / "system").exists()


def test_a_store_that_there_is_not_is_refused_with_those_that_there_are(capsys, tmp_path: Path):
    with pytest.raises(SystemExit):
        main(["--store=postgres", "--folder", str(tmp_path / "system")])
    assert "'sqlite', 'opensearch'" in capsys.readouterr().err


def test_a_port_for_administrators_is_refused_with_one_that_is_not():
    with pytest.raises(ForbiddenPortError, match="make run PORT=4600"):
        check_port(80, may_listen=lambda _: False)
    check_port(80, may_listen=lambda _: True)
