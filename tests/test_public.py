"""The names that users may import from `vidpipe`: one list, complete, sorted, documented."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

import pytest

import vidpipe

ROOT = Path(__file__).parents[1]


def test_the_list_is_sorted_and_says_where_each_name_is_from():
    assert vidpipe.__all__ == sorted(set(vidpipe.__all__))
    assert set(dir(vidpipe)) == {*vidpipe.__all__, "__version__"}
    for name in vidpipe.__all__:
        assert getattr(vidpipe, name) is not None


def test_type_checkers_see_the_same_names():
    (tree,) = [node for node in ast.parse(Path(vidpipe.__file__).read_text()).body if isinstance(node, ast.If)]
    seen = [alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(seen) == vidpipe.__all__


def test_what_is_not_there_is_said():
    with pytest.raises(AttributeError, match="has no attribute 'Ran'"):
        vidpipe.Ran  # noqa: B018


def test_each_name_is_documented():
    for name in vidpipe.__all__:
        doc = getattr(vidpipe, name).__doc__
        if name not in ("ClassName", "ModelName", "Polygon"):  # types of settings
            assert doc, name
            assert not doc.startswith(f"{name}("), f"{name} has no docstring of its own"


def test_the_page_is_up_to_date():
    spec = importlib.util.spec_from_file_location("make_api", ROOT / "docs" / "make_api.py")
    make_api = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_api)
    assert make_api.PAGE.read_text(encoding="utf-8") == make_api.page(), "run: python docs/make_api.py"


def test_samples_and_docs_use_public_names_only():
    """What a reader copies must not break with the next release."""
    private = re.compile(r"^\s*from vidpipe\.(?!testing)(\w[\w.]*) import", re.MULTILINE)
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("samples/**/*.py")]
    found = {page.name: private.findall(page.read_text(encoding="utf-8")) for page in pages if page.name != "api.md"}
    assert {page: names for page, names in found.items() if names} == {}
