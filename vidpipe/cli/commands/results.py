"""`vidpipe results`: what a run has answered, in the form of other programs."""

from __future__ import annotations

from pathlib import Path

from vidpipe.core.errors import ConfigError
from vidpipe.results.parquet import export_parquet
from vidpipe.results.recorded import RecordedResults


def run_results(results: Path, to: str, out: Path | None) -> str:
    """Write results in another form, in place of what the file holds; what came of it, in a line.

    Args:
        to: the form: parquet.
        out: default: the file of results with the ending of that form.

    Raises:
        ConfigError, RunError: as of `export_parquet`; or there is no such form; or it would replace the results.
    """
    if to != "parquet":
        raise ConfigError(f"--to {to}: there is no such form; there is parquet")
    out = results.with_suffix(".parquet") if out is None else out
    if out.exists() and results.exists() and out.samefile(results):
        raise ConfigError(f"--out {out} is the file of results itself; write to another one")
    exported = export_parquet(RecordedResults(results), out)
    return f"{out}: {exported.boxes} boxes of {exported.results} results"
