"""The named schemas of the document: clients that are generated from it get a type of each name."""

from typing import Any

from chalicelib.api.openapi.builders import Schema, ref


class NamedSchemas:
    """Collects schemas by name, those of nested objects that have a title among them."""

    def __init__(self) -> None:
        self.by_name: dict[str, Schema] = {}

    def add(self, name: str, schema: Schema) -> Schema:
        """Adds a schema; returns the reference to it.

        Raises:
            ValueError: another schema has this name.
        """
        named = {key: self._named(value) for key, value in schema.items() if key != "title"}
        if self.by_name.setdefault(name, named) != named:
            raise ValueError(f"two schemas have the name {name}")
        return ref(name)

    def _named(self, part: Any) -> Any:
        """A part of a schema in which objects with a title are references."""
        if isinstance(part, list):
            return [self._named(item) for item in part]
        if not isinstance(part, dict):
            return part
        if not isinstance(part.get("title"), str):
            return {key: self._named(value) for key, value in part.items()}
        kinds = part["type"] if isinstance(part["type"], list) else [part["type"]]
        reference = self.add(part["title"], {**part, "type": "object"})
        return {"anyOf": [reference, {"type": "null"}]} if "null" in kinds else reference


def open_schema(part: Any) -> Any:
    """A schema of a response as the document has it: fields may be added, which no client may refuse."""
    if isinstance(part, list):
        return [open_schema(item) for item in part]
    if not isinstance(part, dict):
        return part
    return {key: open_schema(value) for key, value in part.items() if (key, value) != ("additionalProperties", False)}
