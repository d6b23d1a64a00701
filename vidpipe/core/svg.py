"""Drawings of Matplotlib as parts of a page."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure


def svg(figure: Figure, key: str) -> Markup:
    """The drawing as part of a page: text stays text, nothing points elsewhere, names are unique within the page."""
    import matplotlib
    from markupsafe import Markup

    file = io.StringIO()
    plain: Any = {"svg.fonttype": "none", "svg.hashsalt": key, "font.family": "sans-serif", "font.size": 10}
    with matplotlib.rc_context(plain):
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    drawn = file.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r' xmlns(:xlink)?="[^"]*"', "", drawn)
    drawn = re.sub(r'(?<= )(width|height)="[\d.]+pt"', "", drawn, count=2)
    drawn = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{key}-", drawn)
    return Markup(drawn)
