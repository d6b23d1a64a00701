"""Writes docs/http-api.md from the OpenAPI description of the page: `python docs/make_http_api.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vidpipe.serve.app import make_app
from vidpipe.serve.site import Site
from vidpipe.serve.users import Users

PAGE = Path(__file__).with_name("http-api.md")
HEAD = """# The HTTP interface

Made from the OpenAPI description by `python docs/make_http_api.py`. A page that is served has the description itself,
for programs, at `/api/openapi.json`. [page.md](page.md#for-programs) says how to serve one, and how a program signs in.

"""


def page() -> str:
    """The whole page."""
    api = make_app(Site({}, None, (), Users(Path("nobody.json")))).openapi()
    schemas = api.get("components", {}).get("schemas", {})
    requests = [(method, path, told) for path, by in api["paths"].items() for method, told in by.items()]
    sections = dict.fromkeys(told["tags"][0] for _, _, told in requests)
    parts = [HEAD + api["info"]["description"] + "\n"]
    for section in sections:
        parts.append(f"## {section.capitalize()}\n")
        for method, path, told in requests:
            if told["tags"][0] == section:
                parts.append(f"### {method.upper()} {path}\n")
                parts.append("\n".join(_request(told, schemas)) + "\n")
    return "\n".join(parts)


def _request(told: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    yield told["description"]
    given = [(each["name"], each["schema"], each["required"], each) for each in told.get("parameters", ())]
    body = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if "$ref" in body:
        fields = schemas[body["$ref"].rsplit("/", 1)[1]]
        needed = fields.get("required", ())
        given += [(name, field, name in needed, field) for name, field in fields["properties"].items()]
    if given:
        yield f"\n| {'field of the JSON' if body else 'parameter'} | type | | meaning |\n|---|---|---|---|"
    for name, schema, required, about in given:
        need = "required" if required else _default(schema)
        yield f"| `{name}` | {_type(schema, schemas)} | {need} | {about.get('description', '')} |"
    kinds = told["responses"]["200"].get("content", {})
    if kinds and "application/json" not in kinds:
        yield f"\nThe answer is `{next(iter(kinds))}`."


def _default(schema: Mapping[str, Any]) -> str:
    return "" if schema.get("default") in (None, "") else f"default: `{schema['default']}`"


def _type(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        fields = schemas[schema["$ref"].rsplit("/", 1)[1]]
        names = ", ".join(f"`{name}`" for name in fields.get("properties", ()))
        return f"object: {names}" if names else _type(fields, schemas)
    if "anyOf" in schema:
        return " or ".join(_type(kind, schemas) for kind in schema["anyOf"] if kind.get("type") != "null")
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array" and "items" in schema:
        return f"list of {_type(schema['items'], schemas)}"
    return str(schema.get("type", "any"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
