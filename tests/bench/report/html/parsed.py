"""A page taken apart, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"br", "col", "img", "meta"}


@dataclass
class Element:
    name: str
    attributes: dict[str, str]
    children: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    @property
    def classes(self) -> list[str]:
        return self.attributes.get("class", "").split()

    def all(self, name: str, cls: str | None = None) -> Iterator[Element]:
        """Descendants of a name and class, in order."""
        for child in self.children:
            if isinstance(child, Element):
                if child.name == name and (cls is None or cls in child.classes):
                    yield child
                yield from child.all(name, cls)

    def one(self, name: str, cls: str | None = None) -> Element:
        (found,) = self.all(name, cls)
        return found

    def number(self, attribute: str) -> float:
        return float(self.attributes[attribute])


def parse(page: str) -> Element:
    """The root of a page; fails where an element is not closed, or another one is."""
    parser = _Parser()
    parser.feed(page)
    parser.close()
    assert parser.open == [parser.root], f"not closed: {[element.name for element in parser.open]}"
    return parser.root


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in _VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].name == tag, f"</{tag}> closes <{self.open[-1].name}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)
