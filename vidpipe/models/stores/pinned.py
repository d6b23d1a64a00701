"""Models of a publisher by name, `omz:NAME` and `yolox:NAME`, at pinned addresses and hashes.

A file of the model's name that lies where models are looked for is taken as it is; otherwise the model is fetched once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vidpipe.core.errors import ModelError
from vidpipe.core.nearest import nearest
from vidpipe.models import cache
from vidpipe.models.stores.download import MissingError, UnreachableError, download


@dataclass(frozen=True, slots=True)
class Store:
    """Where a publisher's models lie.

    Attributes:
        prefix: with which a user writes a name of this store.
        calls: the store, as errors call it.
        folders: addresses that may have a file, with `{name}` for the model; the first that has the right one is taken.
        suffix: of the file that is read; with `.xml` its `.bin` lies beside it.
        sha256: of the files by the model's name, in the order in which they are fetched: the one that is read last, so
            that where it lies the model is whole.
    """

    prefix: str
    calls: str
    folders: tuple[str, ...]
    suffix: str
    sha256: Mapping[str, Mapping[str, str]]

    def names(self) -> tuple[str, ...]:
        """Of the models that can be had."""
        return tuple(self.sha256)

    def name_of(self, source: str) -> str:
        """The model's name in `PREFIX:NAME`.

        Raises:
            ModelError: its files are not pinned here; names the nearest that are.
        """
        name = source.removeprefix(self.prefix)
        if name not in self.sha256:
            near = nearest(name, self.sha256) or list(self.sha256)
            raise ModelError(f"model {source}: vidpipe knows no such model of {self.calls}; nearest: {', '.join(near)}")
        return name

    def file_of(self, name: str) -> str:
        """Of the file that is read."""
        return f"{name}{self.suffix}"

    def fetch(self, name: str) -> Path:
        """The file that is read, from the cache or downloaded now with what belongs beside it.

        Raises:
            ModelError: it cannot be reached, is not what was pinned, or the download breaks off.
        """
        folder = cache.fetched_dir()
        for suffix, sha256 in self.sha256[name].items():
            self._fetch(name, folder / f"{name}{suffix}", sha256)
        return folder / self.file_of(name)

    def _fetch(self, name: str, target: Path, sha256: str) -> None:
        if target.is_file():
            return None
        refused: list[Exception] = []
        for folder in self.folders:
            address = f"{folder.format(name=name)}/{target.name}"
            try:
                return download(f"model {name}", address, target, sha256)
            except (MissingError, ModelError) as error:
                refused.append(error)
            except UnreachableError as error:
                refused.append(error)
                break  # the other folders lie with the same server
        for refusal in refused:
            if isinstance(refusal, ModelError):
                raise refusal
        files = " and ".join(f"{name}{suffix}" for suffix in sorted(self.sha256[name], reverse=True))
        into = "put both into" if len(self.sha256[name]) == 2 else "put it into"
        raise ModelError(
            f"model {name}: not on this machine, and {refused[0]}: fetch {files} elsewhere and {into} {target.parent}"
        )


def _xml(xml: str, bin: str) -> Mapping[str, str]:
    return {".bin": bin, ".xml": xml}


# The zoo publishes a name anew with some releases of OpenVINO; the hashes say which files are meant.
OMZ = Store(
    prefix="omz:",
    calls="the zoo",
    folders=tuple(
        f"https://storage.openvinotoolkit.org/repositories/open_model_zoo/{release}/{{name}}/FP16"
        for release in ("2022.3/models_bin/1", "2023.0/models_bin/1")
    ),
    suffix=".xml",
    sha256={
        "person-vehicle-bike-detection-2000": _xml(
            "6ad90c755fa3506e5d58a9f3f85c41994064bcf220b66c20d2996165ea6c6509",
            "f20d648ac608e84b249d8ff36a897478f7142b5bdaa7b4b768cda0d5e4add3ec",
        ),
        "person-vehicle-bike-detection-2001": _xml(
            "cadf98ec9003676fcc7021d790571a88fe4e7dd317a9af85cda6478db8aca0e3",
            "e2036fdb89f72b562bb02644310a227ad85e182a0d29a6f15a42b377fd3c2d99",
        ),
        "person-vehicle-bike-detection-2002": _xml(
            "ddc0b2af817f0163ed944512b4261dad0b8a77fa6ca7866aa030b134f95fae41",
            "2899097a995554b7f5b95a3722623f1aecc14adf275beb043e5b27d722ab1b72",
        ),
        "person-vehicle-bike-detection-2003": _xml(
            "2dd003f80c754af3d84d6861896d45dce35af93ec78b0904cd3f644b0bbcae62",
            "b9f976542cb100f3968acadd3d031918abf1b6006110bf1e40ddbd3291656bd1",
        ),
    },
)

YOLOX = Store(
    prefix="yolox:",
    calls="YOLOX",
    folders=("https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0",),
    suffix=".onnx",
    sha256={
        "yolox_nano": {".onnx": "c789161ed43c8269fcd4e67c67eeeb4e80c622da2eb296a20bc6007bd18a0b7d"},
        "yolox_tiny": {".onnx": "427cc366d34e27ff7a03e2899b5e3671425c262ea2291f88bb942bc1cc70b0f7"},
        "yolox_s": {".onnx": "c5c2d13e59ae883e6af3b45daea64af4833a4951c92d116ec270d9ddbe998063"},
        "yolox_m": {".onnx": "21ff6cfdeb53b013bac2249599e55f00bff3cfdfdab37ed7a4620818c1d15b3f"},
    },
)

STORES = (OMZ, YOLOX)


def store_of(source: str) -> Store | None:
    """The store that a source names; None where it is something else."""
    return next((store for store in STORES if source.startswith(store.prefix)), None)
