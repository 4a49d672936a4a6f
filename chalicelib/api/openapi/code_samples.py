"""One call of an operation in curl, Python and JavaScript, written from the examples in the OpenAPI document.

All three read the API's address and the token from ``PREPARATIONS``, so that a sample runs as it was copied.
"""

import json
import shlex
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

PREPARATIONS = {
    "curl": "export API=https://similarix.com TOKEN=your_token_here",
    "Python": 'import requests\n\nAPI, TOKEN = "https://similarix.com", "your_token_here"',
    "JavaScript": 'const API = "https://similarix.com", TOKEN = "your_token_here";',
}
_SAVED_AS = {"image/jpeg": "thumbnail.jpg"}
# Optional parameters without which a call says nothing.
_SHOWN = {"searchByText": "query", "explainObject": "key"}


class _Call(NamedTuple):
    """What is sent: what is optional is left out, but for the fields of a body.

    Args:
        picture: the name of the file that is sent as the part ``file`` of a form.
        saved_as: the file that takes the response's body, None for JSON.
    """

    method: str
    path: str
    query: dict[str, Any]
    json: Any
    picture: str | None
    saved_as: str | None


def code_samples(path: str, method: str, operation: dict[str, Any]) -> dict[str, str]:
    """The samples by language.

    Args:
        operation: of the document.
    """
    shown = _SHOWN.get(operation["operationId"])
    given = [p for p in operation.get("parameters", []) if p["required"] or (p["in"], p["name"]) == ("query", shown)]
    for parameter in given:
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", quote(parameter["example"]))
    content = operation.get("requestBody", {}).get("content", {})
    call = _Call(
        method=method.upper(),
        path=path,
        query={parameter["name"]: parameter["example"] for parameter in given if parameter["in"] == "query"},
        json=content["application/json"]["example"] if "application/json" in content else None,
        picture=content["multipart/form-data"]["example"]["file"] if "multipart/form-data" in content else None,
        saved_as=_saved_as(operation["responses"]),
    )
    return {"curl": _curl(call), "Python": _python(call), "JavaScript": _javascript(call)}


def _saved_as(responses: dict[str, Any]) -> str | None:
    if "302" in responses:
        return "picture.jpg"
    kinds = [kind for response in responses.values() for kind in response.get("content", ())]
    return next((_SAVED_AS[kind] for kind in kinds if kind in _SAVED_AS), None)


def _curl(call: _Call) -> str:
    implied = "POST" if call.json is not None or call.picture else "GET"
    parts = ["curl"]
    if call.method != implied:
        parts.append(f"-X {call.method}")
    if call.saved_as:
        parts.append(f"-L -o {call.saved_as}")
    parts.append('-H "Authorization: Token $TOKEN"')
    if call.picture:
        parts.append(f"-F file=@{call.picture}")
    query = f"?{urlencode(call.query, quote_via=quote)}" if call.query else ""
    line = f'{" ".join(parts)} "$API{call.path}{query}"'
    if call.json is None:
        return line
    return f'{line} \\\n    -H "Content-Type: application/json" -d {shlex.quote(json.dumps(call.json))}'


def _python(call: _Call) -> str:
    arguments = [f'f"{{API}}{call.path}"', 'headers={"Authorization": f"Token {TOKEN}"}']
    if call.query:
        arguments.append(f"params={call.query!r}")
    if call.json is not None:
        arguments.append(f"json={call.json!r}")
    lines = []
    if call.picture:
        lines = [f'with open("{call.picture}", "rb") as picture:']
        arguments.append('files={"file": picture}')
    indent = "    " if lines else ""
    lines.append(f"{indent}response = requests.{call.method.lower()}(")
    lines += [f"{indent}    {argument}," for argument in arguments]
    lines += [f"{indent})", "response.raise_for_status()"]
    if call.saved_as:
        lines += [f'with open("{call.saved_as}", "wb") as file:', "    file.write(response.content)"]
    else:
        lines.append("print(response.json())")
    return "\n".join(lines)


def _javascript(call: _Call) -> str:
    lines, options = [], [] if call.method == "GET" else [f'method: "{call.method}"']
    headers = ["Authorization: `Token ${TOKEN}`"]
    if call.picture:
        # In a page, an <input type="file"> has such a file.
        lines += [
            "const form = new FormData();",
            f'form.append("file", picture, "{call.picture}");  // a Blob, such as the file of an <input>',
        ]
        options.append("body: form")
    if call.json is not None:
        headers.append('"Content-Type": "application/json"')
        options.append(f"body: JSON.stringify({json.dumps(call.json)})")
    query = f"?${{new URLSearchParams({json.dumps(call.query)})}}" if call.query else ""
    options.append(f"headers: {{ {', '.join(headers)} }}")
    lines.append(f"const response = await fetch(`${{API}}{call.path}{query}`, {{")
    lines += [f"  {option}," for option in options]
    lines += ["});", f"console.log(await response.{'blob' if call.saved_as else 'json'}());"]
    return "\n".join(lines)
