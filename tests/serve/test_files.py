"""The files of the page: each comes as what it is, a browser that has it is told so, and no other file comes."""

from __future__ import annotations

from vidpipe.serve.files import STATIC


def test_each_file_comes_once(serve):
    browser = serve().browser
    for path in STATIC.iterdir():
        first = browser.get(f"/static/{path.name}")
        assert (first.status, first.body) == (200, path.read_bytes()), path
        assert ("javascript" in first.headers["content-type"]) == (path.suffix == ".js")
        again = browser.get(f"/static/{path.name}", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status, again.body) == (304, b"")
    assert b"".join(browser.get("/").body.split()).startswith(b"<!doctypehtml>")


def test_every_module_is_loaded_at_once():
    """What a module names that the first page does not is asked for only when that has come: a round trip more."""
    page = (STATIC / "index.html").read_text()
    for path in STATIC.glob("*.js"):
        assert f"/static/{path.name}" in page, path.name
