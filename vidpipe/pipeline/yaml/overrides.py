"""Setting single values of a document from the command line: `--set stages.detect.accept=0.4`."""

from __future__ import annotations

import re

import yaml

from vidpipe.core.nearest import did_you_mean
from vidpipe.pipeline.yaml.diagnostics import Keys, Mark, Mistake
from vidpipe.pipeline.yaml.document import Document
from vidpipe.pipeline.yaml.read import parse
from vidpipe.pipeline.yaml.spec import PipelineFile

_FORM = "stages.ID.FIELD=VALUE, as stages.little.accept=0.4"
_NAMED = {("models",), ("sites",), ("streams",)}  # hold what the user named: a new name would be a slip, not a setting


def override(document: Document, assignment: str) -> None:
    """Set what `assignment` ("path=value", the value as YAML) says; what is wrong with it becomes a mistake.

    A path goes by the keys of mappings and the ids of stages. Whether its last part is a field, and the value fits, is
    for the validation of the whole document to say.
    """
    path, equals, text = assignment.partition("=")
    # Where the equals sign is missing, the rest may be an address: it is not repeated.
    mark = Mark("--set " + re.split(r"[^\w.-]", path)[0])
    document.origins.append(mark.file)
    try:
        if not equals or not all(path.split(".")) or ":" in path or "@" in path:
            raise ValueError(f"must be of the form {_FORM}")
        _check_top(document, path)
        keys = _find(document, path.split("."))
        document.put(keys, parse(text), mark)
    except yaml.YAMLError:
        document.mistakes.append(Mistake(mark, "", "the value is not valid YAML: put quotes around it"))
    except ValueError as error:
        document.mistakes.append(Mistake(mark, "", str(error)))
    else:
        if "${env:" in text:
            document.secrets.add(keys)


def _check_top(document: Document, path: str) -> None:
    """A path begins with a field of the pipeline; the classic slip is to begin with the id of a stage."""
    top = path.partition(".")[0]
    if top in PipelineFile.model_fields:
        return
    stages = document.value(("stages",))
    ids = [item.get("id") for item in stages if isinstance(item, dict)] if isinstance(stages, list) else []
    for holder, names in (("stages", ids), ("models", document.mapping(("models",)))):
        if top in names:
            raise ValueError(f"there is no field '{top}'; did you mean '{holder}.{path}'?")
    raise ValueError(f"there is no field '{top}'{did_you_mean(top, PipelineFile.model_fields)}; write {_FORM}")


def _find(document: Document, parts: list[str]) -> Keys:
    keys: Keys = ()
    for part in parts:
        holder = document.value(keys)
        if isinstance(holder, list):
            indices = {str(item.get("id")): index for index, item in enumerate(holder) if isinstance(item, dict)}
            if part not in indices:
                raise ValueError(f"'{document.path(keys)}' has no '{part}'{did_you_mean(part, indices)}")
            keys = (*keys, indices[part])
        elif not isinstance(holder, dict | None):
            raise ValueError(f"'{document.path(keys)}' is a single value: there is nothing below it")
        elif keys in _NAMED and part not in (holder or {}):
            raise ValueError(f"'{document.path(keys)}' has no '{part}'{did_you_mean(part, holder or {})}")
        else:
            keys = (*keys, part)
    return keys
