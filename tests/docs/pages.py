"""What the README and the pages of docs/ tell a reader to type: their commands and snippets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
MADE = {"api.md", "cli.md", "http-api.md", "metrics.md"}  # made from the code, and held against it
PAGES = sorted(page for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")] if page.name not in MADE)
TASKS = [ROOT / "README.md", *sorted(ROOT.glob("docs/tasks/*.md"))]

_FENCE = re.compile(r"^```([\w-]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^    ((?:vidpipe|python3?|make|pip|ray|curl|kubectl|docker|samples/\S+) .*)$", re.MULTILINE)


@dataclass(frozen=True)
class Snippet:
    """A fenced block: its language, text, and the file that its first line names."""

    page: Path
    language: str
    text: str

    @property
    def file(self) -> str | None:
        """That of a first line such as `# dark.py`."""
        named = re.match(r"# ([\w./-]+\.\w+)\b", self.text)
        return named[1] if named else None


def name(page: Path) -> str:
    """Of a page, for messages and ids."""
    return str(page.relative_to(ROOT))


def snippets(page: Path, *languages: str) -> Iterator[Snippet]:
    """Fenced blocks in these languages."""
    for language, text in _FENCE.findall(page.read_text(encoding="utf-8")):
        if language in languages:
            yield Snippet(page, language, text)


def commands(page: Path) -> Iterator[str]:
    """Command lines, each whole, in order: of blocks in a shell's language, and of indented ones."""
    text = page.read_text(encoding="utf-8")
    inside = [match.span() for match in _FENCE.finditer(text)]
    found = [(match.start(), match[2]) for match in _FENCE.finditer(text) if match[1] in ("sh", "console")]
    whole = re.sub(r" *\\\n +", " ", text)
    found += [
        (text.find(match[1][:40]), match[1])
        for match in _INDENTED.finditer(whole)
        if not any(begin <= text.find(match[1][:40]) < end for begin, end in inside)
    ]
    for _, block in sorted(found):
        lines = block.replace("\\\n", " ").splitlines()
        prompted = any(line.startswith("$ ") for line in lines)  # then the others are what is printed
        for line in lines:
            if line.strip() and not line.startswith("#") and line.startswith("$ " if prompted else ""):
                line = re.sub(r"(?<=\\) +| +(?= -)", " ", line.removeprefix("$ "))
                yield re.split(r" {3,}|  #", line)[0].strip()


def steps(command: str) -> Iterator[str]:
    """The single commands of a line."""
    yield from (part.strip() for part in re.split(r"&&|\|(?=(?:[^']*'[^']*')*[^']*$)", command))


def told_inline(page: Path) -> Iterator[str]:
    """Commands in the middle of a sentence; these may be cut short."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    yield from re.findall(r"`(vidpipe [a-z][^`\n]*)`", text)
