"""Builds the site of the documentation: `python docs/make_site.py [FOLDER]`; open FOLDER/site/index.html.

Pages link to samples and configurations beside them, so these are on the site too, at the same relative places. A page
or a heading that a link names and that is not there ends the build.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "LICENSE", "docs", "samples", "pipelines", "configs", "deploy")


def build(folder: Path) -> Path:
    """Build it there, from copies; the folder of the site. Raises CalledProcessError where a link leads nowhere."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in PAGES:
        source, copy = ROOT / name, folder / "pages" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("output", "__pycache__", "make_*.py"))
        else:
            shutil.copy(source, copy)
    shutil.copy(ROOT / "zensical.toml", folder)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", str(folder / "zensical.toml")]
    subprocess.run(command, check=True)
    return folder / "site"


if __name__ == "__main__":
    try:
        site = build(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "docs")
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
    print(site / "index.html")  # noqa: T201
