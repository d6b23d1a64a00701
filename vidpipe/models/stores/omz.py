"""Models of the Open Model Zoo by name: `omz:person-vehicle-bike-detection-2003`, at pinned addresses and hashes.

A file of the model's name that lies where models are looked for is taken as it is; otherwise the model is fetched once.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from vidpipe.core.errors import ModelError
from vidpipe.core.nearest import nearest
from vidpipe.models import cache
from vidpipe.models.stores.download import MissingError, UnreachableError, download

PREFIX = "omz:"
_STORE = "https://storage.openvinotoolkit.org/repositories/open_model_zoo"
# The zoo publishes a name anew with some releases of OpenVINO; the hashes say which files are meant.
_RELEASES = ("2022.3/models_bin/1", "2023.0/models_bin/1")
_PRECISION = "FP16"


class _Pinned(NamedTuple):
    """SHA-256 of the two files of a model, in the precision FP16."""

    xml: str
    bin: str


_MODELS = {
    "person-vehicle-bike-detection-2000": _Pinned(
        "6ad90c755fa3506e5d58a9f3f85c41994064bcf220b66c20d2996165ea6c6509",
        "f20d648ac608e84b249d8ff36a897478f7142b5bdaa7b4b768cda0d5e4add3ec",
    ),
    "person-vehicle-bike-detection-2001": _Pinned(
        "cadf98ec9003676fcc7021d790571a88fe4e7dd317a9af85cda6478db8aca0e3",
        "e2036fdb89f72b562bb02644310a227ad85e182a0d29a6f15a42b377fd3c2d99",
    ),
    "person-vehicle-bike-detection-2002": _Pinned(
        "ddc0b2af817f0163ed944512b4261dad0b8a77fa6ca7866aa030b134f95fae41",
        "2899097a995554b7f5b95a3722623f1aecc14adf275beb043e5b27d722ab1b72",
    ),
    "person-vehicle-bike-detection-2003": _Pinned(
        "2dd003f80c754af3d84d6861896d45dce35af93ec78b0904cd3f644b0bbcae62",
        "b9f976542cb100f3968acadd3d031918abf1b6006110bf1e40ddbd3291656bd1",
    ),
}


def names() -> tuple[str, ...]:
    """Of the models that can be had."""
    return tuple(_MODELS)


def name_of(source: str) -> str:
    """The model's name in `omz:NAME`.

    Raises:
        ModelError: its files are not pinned here; names the nearest that are.
    """
    name = source.removeprefix(PREFIX)
    if name not in _MODELS:
        near = nearest(name, _MODELS) or list(_MODELS)
        raise ModelError(f"model {source}: vidpipe knows no such model of the zoo; nearest: {', '.join(near)}")
    return name


def fetch(name: str) -> Path:
    """The .xml of a model, from the cache or downloaded now with the .bin beside it.

    Raises:
        ModelError: it cannot be reached, is not what was pinned, or the download breaks off.
    """
    folder = cache.fetched_dir()
    # The .xml comes last: where it lies, the model is whole.
    for suffix, sha256 in ((".bin", _MODELS[name].bin), (".xml", _MODELS[name].xml)):
        _fetch(name, folder / f"{name}{suffix}", sha256)
    return folder / f"{name}.xml"


def _fetch(name: str, target: Path, sha256: str) -> None:
    if target.is_file():
        return None
    refused: list[Exception] = []
    for release in _RELEASES:
        address = f"{_STORE}/{release}/{name}/{_PRECISION}/{target.name}"
        try:
            return download(f"model {name}", address, target, sha256)
        except (MissingError, ModelError) as error:
            refused.append(error)
        except UnreachableError as error:
            refused.append(error)
            break  # the other releases lie with the same server
    for refusal in refused:
        if isinstance(refusal, ModelError):
            raise refusal
    raise ModelError(
        f"model {name}: not on this machine, and {refused[0]}: "
        f"fetch {name}.xml and {name}.bin elsewhere and put both into {target.parent}"
    )
