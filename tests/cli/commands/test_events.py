"""`vidpipe run --store`, and what `vidpipe events` and `vidpipe counts` say of the store."""

from __future__ import annotations

import csv
import io
import json
import time

import pytest

from tests.cli.commands.conftest import THIRDS
from tests.results.store.told import PROVENANCE, event, result
from vidpipe.core.event import Phase
from vidpipe.results.store.queries import Store
from vidpipe.results.store.sink import StoreConfig, StoreSink


@pytest.fixture
def store(shell):
    """s.db: an hour ago somebody crosses a line and two enter a zone, of whom one has left; a car is there all day."""
    now = time.time()
    store = StoreSink(StoreConfig(path=str(shell.folder / "s.db")))
    store.begin(PROVENANCE)

    def at(seq, kind, ago_s, **data):
        told = event(seq, kind, **data)
        return type(told)(
            kind, told.stream, seq, told.pts, now - ago_s, told.rule, told.id, phase=told.phase, data=told.data
        )

    store.tell([
        at(0, "car", 40_000, zone="lot", **{"class": "vehicle"}),
        at(1, "line.cross", 3700, line="gate", direction="in", **{"class": "person"}),
        at(2, "zone.stay", 3500, id="one", zone="door", **{"class": "person"}),
        at(3, "zone.stay", 3400, id="two", zone="door", **{"class": "person"}),
        at(9, "zone.stay", 3300, id="one", zone="door", phase=Phase.END),
    ])  # fmt: skip
    store.write(
        [result(number, "person", "person")._replace(captured_at=now - 3000 + number) for number in range(3)], 0.0
    )
    store.close()
    return shell


ROWS = [
    ((), ["car", "line.cross", "zone.stay", "zone.stay"]),
    (("--since", "1h"), ["zone.stay", "zone.stay"]),
    (("--until", "1h"), ["car", "line.cross"]),
    (("--since", "2h", "--until", "1h"), ["line.cross"]),
    (("--class", "person"), ["line.cross", "zone.stay", "zone.stay"]),
    (("--zone", "lot"), ["car"]),
    (("--line", "gate"), ["line.cross"]),
    (("--kind", "zone.*"), ["zone.stay", "zone.stay"]),
    (("--kind", "zone.stay", "--unended"), ["zone.stay"]),
    (("--stream", "gate", "--rule", "yard", "--newest", "1"), ["zone.stay"]),
    (("--stream", "nowhere"), []),
]


@pytest.mark.parametrize(("options", "kinds"), ROWS)
def test_which_events_are_shown(store, options, kinds):
    said = store.vidpipe("events", "--store", "s.db", "--json", *options)
    assert said.status == 0
    assert [json.loads(line)["kind"] for line in said.out.splitlines()] == kinds


def test_a_table_leaves_out_what_nothing_says(store):
    out = store.vidpipe("events", "--store", "s.db").out.splitlines()
    assert out[0].split() == ["time", "stream", "kind", "zone", "line", "direction", "class", "lasted", "severity"]
    assert [line.split()[3] for line in out[1:]] == ["car", "line.cross", "zone.stay", "zone.stay"]
    assert "200.0 s" in out[3]
    assert "not ended" in out[4]
    few = store.vidpipe("events", "--store", "s.db", "--newest", "2")
    assert len(few.out.splitlines()) == 3
    assert few.line == "the newest 2; --newest 0 shows all"
    nothing = store.vidpipe("events", "--store", "s.db", "--zone", "moon")
    assert (nothing.status, nothing.out, nothing.line) == (0, "", "there is nothing of that kind")


def test_csv_is_what_json_says(store):
    rows = list(csv.DictReader(io.StringIO(store.vidpipe("events", "--store", "s.db", "--csv").out)))
    told = [json.loads(line) for line in store.vidpipe("events", "--store", "s.db", "--json").out.splitlines()]
    assert [row["id"] for row in rows] == [each["id"] for each in told]
    assert set(rows[0]) == set(told[0]) - {"schema"}
    assert [row["direction"] for row in rows] == ["", "in", "", ""]


def test_counts_of_classes_and_of_events(store):
    said = store.vidpipe("counts", "--store", "s.db", "--json", "--every", "24h", "--since", "2d")
    assert sum(json.loads(line)["most"] for line in said.out.splitlines()) >= 2
    (row,) = [json.loads(line) for line in store.vidpipe("counts", "--store", "s.db", "--json").out.splitlines()]
    assert (row["stream"], row["class"], row["mean"], row["most"]) == ("gate", "person", 2.0, 2)
    (row,) = [
        json.loads(line)
        for line in store.vidpipe(
            "counts", "--store", "s.db", "--json", "--line", "gate", "--every", "1m"
        ).out.splitlines()
    ]
    assert (row["direction"], row["events"]) == ("in", 1)
    table = store.vidpipe("counts", "--store", "s.db", "--kind", "zone.*").out.splitlines()
    assert table[0].split() == ["time", "stream", "kind", "zone", "class", "events"]


