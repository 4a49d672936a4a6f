"""How the environment's packages are installed: by which tool, and what follows from an interruption."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from infra.virtual_environment import RETRY, UNFINISHED, UV_LOCK, Installer

LOCK = Path("requirements-local.txt")


class Tools:
    """An environment whose uv and pip write down what they are asked for, and fail where they are told to."""

    def __init__(self, prefix: Path, settings: str = "") -> None:
        self.prefix, self.settings = prefix, settings
        self.commands: list[list[str]] = []
        self.failing: set[str] = set()
        (prefix / "bin").mkdir()

    def run(self, command: Sequence[str]) -> int:
        self.commands.append(list(command))
        tool = "uv" if command[0].endswith("uv") else "pip"
        if tool in self.failing or (tool == "pip" and command[-1] == str(UV_LOCK) and "uv itself" in self.failing):
            return 1
        if command[-1] == str(UV_LOCK):
            (self.prefix / "bin" / "uv").touch()
        return 0

    def install(self, *, compiled: bool = False) -> int:
        self.commands.clear()
        return Installer(self.prefix, self.run, lambda: self.settings).install(LOCK, compiled=compiled)

    def used(self) -> list[tuple[str, str]]:
        """Which tool installed which lock."""
        return [("uv" if each[0].endswith("uv") else "pip", Path(each[-1]).name) for each in self.commands]


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    return Tools(tmp_path)


def test_uv_installs_the_lock_once_pip_has_installed_uv(tools: Tools):
    assert tools.install() == 0
    assert tools.used() == [("pip", "requirements-uv.txt"), ("uv", "requirements-local.txt")]
    assert tools.install() == 0
    assert tools.used() == [("uv", "requirements-local.txt")]


def test_every_command_takes_wheels_of_the_lock_by_their_hashes_alone(tools: Tools):
    tools.failing = {"uv"}
    tools.install()
    assert len(tools.commands) == 3
    for command in tools.commands:
        assert "--require-hashes" in command
        assert command[command.index("--only-binary") + 1] == ":all:"


@pytest.mark.parametrize("broken", ["uv", "uv itself"])
def test_pip_installs_what_uv_cannot(tools: Tools, broken: str, capsys):
    tools.failing = {broken}
    assert tools.install() == 0
    assert tools.used()[-1] == ("pip", "requirements-local.txt")
    assert (RETRY in capsys.readouterr().err) == (broken == "uv")


@pytest.mark.parametrize(
    "setting",
    [
        "global.index-url='https://packages.example/simple'",
        ":env:.extra-index-url='https://packages.example/simple'",
        "install.no-index='true'",
        "global.proxy='http://proxy.example:3128'",
        "user.client-cert='/etc/own.pem'",
        "global.trusted-host='packages.example'",
    ],
)
def test_pip_installs_where_it_has_settings_that_uv_does_not_read(tmp_path: Path, setting: str):
    tools = Tools(tmp_path, f"global.timeout='60'\n{setting}\n")
    assert tools.install() == 0
    assert tools.used() == [("pip", "requirements-local.txt")]


def test_settings_that_say_nothing_of_where_packages_come_from_are_no_reason_for_pip(tmp_path: Path):
    tools = Tools(tmp_path, "global.cert='/etc/index.pem'\n:env:.disable-pip-version-check='1'\n")
    tools.install()
    assert tools.used()[-1] == ("uv", "requirements-local.txt")


def test_what_was_interrupted_is_installed_anew_by_either_tool_and_only_then(tools: Tools):
    tools.failing = {"uv", "pip"}
    assert tools.install() == 1
    assert (tools.prefix / UNFINISHED).exists()

    tools.failing = {"uv"}
    assert tools.install() == 0
    assert "--reinstall" in tools.commands[-2]
    assert "--ignore-installed" in tools.commands[-1]
    assert not (tools.prefix / UNFINISHED).exists()

    assert tools.install() == 0
    assert not {"--reinstall", "--ignore-installed"} & {word for command in tools.commands for word in command}


def test_uv_is_installed_anew_after_an_interruption_which_may_have_been_its_own(tools: Tools):
    (tools.prefix / UNFINISHED).touch()
    (tools.prefix / "bin" / "uv").touch()
    assert tools.install() == 0
    assert tools.used() == [("pip", "requirements-uv.txt"), ("uv", "requirements-local.txt")]
    assert "--ignore-installed" in tools.commands[0]


def test_modules_are_compiled_beforehand_where_that_is_asked_for(tools: Tools):
    tools.install(compiled=True)
    assert "--compile-bytecode" in tools.commands[-1]
    tools.install()
    assert "--compile-bytecode" not in tools.commands[-1]
