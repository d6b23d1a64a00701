"""`make bench`: the promises and a bench of every real clip, written to docs/benchmarks.md.

`python -m benchmarks promises [KIND ...]` only prints the former; kinds are in promises.py.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.benches import benches
from benchmarks.document import document
from benchmarks.promises import promises

PAGE = Path("docs/benchmarks.md")
REPORTS = Path("bench-output")


def main() -> None:
    only_promises = sys.argv[1:2] == ["promises"]
    kept = []
    with TemporaryDirectory() as folder:
        for promise in promises(sys.argv[2:] if only_promises else (), Path(folder)):
            print(f"{promise.what:62} {promise.figure:24} {promise.target}", flush=True)  # noqa: T201
            kept.append(promise)
    if not only_promises:
        PAGE.write_text(document(kept, list(benches(REPORTS))))
        print(f"written: {PAGE}; reports: {REPORTS}/*/bench.html")  # noqa: T201


if __name__ == "__main__":
    main()
