"""The clients: how each is generated and compiled, and the command that runs its program."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.clients.tools import PYTHON, ROOM, installed, java_libraries, node_modules, openapi_generator, run

PROGRAMS = ROOM / "programs"
_TYPESCRIPT = """\
{"compilerOptions": {"target": "ES2022", "module": "ESNext", "moduleResolution": "bundler", "strict": true,
 "noEmit": true, "skipLibCheck": true, "lib": ["ES2023", "DOM", "DOM.Iterable"], "types": ["node"]},
 "files": ["main.ts"]}
"""


@dataclass(frozen=True)
class Program:
    """A command that runs a client, and what its environment has beside ours."""

    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Client:
    """``build`` generates and compiles the client of a document in a folder, and returns its program.

    It raises Unavailable where the machine lacks the language, ClientError where the client is broken.
    """

    name: str
    language: str
    build: Callable[[Path, Path], Program]


def _openapi_python_client(document: Path, folder: Path) -> Program:
    package = folder / "similarix_client"
    # The command is the module's: the environment's own script may be missing from PATH.
    command = [str(PYTHON), "-m", "openapi_python_client", "generate", "--path", str(document), "--meta", "none"]
    run([*command, "--output-path", str(package)], folder)
    return _python(folder, "openapi_python_client.py")


def _openapi_generator_python(document: Path, folder: Path) -> Program:
    openapi_generator(document, "python", folder / "made", "--additional-properties=packageName=similarix_client")
    return _python(folder / "made", "openapi_generator_python.py")


def _python(path: Path, program: str) -> Program:
    return Program([str(PYTHON), str(PROGRAMS / program)], {"PYTHONPATH": str(path)})


def _openapi_fetch(document: Path, folder: Path) -> Program:
    command = [installed("node"), str(node_modules() / "openapi-typescript" / "bin" / "cli.js")]
    run([*command, str(document), "-o", "generated.d.ts"], folder)
    return _typescript(folder, "openapi_fetch.ts")


def _hey_api(document: Path, folder: Path) -> Program:
    command = [installed("node"), str(node_modules() / "@hey-api" / "openapi-ts" / "bin" / "run.js")]
    run([*command, "-i", str(document), "-o", "generated", "-c", "@hey-api/client-fetch"], folder)
    return _typescript(folder, "hey_api.ts")


def _typescript_fetch(document: Path, folder: Path) -> Program:
    openapi_generator(document, "typescript-fetch", folder / "generated")
    return _typescript(folder, "typescript_fetch.ts")


def _typescript(folder: Path, program: str) -> Program:
    modules = node_modules()
    (folder / "node_modules").symlink_to(modules)
    shutil.copy(PROGRAMS / "calls.ts", folder)
    shutil.copy(PROGRAMS / program, folder / "main.ts")
    (folder / "tsconfig.json").write_text(_TYPESCRIPT)
    run([installed("node"), str(modules / "typescript" / "bin" / "tsc"), "-p", "."], folder)
    bundle = ["main.ts", "--bundle", "--platform=node", "--format=esm", "--outfile=main.mjs", "--log-level=error"]
    run([installed("node"), str(modules / "esbuild" / "bin" / "esbuild"), *bundle], folder)
    return Program([installed("node"), str(folder / "main.mjs")])


def _openapi_generator_go(document: Path, folder: Path) -> Program:
    installed("go")
    openapi_generator(document, "go", folder / "made", "--additional-properties=packageName=similarix,withGoMod=false")
    (folder / "similarix").mkdir()
    for file in (folder / "made").glob("*.go"):
        file.rename(folder / "similarix" / file.name)
    return _go(folder, "openapi_generator.go")


def _oapi_codegen(document: Path, folder: Path) -> Program:
    (folder / "similarix").mkdir()
    _go_module(folder)
    command = [installed("go"), "tool", "oapi-codegen", "-generate", "types,client", "-package", "similarix"]
    run([*command, "-o", "similarix/client.go", str(document)], folder)
    return _go(folder, "oapi_codegen.go")


def _go(folder: Path, program: str) -> Program:
    _go_module(folder)
    (folder / "calls").mkdir()
    shutil.copy(PROGRAMS / "calls.go", folder / "calls")
    shutil.copy(PROGRAMS / program, folder / "main.go")
    run([installed("go"), "build", "-mod=readonly", "-o", "program", "."], folder)
    return Program([str(folder / "program")])


def _go_module(folder: Path) -> None:
    for name in ("go.mod", "go.sum"):
        shutil.copy(ROOM / "go" / name, folder)


def _openapi_generator_java(document: Path, folder: Path) -> Program:
    compiler = installed("javac")
    options = ("--library", "native", "--additional-properties=useSingleRequestParameter=true")
    openapi_generator(document, "java", folder / "made", *options)
    libraries = os.pathsep.join(map(str, java_libraries()))
    shutil.copy(PROGRAMS / "OpenapiGenerator.java", folder)
    sources = [str(path) for path in _java_sources(folder)]
    run([compiler, "-nowarn", "-cp", libraries, "-d", "classes", *sources], folder)
    classpath = os.pathsep.join(("classes", libraries))
    return Program([installed("java"), "-cp", f"{folder}{os.sep}{classpath}", "OpenapiGenerator"])


def _java_sources(folder: Path) -> Iterator[Path]:
    yield folder / "OpenapiGenerator.java"
    yield from (folder / "made" / "src" / "main" / "java").rglob("*.java")


CLIENTS = (
    Client("openapi-python-client", "python", _openapi_python_client),
    Client("openapi-generator python", "python", _openapi_generator_python),
    Client("openapi-fetch", "typescript", _openapi_fetch),
    Client("hey-api", "typescript", _hey_api),
    Client("openapi-generator typescript-fetch", "typescript", _typescript_fetch),
    Client("openapi-generator go", "go", _openapi_generator_go),
    Client("oapi-codegen", "go", _oapi_codegen),
    Client("openapi-generator java", "java", _openapi_generator_java),
)
LANGUAGES = tuple(dict.fromkeys(client.language for client in CLIENTS))
