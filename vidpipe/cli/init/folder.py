"""What `vidpipe init` writes: a pipeline, a configuration, and the addresses, for their owner alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vidpipe.cli.init.camera import Camera, is_kept_elsewhere
from vidpipe.core.errors import ConfigError
from vidpipe.core.files import make_folder, write_whole
from vidpipe.pipeline.yaml.load import shipped

_HEAD = """\
# The cameras of this place, for: vidpipe run {pipeline} --config {config}
# Their addresses hold passwords: they lie in files of their own, which nobody but you may read.
# docs/cameras.md says what else a stream may have: masks, zones, lines.
streams:
"""


@dataclass(frozen=True, slots=True)
class Files:
    """Where everything goes.

    Attributes:
        secrets: a file for each address.
    """

    pipeline: Path
    config: Path
    secrets: Path

    @classmethod
    def of(cls, folder: Path) -> Files:
        """Those of a folder; raises ConfigError where there is something already."""
        files = cls(folder / "pipeline.yaml", folder / "cameras.yaml", folder / "secrets")
        for path in (files.pipeline, files.config, files.secrets):
            if path.exists():
                raise ConfigError(f"{path} is there already: give another folder with --out, or remove it")
        return files


def write(files: Files, cameras: Sequence[Camera], pipeline: str) -> None:
    """Write all of it.

    Args:
        pipeline: the name of one that comes with vidpipe, to begin with.

    Raises:
        ConfigError: there is no such pipeline, or the folder cannot be made.
        RunError: a file cannot be written.
    """
    begun = shipped() / f"{pipeline}.yaml"
    if not begun.is_file():
        names = ", ".join(sorted(path.stem for path in shipped().glob("*.yaml")))
        raise ConfigError(f"no pipeline {pipeline} comes with vidpipe; there are {names}")
    make_folder(files.pipeline.parent)
    write_whole(files.pipeline, begun.read_text(), "pipeline")
    text = _HEAD.format(pipeline=files.pipeline, config=files.config)
    for camera in cameras:
        text += f"  {camera.name}:\n    url: {_kept(files, f'{camera.name}.url', camera.url)}\n"
        if camera.record_url is not None:
            text += f"    record_url: {_kept(files, f'{camera.name}.record_url', camera.record_url)}\n"
    write_whole(files.config, text, "configuration")


def _kept(files: Files, name: str, url: str) -> str:
    """How the configuration refers to an address, once that is kept."""
    if is_kept_elsewhere(url):
        return json.dumps(url)
    make_folder(files.secrets)
    files.secrets.chmod(0o700)
    path = files.secrets.absolute() / name
    write_whole(path, url, "address", private=True)
    return json.dumps(f"${{file:{path}}}")
