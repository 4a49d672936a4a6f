"""What schemathesis loads beside the document: here no response may have a field that the document does not name.

The document leaves responses open, so that fields may be added; a field that is there must be documented all the same.
No case has an idempotency key: its value would be that of other cases, whose requests are others.
"""

from typing import Any

import schemathesis


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    for schema in raw_schema["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    for path in raw_schema["paths"].values():
        for operation in path.values():
            parameters = operation.get("parameters", [])
            operation["parameters"] = [each for each in parameters if each["name"] != "Idempotency-Key"]
