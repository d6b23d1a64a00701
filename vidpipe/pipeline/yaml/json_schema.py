"""JSON schemas of the pipeline and the configuration file, for editors that complete and check while one types.

`python -m vidpipe.pipeline.yaml.json_schema docs` writes `pipeline.schema.json` and `config.schema.json` there. They
are made from the types that `vidpipe check` uses, which finds more: names that do not resolve, tiers that go up.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from vidpipe.core.extensions import Kind
from vidpipe.core.registry import SINKS, STAGES, TRANSFORMS, TUNERS
from vidpipe.pipeline.yaml.spec import ConfigFile, PartSpec, PipelineFile, StageSpec, TransformSpec

FILES: dict[str, type[BaseModel]] = {"pipeline.schema.json": PipelineFile, "config.schema.json": ConfigFile}
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(file: type[BaseModel]) -> dict[str, Any]:
    """The schema of a file: with the fields of each type of vidpipe's own, and whatever others bring."""
    made = file.model_json_schema()
    defs = made["$defs"]
    properties = made["properties"]
    if "stages" in properties:
        properties["stages"]["items"] = _one_of(STAGES, StageSpec, defs)
        properties["transforms"]["items"] = _one_of(TRANSFORMS, TransformSpec, defs)
    properties["sinks"]["items"] = _one_of(SINKS, PartSpec, defs)
    defs["StreamSpec"].pop("required")  # `--source`, or the other file, may give the address
    properties["tuner"]["anyOf"] = [_one_of(TUNERS, PartSpec, defs), {"type": "null"}]
    return {"$schema": _DIALECT, **made}


def _one_of(kind: Kind, spec: type[BaseModel], defs: dict[str, Any]) -> dict[str, Any]:
    """What is written of one part: by its `type` the fields that it may have."""
    return {"allOf": [{"$ref": f"#/$defs/{spec.__name__}"}, *_by_type(kind, spec, defs)]}


def _by_type(kind: Kind, spec: type[BaseModel], defs: dict[str, Any]) -> Iterator[dict[str, Any]]:
    common = spec.model_json_schema()["properties"]
    for name in kind.builtin:
        own = kind.find(name).Config.model_json_schema()
        defs |= own.pop("$defs", {})
        allowed = {**dict.fromkeys(common, True), **own.get("properties", {})}
        yield {
            "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
            "then": {"properties": allowed, "required": own.get("required", []), "additionalProperties": False},
        }


def main() -> None:
    for name, file in FILES.items():
        text = json.dumps(schema(file), indent=1, ensure_ascii=False)
        (Path(sys.argv[1]) / name).write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
