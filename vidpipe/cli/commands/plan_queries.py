"""`vidpipe plan` with several pipelines: what they share on the same streams, and what that saves."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from vidpipe.cli.commands.plan import PlanOptions
from vidpipe.cli.commands.queries import names_of
from vidpipe.cli.profiles import with_profiles
from vidpipe.cli.terminal.rows import print_json
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.queries import SharedNetwork, SharedStream, shared_networks, shared_streams
from vidpipe.pipeline.yaml.load import load
from vidpipe.sources.open import expand


def show_shared(options: PlanOptions, pipelines: Sequence[str]) -> None:
    """Print it; raises ConfigError as `check` would say, and where more is asked than is known of several."""
    if options.nodes or options.mbps or options.cameras or options.how_many or options.measure or options.auto:
        raise ConfigError("what it takes is planned for one pipeline at a time: name one of them")
    console = Console(highlight=False, soft_wrap=True, quiet=options.json)
    sources = expand(*options.sources)
    loaded = {
        query: with_profiles(load(file, config=options.config, sources=sources, sets=options.sets), options.profiles)
        for query, file in names_of(pipelines).items()
    }
    streams, networks = shared_streams(loaded), shared_networks(loaded)
    if options.json:
        told = [{"stream": each.stream, "queries": list(each.queries), "apart": each.apart} for each in streams]
        asked = [{"network": each.network, "models": dict(each.models)} for each in networks]
        print_json([{"streams": told, "networks": asked}])
        return
    console.print(_streams(streams))
    console.print(_networks(networks))
    for each in streams:
        if each.apart:
            who = ", ".join(each.queries)
            console.print(f"{who}: {each.stream} is read by itself, as its {each.apart} differs", markup=False)
    if streams:
        alone = sum(len(each.queries) for each in streams)
        console.print(f"connections and decodings: {len(streams)} in place of {alone}")


def _streams(streams: Sequence[SharedStream]) -> Table:
    table = _table("streams", "stream", "queries", "decoded")
    for each in streams:
        table.add_row(each.stream, ", ".join(each.queries), f"once for {len(each.queries)}")
    return table


def _networks(networks: Sequence[SharedNetwork]) -> Table:
    table = _table("networks", "network", "models", "looks at a picture")
    for each in networks:
        named = ", ".join(f"{query}: {model}" for query, model in each.models.items())
        table.add_row(each.network, named, "1" if len(each.models) == 1 else f"1 in place of up to {len(each.models)}")
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")  # cut off, the names of two networks may look the same
    return table