MISTAKES = [
    (("events", "--store", "none.db"), "store none.db: there is none; `vidpipe run --store none.db` makes one"),
    (("events", "--store", "s.db", "--since", "yesterday"), "--since yesterday: must be a time before now such as 90s"),
    (("events", "--store", "s.db", "--json", "--csv"), "--json and --csv: one of them only"),
    (("counts", "--store", "s.db", "--every", "90s"), "--every 90s: must be whole minutes, such as 1m, 15m or 24h"),
    (("counts", "--store", "mystages.py"), "store mystages.py is no SQLite file; take another file"),
]


@pytest.mark.parametrize(("arguments", "said"), MISTAKES)
def test_mistakes(store, arguments, said):
    ended = store.vidpipe(*arguments)
    assert (ended.status, ended.out) == (2, "")
    assert ended.error.startswith(said)


def test_a_date_is_one_of_this_machine(store):
    today = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() - 3600))
    said = store.vidpipe("events", "--store", "s.db", "--json", "--since", today)
    assert len(said.out.splitlines()) == 2


def test_a_run_fills_a_store(shell, good):
    shell.write("thirds.py", THIRDS)
    pipeline = """
classes: {even: even, odd: odd}
stages: [{id: read, type: mystages:Read}]
transforms: [{id: thirds, type: thirds:Thirds}]
"""
    for _ in range(2):
        said = shell.run(pipeline, good, "--store", "s.db")
        assert said.status == 0, said.err
    assert shell.report["sinks"] == {"store s.db": {"stored": 14, "ignored": 0, "lost": 0, "deleted": 0}}
    events = [json.loads(line) for line in shell.vidpipe("events", "--store", "s.db", "--json").out.splitlines()]
    assert sorted(each["seq"] for each in events) == sorted(2 * list(range(0, 40, 3)))
    assert len({each["id"] for each in events}) == 28
    with Store(shell.folder / "s.db") as store:
        first, second = store.runs()
        assert first["positions"] == second["positions"] == {"good": 39}
        assert first["ended"] is not None
        assert second["provenance"] == {
            key: value
            for key, value in json.loads((shell.folder / "results.jsonl").read_text().splitlines()[0]).items()
            if key != "schema"
        }
        rows = {(row["stream"], row["stage"]): row for row in store.stages()}
        assert sum(row["answered"] for row in store.stages(stream="good")) == 80
        assert rows["", "read"]["cpu_s"] > 0


def test_a_sink_in_a_pipeline_is_a_store_too(shell, good):
    pipeline = """
classes: {even: even, odd: odd}
stages: [{id: read, type: mystages:Read}]
sinks: [{type: store, path: kept.db, keep_days: {minutes: 30}}]
"""
    assert shell.run(pipeline, good).status == 0
    with Store(shell.folder / "kept.db") as store:
        assert store.runs()[0]["positions"] == {"good": 39}


REFUSED = [
    ("good.mp4", "good.mp4 are the same file; write to another one"),
    ("pipeline.yaml", "--store pipeline.yaml and pipeline pipeline.yaml are the same file; write to another one"),
    ("results.jsonl", "--store results.jsonl and --results results.jsonl are the same file; write to another one"),
    ("nowhere/s.db", "store nowhere/s.db cannot be written: No such file or directory"),
    ("mystages.py", "stages.read.type"),
    ("text.db", "store text.db is no SQLite file; take another file"),
]


@pytest.mark.parametrize(("path", "said"), REFUSED)
def test_a_store_that_cannot_be_written_is_refused_before_anything_is(shell, good, path, said):
    shell.write("text.db", "no store\n" * 100)
    (shell.folder / "good.mp4").write_bytes(good.read_bytes())
    pipeline = "{classes: {even: even, odd: odd}, stages: [{id: read, type: mystages:Read}]}"
    ended = shell.run(pipeline, "good.mp4", "--store", path)
    assert ended.status == 2
    assert said in ended.line


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("keep_days: {alert: 3}", "keep_days"),
        ("keep_days: {alerts: 0}", "must be more than 0, not 0"),
        ("max_mb: none", "must be a number, not 'none'"),
    ],
)
def test_settings_are_checked(shell, good, field, said):
    sinks = f"sinks: [{{type: store, {field}}}]"
    pipeline = f"classes: {{even: even, odd: odd}}\nstages: [{{id: read, type: mystages:Read}}]\n{sinks}\n"
    shell.write("pipeline.yaml", pipeline)
    ended = shell.vidpipe("check", "pipeline.yaml")
    assert ended.status == 2
    assert said in ended.err + ended.out
