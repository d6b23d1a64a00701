"""Writes docs/api.md from the docstrings of vidpipe's public names: `python docs/make_api.py`."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import vidpipe

PAGE = Path(__file__).with_name("api.md")
HEAD = """# The Python interface

Made from docstrings by `python docs/make_api.py`. The names on this page are public. Everything else in the package is
private and may change at any time, whatever its name looks like.

"""


def page() -> str:
    """The whole page."""
    return HEAD + "\n".join(section for name in vidpipe.__all__ for section in _section(name)) + "\n"


def _section(name: str) -> Iterator[str]:
    thing = getattr(vidpipe, name)
    yield f"## `{name}{_signature(thing)}`\n"
    yield _text(thing) + "\n"
    if isinstance(thing, type) and issubclass(thing, Enum):
        yield "\n".join(f"- `{member.name}` = `{member.value!r}`" for member in thing) + "\n"
    elif isinstance(thing, type) and not issubclass(thing, BaseException):
        for member, value in _members(thing):
            signature = "" if isinstance(value, property) else _signature(value)
            yield f"**`{member}{signature}`**\n"
            yield _text(value) + "\n"


def _members(kind: type) -> Iterator[tuple[str, Any]]:
    """Public methods and properties that the class documents, or one above it that is not public itself."""
    public = {getattr(vidpipe, name) for name in vidpipe.__all__} - {kind}
    own = [each for each in kind.__mro__ if each.__module__.startswith("vidpipe.") and each not in public]
    for name, value in [item for each in own for item in vars(each).items()]:
        shown = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if not name.startswith("_") and (inspect.isfunction(shown) or isinstance(shown, property)) and shown.__doc__:
            yield name, shown


def _signature(thing: Any) -> str:
    if isinstance(thing, type) and issubclass(thing, Enum | BaseException):
        return ""
    try:
        return str(inspect.signature(thing)).replace("'", "")
    except (TypeError, ValueError):
        return ""


def _text(thing: Any) -> str:
    """A docstring as Markdown: its sections become bold words, what is indented below them lists."""
    lines = []
    section = False
    for line in (inspect.getdoc(thing) or "").splitlines():
        if line in ("Args:", "Attributes:", "Returns:", "Raises:"):
            lines += ["", f"*{line[:-1]}*", ""]
            section = True
        elif section and line.startswith("    ") and not line.startswith("     ") and ":" in line:
            name, _, rest = line.strip().partition(":")
            lines.append(f"- `{name}`:{rest}")
        elif section and line.startswith("    "):
            lines.append("  " + line.strip())
        else:
            section = False if line.strip() else section
            lines.append(line)
    return textwrap.dedent("\n".join(lines)).strip()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
