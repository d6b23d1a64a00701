"""What several pipelines on the same streams share, and what keeps them from more; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vidpipe.core.names import references
from vidpipe.pipeline.spec import Pipeline
from vidpipe.sources.reading import difference


@dataclass(frozen=True, slots=True)
class SharedStream:
    """Queries that take the same pictures of a stream: one connection and one decoding.

    Attributes:
        apart: which settings keep them from sharing with the queries before; "" of the first ones.
    """

    stream: str
    queries: tuple[str, ...]
    apart: str = ""


@dataclass(frozen=True, slots=True)
class SharedNetwork:
    """Queries that ask one network: a look at a picture that several of them ask for is made once.

    Attributes:
        network: as people know it: its file or name, with size and precision where they are chosen.
        models: what each query calls it.
    """

    network: str
    models: Mapping[str, str]


def shared_streams(pipelines: Mapping[str, Pipeline]) -> list[SharedStream]:
    """All streams, with who shares the pictures of each."""
    found = []
    for stream in dict.fromkeys(name for pipeline in pipelines.values() for name in pipeline.streams):
        users = {query: each.streams[stream].spec for query, each in pipelines.items() if stream in each.streams}
        groups: list[list[str]] = []
        for query, spec in users.items():
            same = next((group for group in groups if not difference(users[group[0]], spec)), None)
            if same is None:
                groups.append([query])
            else:
                same.append(query)
        first = groups[0][0]
        found += [SharedStream(stream, tuple(group), difference(users[first], users[group[0]])) for group in groups]
    return found


def shared_networks(pipelines: Mapping[str, Pipeline]) -> list[SharedNetwork]:
    """All networks that stages ask, with the queries of each."""
    found: dict[tuple[Any, ...], dict[str, str]] = {}
    for query, pipeline in pipelines.items():
        for stage in pipeline.stages:
            for _, name in references(stage.config, "model"):
                model, asked = pipeline.models.get(name), stage.config
                if model is None:
                    continue
                size = getattr(asked, "size", None) or model.size
                precision = getattr(asked, "precision", None) or model.precision
                network = model.path, model.runtime, size, precision, model.calibrated
                found.setdefault(network, {})[query] = name
    return [SharedNetwork(_shown(*network), models) for network, models in found.items()]


def _shown(path: str, runtime: str | None, size: object, precision: str, calibrated: str | None) -> str:
    chosen = [str(each) for each in (size, None if precision == "auto" else precision, runtime) if each is not None]
    return "@".join([path.rpartition("/")[2], *chosen])
