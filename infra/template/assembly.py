"""The files of this folder and the rows of ``infra.workers`` as one template, before Chalice adds app.py's part."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from chalicelib.domain.collections import MANAGED_PREFIX
from chalicelib.domain.search_uploads import SEARCH_STAGING
from chalicelib.domain.uploads import INLINE_STAGING, PRESIGNED_STAGING
from infra.gateway import MINIMUM_COMPRESSION_BYTES
from infra.template import alarms, dashboard, functions, store_alarms
from infra.template.edits import Template
from infra.template.transport import with_only_tls
from infra.template.versions import with_versions
from infra.workers import ALIAS, API, EMBEDDER, SCHEDULED, WORKERS

FOLDER = Path(__file__).parent
# Values that the code decides; the files name them with the tag ``!Constant``.
CONSTANTS: dict[str, str | int] = {
    "ALIAS": ALIAS,
    "MINIMUM_COMPRESSION_BYTES": MINIMUM_COMPRESSION_BYTES,
    "MANAGED_PREFIX": f"{MANAGED_PREFIX}/",
    "PRESIGNED_STAGING": f"{PRESIGNED_STAGING}/",
    "SEARCH_STAGING": f"{SEARCH_STAGING}/",
    "INLINE_STAGING": f"{INLINE_STAGING}/",
}


def read_template(folder: Path = FOLDER) -> Template:
    """The template without app.py's part.

    Raises:
        ValueError: two files give a value of one name, a function has no permissions, or permissions no function.
    """
    template = merge(read_file(path) for path in sorted(folder.glob("*.yaml")))
    environment, permissions = template.pop("Environment"), template.pop("Permissions")
    workers = [worker.function for worker in WORKERS]
    if unmatched := {f.name for f in (API, EMBEDDER, *workers, *SCHEDULED)} ^ set(permissions):
        raise ValueError(f"Each function has an entry in permissions.yaml, and no other: {', '.join(unmatched)}")
    environment |= functions.queue_urls(WORKERS)
    merged = merge(
        [
            template,
            functions.lambda_function(EMBEDDER, permissions[EMBEDDER.name]),
            functions.application_function(API, permissions[API.name], environment),
            *(functions.worker(row, permissions[row.function.name], environment) for row in WORKERS),
            functions.schedule_dead_letters(),
            *(functions.scheduled(row, permissions[row.name], environment) for row in SCHEDULED),
            {"Resources": alarms.of_api() | alarms.of_long_work()},
        ]
    )
    everywhere = alarms.names(merged["Resources"])
    of_stores = {"Resources": store_alarms.of_domain() | store_alarms.of_serverless()}
    merged = merge([merged, of_stores, dashboard.dashboard(everywhere)])
    return with_only_tls(with_versions(merged, EMBEDDER.name))


def merge(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One map of several: maps of one name are merged, too.

    Raises:
        ValueError: two parts give another value than a map for one name.
    """
    merged: dict[str, Any] = {}
    for part in parts:
        for name, value in part.items():
            if name not in merged:
                merged[name] = value
            elif isinstance(value, dict) and isinstance(merged[name], dict):
                merged[name] = merge([merged[name], value])
            else:
                raise ValueError(f"{name} stands in two parts of the template.")
    return merged


def read_file(path: Path) -> dict[str, Any]:
    """A file's map, with CloudFormation's short tags written out: ``!Ref X`` is ``{"Ref": "X"}``."""
    content: dict[str, Any] = yaml.load(path.read_text(), Loader=_Loader)  # noqa: S506  # a safe loader, with tags
    return content


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags and our ``!Constant``."""


def _tagged(loader: _Loader, tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        value: Any = loader.construct_mapping(node, deep=True)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.ScalarNode)
        value = loader.construct_scalar(node)
    if tag == "Constant":
        return CONSTANTS[value]
    if tag == "GetAtt":
        value = value.split(".", 1)
    return {tag if tag in ("Ref", "Condition") else f"Fn::{tag}": value}


_Loader.add_multi_constructor("!", _tagged)
