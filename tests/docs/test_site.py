"""The site can be built, has every page, and is built of nothing that lies elsewhere."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def make_site():
    spec = importlib.util.spec_from_file_location("make_site", ROOT / "docs" / "make_site.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def named(nav: list[dict[str, Any]]) -> list[str]:
    """The pages of a navigation, in order."""
    pages = []
    for entry in nav:
        for to in entry.values():
            pages += [to] if isinstance(to, str) else named(to)
    return pages


@pytest.mark.long
def test_the_site(make_site, tmp_path):
    """No link of any page leads nowhere, and to be read it needs nothing from elsewhere."""
    site = make_site.build(tmp_path)
    assert "What do you save" in (site / "index.html").read_text()
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        assert not re.findall(r'(?:src|<link[^>]*href)="(?:https?:)?//[^"]*', page.read_text()), page


@pytest.mark.parametrize("link", ["missing.md", "docs/cli.md#vidpipe-fly"])
def test_a_link_that_leads_nowhere(make_site, tmp_path, monkeypatch, link, capfd):
    root = tmp_path / "root"
    for name in make_site.PAGES:
        if "." not in name and name != "LICENSE":
            (root / name).mkdir(parents=True)
    (root / "LICENSE").touch()
    (root / "docs" / "cli.md").write_text("# The command line\n")
    (root / "README.md").write_text(f"# vidpipe\n\n[there]({link}) or [here](docs/cli.md)\n")
    (root / "zensical.toml").write_text('[project]\nsite_name = "x"\ndocs_dir = "pages"\nsite_dir = "site"\n')
    monkeypatch.setattr(make_site, "ROOT", root)
    with pytest.raises(subprocess.CalledProcessError):
        make_site.build(tmp_path / "built")
    assert "does not exist" in capfd.readouterr().err


def test_every_page_is_in_the_navigation():
    nav = named(tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"])
    there = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("samples/*/README.md")]
    assert sorted(nav) == sorted(str(page.relative_to(ROOT)) for page in there)
