"""Renders the OpenAPI document as an HTML page: one file, without scripts or anything loaded from elsewhere."""

import json
import re
from collections.abc import Iterator
from html import escape
from typing import Any

from chalicelib.api.openapi.code_samples import PREPARATIONS, code_samples

STYLE = """
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--line:#dde3ea;--paper:#fff;--code:#f4f6f9;--accent:#0b6bcb}
@media(prefers-color-scheme:dark){:root{--ink:#e4e9f0;--soft:#9aa7b8;--line:#2c3644;--paper:#12171f;--code:#1b222d;--accent:#6cb2ff}}
*{box-sizing:border-box}body{margin:0;font:16px/1.55 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
.frame{display:grid;grid-template-columns:17rem minmax(0,1fr);max-width:76rem;margin:auto}
nav{position:sticky;top:0;height:100vh;overflow:auto;padding:2rem 1rem;border-right:1px solid var(--line);font-size:.875rem}
nav h2{font-size:.75rem;text-transform:uppercase;letter-spacing:.06em;color:var(--soft);margin:1.25rem 0 .25rem}
nav a{display:block;padding:.15rem 0;color:inherit;text-decoration:none}nav a:hover{color:var(--accent)}
main{padding:2rem 2.5rem;min-width:0}h1{margin-top:0}section{border-top:1px solid var(--line);padding:1.5rem 0}
h3{margin:0 0 .25rem}.call{font:600 .95rem ui-monospace,monospace;overflow-wrap:anywhere}.method{color:var(--accent)}
table{border-collapse:collapse;width:100%;font-size:.9rem;margin:.5rem 0}td,th{text-align:left;vertical-align:top;padding:.3rem .75rem .3rem 0;border-bottom:1px solid var(--line)}
pre{background:var(--code);padding:1rem;border-radius:.5rem;overflow:auto;font-size:.8125rem}code{font-family:ui-monospace,monospace;background:var(--code);padding:.1em .3em;border-radius:.25rem}
pre code{padding:0}summary{cursor:pointer;color:var(--soft)}.soft{color:var(--soft)}
@media(max-width:50rem){.frame{display:block}nav{position:static;height:auto;border:0}main{padding:1rem}}
"""


def render_page(document: dict[str, Any]) -> str:
    return "".join(
        (
            '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
            f"<title>{escape(document['info']['title'])} API</title><style>{STYLE}</style><div class=frame><nav>",
            *_contents(document),
            f"</nav><main><h1>{escape(document['info']['title'])} API</h1>",
            *(f"<p>{_prose(part)}</p>" for part in document["info"]["description"].strip().split("\n\n")),
            f'<p class=soft>Version {document["info"]["version"]}. For machines: <a href="../openapi.json">openapi.json</a>.</p>',
            "<section id=samples><h3>Samples</h3><p>Those of the operations follow on these lines.</p>",
            *_samples(PREPARATIONS),
            "</section>",
            *(part for path, method, operation in _operations(document) for part in _section(path, method, operation)),
            *_errors(document),
            "</main></div></html>",
        )
    )


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def _contents(document: dict[str, Any]) -> Iterator[str]:
    for tag in document["tags"]:
        yield f"<h2>{escape(tag['name'])}</h2>"
        for _, _, operation in _operations(document):
            if operation["tags"] == [tag["name"]]:
                yield f'<a href="#{operation["operationId"]}">{escape(operation["summary"])}</a>'
    yield '<h2>All operations</h2><a href="#samples">Samples</a><a href="#errors">Errors</a>'


def _section(path: str, method: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f'<section id="{operation["operationId"]}"><h3>{escape(operation["summary"])}</h3>'
    yield f"<p class=call><span class=method>{method}</span> {escape(path)}</p>"
    yield f"<p>{_prose(operation.get('description', ''))}</p>"
    parameters = operation.get("parameters", [])
    if parameters:
        rows = [(p["name"], f"{p['in']}{', required' if p['required'] else ''}", p["description"]) for p in parameters]
        yield from _table("Parameters", rows)
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        properties = content["schema"].get("properties", {})
        if kind == "application/json":
            yield f"<p class=soft>Body, {kind}</p>{_json(content['example'])}"
        else:
            yield from _table(f"Body, {kind}", [(name, "", part["description"]) for name, part in properties.items()])
    yield from _samples(code_samples(path, method, operation))
    for status, response in operation["responses"].items():
        content = response.get("content", {}).get("application/json", {})
        if "example" in content:
            yield f"<details><summary>{status}: the response</summary>{_json(content['example'])}</details>"
    errors = [status for status, response in operation["responses"].items() if "$ref" in response]
    yield f'<p class=soft>Errors: <a href="#errors">{", ".join(errors)}</a></p></section>'


def _errors(document: dict[str, Any]) -> Iterator[str]:
    yield "<section id=errors><h3>Errors</h3>"
    rows = []
    for name, response in document["components"]["responses"].items():
        content = response["content"]["application/json"]
        meaning, _, codes = response["description"].rpartition(": ")
        rows.append((name.removeprefix("Refusal"), codes.replace("`", ""), meaning))
    yield from _table("Status, codes and meaning", rows)
    yield f"{_json(content['example'])}</section>"


def _samples(by_language: dict[str, str]) -> Iterator[str]:
    for number, (language, code) in enumerate(by_language.items()):
        shown = " open" if number == 0 else ""
        yield f"<details{shown}><summary>{language}</summary><pre><code>{escape(code)}</code></pre></details>"


def _table(title: str, rows: list[tuple[str, str, str]]) -> Iterator[str]:
    yield f"<p class=soft>{escape(title)}</p><table>"
    for name, note, description in rows:
        yield f"<tr><td><code>{escape(name)}</code><td class=soft>{escape(note)}<td>{_prose(description)}"
    yield "</table>"


def _json(value: Any) -> str:
    return f"<pre><code>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</code></pre>"


def _prose(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
