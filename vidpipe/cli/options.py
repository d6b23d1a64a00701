"""Options that several commands have, or that name their choices."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class EngineName(StrEnum):
    RAY = "ray"
    INLINE = "inline"


class WantName(StrEnum):
    BOXES = "boxes"
    PRESENCE = "presence"
    COUNT = "count"


class SearchName(StrEnum):
    BUILT_IN = "built-in"
    OPTUNA = "optuna"


class Transport(StrEnum):
    AUTO = "auto"
    TCP = "tcp"
    UDP = "udp"


PipelineArgument = Annotated[str, typer.Argument(help="A pipeline file, or the name of one in pipelines/.")]
PipelinesArgument = Annotated[
    list[str],
    typer.Argument(
        help="A pipeline file, or the name of one in pipelines/. Several are queries on the same streams.",
    ),
]
OptionalPipelineArgument = Annotated[
    str | None,
    typer.Argument(
        help="A pipeline file, or the name of one. Default: the rules that the run had.", show_default=False
    ),
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Streams, links and settings of this place.", show_default=False)
]
SourceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--source",
        metavar="[NAME=]URL_OR_PATH",
        help="A file, a folder or a pattern of files, or a camera. May be given several times.",
        show_default=False,
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a setting: stages.detect.accept=0.4", show_default=False),
]
EngineOption = Annotated[
    EngineName | None,
    typer.Option(
        help="Ray actors, or threads of this process. Default: ray, where it is installed.", show_default=False
    ),
]
InProcessOption = Annotated[EngineName, typer.Option(help="Ray actors, or threads of this process.")]
AppendOption = Annotated[
    bool, typer.Option("--append", help="Go on behind what --results and --events have from earlier runs.")
]
OverwriteOption = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Write over it. Default: ask at a terminal, else it goes on as FILE.1, FILE.2, ..."
    ),
]
RotateOption = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE|day",
        help="Begin new files of these at a size, as 100MB, each day, or both: 100MB,day.",
        show_default=False,
    ),
]
EventsOption = Annotated[
    Path | None,
    typer.Option(
        "--events", metavar="FILE.jsonl", help="What rules and transforms tell; - is stdout.", show_default=False
    ),
]
MediaOption = Annotated[
    Path | None,
    typer.Option("--media", metavar="DIR", help="Pictures and clips of events, there.", show_default=False),
]
MetricsOption = Annotated[
    str | None,
    typer.Option(
        metavar="[ADDRESS:]PORT",
        help="Serve Prometheus metrics there; without an address to this machine only.",
        show_default=False,
    ),
]
ServeOption = Annotated[
    str | None,
    typer.Option(
        "--serve",
        metavar="[ADDRESS:]PORT",
        help="Serve a page to look at it there; without an address to this machine only.",
        show_default=False,
    ),
]
ResultsOption = Annotated[
    Path, typer.Option("--results", metavar="FILE.jsonl", help="What a run has answered.", show_default=False)
]
AgainstOption = Annotated[
    Path | None,
    typer.Option("--against", metavar="EVENTS.jsonl", help="Earlier events: say what differs.", show_default=False),
]
ProfilesOption = Annotated[
    Path | None,
    typer.Option(
        "--profiles",
        metavar="DIR",
        help="Of what `specialize` has learnt. Default: ~/.local/share/vidpipe/profiles.",
        show_default=False,
    ),
]
FloorOption = Annotated[
    float | None,
    typer.Option(help="Accuracy asked of streams that name none: F1 against the last stage.", show_default=False),
]
WantOption = Annotated[
    WantName | None, typer.Option(help="What it is of, the same. Default: boxes.", show_default=False)
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="Where profiles go. Default: where `run` looks for them.", show_default=False
    ),
]
TrialsOption = Annotated[
    int | None,
    typer.Option("--trials-count", min=1, help="How many Optuna tries. Default: 60.", show_default=False),
]
BudgetOption = Annotated[
    str | None,
    typer.Option(
        metavar="cpu=N,mbps=N,latency_ms=N",
        help="What all streams together may take, one or several; they get the most accuracy that it buys.",
        show_default=False,
    ),
]
NodesOption = Annotated[
    Path | None,
    typer.Option(
        "--nodes", metavar="FILE.yaml", help="The machines and what joins them. Default: this one.", show_default=False
    ),
]
MbpsOption = Annotated[
    list[str] | None,
    typer.Option("--mbps", metavar="LINK=N", help="Megabits a second between tiers: edge-cloud=5.", show_default=False),
]
NameOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="That `vidpipe status|stop|apply` reaches it by.", show_default=False),
]
DetachOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Go on in the background under this name.", show_default=False),
]
TracesOption = Annotated[
    float,
    typer.Option(
        metavar="SHARE",
        min=0,
        max=1,
        help="Trace so many of the frames, 0 to 1, by OpenTelemetry: to where OTEL_EXPORTER_OTLP_ENDPOINT says.",
        show_default=False,
    ),
]
AddressOption = Annotated[
    str | None, typer.Option(help="Of a Ray to join, in place of one of our own.", show_default=False)
]
