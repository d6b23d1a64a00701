"""What `--source` names, as streams."""

from __future__ import annotations

from collections.abc import Sequence

from vidpipe.errors import ConfigError


def expand_all(arguments: Sequence[str]) -> dict[str, str]:
    """Every stream that the arguments name, with its file or address.

    Raises:
        SourceError: an argument names nothing that can be read.
        ConfigError: two of them have the same name.
    """
    from vidpipe.sources.open import expand

    streams: dict[str, str] = {}
    for argument in arguments:
        for name, url in expand(argument).items():
            if name in streams:
                raise ConfigError(f"two sources are called {name}: name one of them with --source NAME=...")
            streams[name] = url
    return streams
