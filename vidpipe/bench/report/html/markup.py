"""HTML put together so that no text can become markup: what is not `Markup` is escaped."""

from __future__ import annotations

from html import escape

_VOID = frozenset({"br", "col", "img", "meta"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | None
"""What may stand in an element: text, `Markup`, or nothing."""


def tag(name: str, /, *children: Child, **attributes: str | float | None) -> Markup:
    """An element of HTML or SVG.

    Args:
        attributes: `cls` is class, `_` in a name is `-`; floats are written to a hundredth, None leaves it out.
    """
    parts = [f"<{name}"]
    for key, value in attributes.items():
        if value is not None:
            spelt = "class" if key == "cls" else key.replace("_", "-")
            parts.append(f' {spelt}="{escape(value if isinstance(value, str) else brief(value))}"')
    parts.append(">")
    if name in _VOID:
        return Markup("".join(parts))
    return Markup("".join((*parts, join(*children), f"</{name}>")))


def join(*children: Child) -> Markup:
    """One after the other."""
    return Markup("".join(child if isinstance(child, Markup) else escape(child) for child in children if child))


def brief(value: float) -> str:
    """As short as a hundredth of a pixel allows."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def table(head: list[Child], rows: list[list[Child]], *, cls: str | None = None, caption: str | None = None) -> Markup:
    """A table whose first column is text and whose others are figures; on small screens it scrolls by itself."""
    body = [tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:])) for row in rows]
    made = tag(
        "table",
        tag("caption", caption) if caption else None,
        tag("thead", tag("tr", *(tag("th", cell, scope="col") for cell in head))),
        tag("tbody", *body),
        cls=cls,
    )
    return tag("div", made, cls="scroll")
