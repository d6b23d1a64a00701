"""Results as an Apache Parquet file: a row for each box, and one without a box for a result that has none.

So no result is lost, and one file answers both what was seen and how often anybody looked: rows in which `box` is null
are results without boxes.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vidpipe.core.errors import ConfigError, RunError
from vidpipe.core.extras import how_to_install
from vidpipe.core.files import check_writable
from vidpipe.results.recorded import RecordedResults
from vidpipe.results.replay import seen_of
from vidpipe.transforms.rules.seen import Ages

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 50_000  # in a row group: what is in memory at a time, some 20 MB

_OF_RESULT = (
    *(("stream", "name"), ("seq", "int64"), ("pts", "float64"), ("captured_at", "utc"), ("published_at", "utc")),
    *(("how", "name"), ("by", "name"), ("model", "name"), ("as_of", "int64"), ("age_s", "float64"), ("epoch", "int64")),
    *(("width", "int32"), ("height", "int32"), ("run", "name")),
)
_OF_BOX = (
    *(("box", "int32"), ("class", "name"), ("score", "float64"), ("track_id", "int64"), ("identity", "int64")),
    *(("left", "float64"), ("top", "float64"), ("right", "float64"), ("bottom", "float64")),
)
COLUMNS = tuple(name for name, _ in (*_OF_RESULT, *_OF_BOX))
"""Of a row, in order; docs/results.md says what each holds."""


class Exported(NamedTuple):
    """What an export has written."""

    results: int
    boxes: int


def is_installed() -> bool:
    """Whether PyArrow is there."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        return False
    return True


def check_installed() -> None:
    """Raise ConfigError where PyArrow is not there."""
    if not is_installed():
        raise ConfigError(f"results as Parquet take PyArrow: `{how_to_install('parquet')}`")


def export_parquet(results: RecordedResults, out: Path, *, rows: int = ROWS) -> Exported:
    """Write results as Parquet, all of them or nothing: beside the file, which they then replace.

    Args:
        rows: in a row group.

    Raises:
        ConfigError: PyArrow is not installed, the file cannot be written, or a line is not what results are.
        RunError: the disk is full.
    """
    check_installed()
    import pyarrow.parquet as pq

    check_writable(out, "--out", replaced=True)
    schema = _schema(results.head)
    part = out.with_name(f".{out.name}.part")
    counts = [0, 0]
    try:
        with pq.ParquetWriter(part, schema, compression="zstd") as writer:
            group: list[tuple[Any, ...]] = []
            for of_result in _rows(results):
                counts[0] += 1
                counts[1] += of_result[0][len(_OF_RESULT)] is not None and len(of_result)
                group += of_result
                if len(group) >= rows:
                    writer.write_table(_table(group, schema))
                    group.clear()
            if group:
                writer.write_table(_table(group, schema))
        part.replace(out)
    except OSError as error:
        raise RunError(f"--out {out} cannot be written: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)
    return Exported(*counts)


def _rows(results: RecordedResults) -> Iterator[list[tuple[Any, ...]]]:
    """The rows of each result, one at least."""
    ages: defaultdict[str, Ages] = defaultdict(Ages)
    run = results.head.get("start")
    for number, told in results.lines():
        if "schema" in told:
            run = told.get("start")
            ages.clear()
            continue
        try:
            width, height = told["size"] or (None, None)
            age_s = ages[told["stream"]].age_s(seen_of(told))
            result = (
                *(told["stream"], told["seq"], told["pts"], _us(told["captured_at"]), _us(told["published_at"])),
                *(told["how"], told["by"], told.get("model"), told["as_of"], age_s, told["knobs"], width, height),
                run,
            )
            boxes = [(index, *_box(box)) for index, box in enumerate(told["detections"])]
        except (KeyError, TypeError, ValueError) as error:
            raise results.refused(number, error) from None
        yield [(*result, *box) for box in boxes or [(None,) * len(_OF_BOX)]]


def _box(box: Mapping[str, Any]) -> tuple[Any, ...]:
    left, top, right, bottom = map(float, box["xyxy"])
    return box["class"], box["score"], box["track_id"], box.get("identity"), left, top, right, bottom


def _us(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1e6)


def _schema(head: Mapping[str, Any]) -> pa.Schema:
    """The columns, with the first line of the results as metadata."""
    import pyarrow as pa

    types = {
        "name": pa.dictionary(pa.int32(), pa.string()),
        "utc": pa.timestamp("us", tz="UTC"),
        **{name: getattr(pa, name)() for name in ("int32", "int64", "float64")},
    }
    fields = [pa.field(name, types[kind]) for name, kind in (*_OF_RESULT, *_OF_BOX)]
    return pa.schema(fields, metadata={"vidpipe": json.dumps(head)})


def _table(rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    columns = [pa.array(values, field.type) for values, field in zip(zip(*rows, strict=True), schema, strict=True)]
    return pa.Table.from_arrays(columns, schema=schema)
