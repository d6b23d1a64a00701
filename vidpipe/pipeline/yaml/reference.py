"""The tables of docs/pipelines.md, from the very types that pipelines are checked with.

`python -m vidpipe.pipeline.yaml.reference docs/pipelines.md` fills in what stands between `<!-- fields: NAME -->` and
`<!-- end -->`; NAME is a type of the pipeline file, or the `type` of a stage, transform, sink or
tuner of vidpipe.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vidpipe.core.registry import SINKS, STAGES, TRANSFORMS, TUNERS
from vidpipe.pipeline.yaml.spec import PipelineFile

_TABLE = re.compile(r"(<!-- fields: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_BOUNDS = {"minimum": ">= {:g}", "exclusiveMinimum": "> {:g}", "maximum": "<= {:g}", "exclusiveMaximum": "< {:g}"}


def fill(page: str) -> str:
    """The page with its tables as they are today."""
    pipeline = PipelineFile.model_json_schema()
    kinds = (STAGES, TRANSFORMS, SINKS, TUNERS)
    parts = {name: kind.find(name).Config.model_json_schema() for kind in kinds for name in kind.builtin}
    within = {name: schema for part in parts.values() for name, schema in part.get("$defs", {}).items()}
    schemas = {"PipelineFile": pipeline, **within, **pipeline["$defs"], **parts}
    return _TABLE.sub(lambda match: match[1] + "".join(_table(schemas[match[2]], schemas)) + match[3], page)


def _table(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    yield "| field | type | default | meaning |\n|---|---|---|---|\n"
    for name, field in schema["properties"].items():
        default = "" if field.get("default") is None else f"`{json.dumps(field['default'])}`"
        shown = "required" if name in schema.get("required", ()) else default
        knob = " (knob)" if field.get("knob") else ""
        yield f"| `{name}` | {_type(field, schemas)} | {shown} | {field['description']}{knob} |\n"


def _type(field: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """What may be written there. Null is named only where it is not the default."""
    if "$ref" in field:
        name = field["$ref"].rsplit("/", 1)[1]
        word = name.removesuffix("Spec").lower()
        return _type(schemas[name], schemas) if "enum" in schemas[name] else f"[{word}](#{word})"
    if "anyOf" in field:
        kinds = [kind for kind in field["anyOf"] if kind.get("type") != "null" or field.get("default") is not None]
        return " or ".join(_type(kind, schemas) for kind in kinds)
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "prefixItems" in field:
        return f"[{', '.join(_type(item, schemas) for item in field['prefixItems'])}]"
    if isinstance(field["type"], list):
        return " or ".join(field["type"])
    if field["type"] == "array":
        return f"list of {_type(field['items'], schemas)}"
    if field["type"] == "object":
        inner = field.get("additionalProperties")
        return f"mapping to {_type(inner, schemas)}" if isinstance(inner, dict) else "mapping"
    bounds = ", ".join(text.format(field[key]) for key, text in _BOUNDS.items() if key in field)
    return f"{field['type']} {bounds}".strip()


def main() -> None:
    page = Path(sys.argv[1])
    page.write_text(fill(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
