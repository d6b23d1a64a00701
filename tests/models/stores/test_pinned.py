"""Models of stores whose files are pinned: local files first, else fetched from there."""

import shutil

import pytest

from vidpipe.core.errors import ModelError
from vidpipe.models.base import ModelSpec
from vidpipe.models.load import fetch
from vidpipe.models.resolve import resolve

NAME = "person-vehicle-bike-detection-2000"
SPEC = ModelSpec(path=f"omz:{NAME}")
STORE = "storage.openvinotoolkit.org/repositories/open_model_zoo"
RELEASES = ["2022.3/models_bin/1", "2023.0/models_bin/1"]


def test_a_model_is_known_before_it_is_fetched():
    resolved = resolve(SPEC)
    assert (resolved.origin, resolved.file, resolved.family) == ("pinned", None, "ssd")
    assert (resolved.names, resolved.licence) == (("vehicle", "person", "bike"), "Apache-2.0")


def test_a_file_of_that_name_is_taken_as_it_is(tmp_path):
    for suffix in (".xml", ".bin"):
        (tmp_path / f"{NAME}{suffix}").touch()
    resolved = resolve(SPEC, [tmp_path])
    assert (resolved.origin, resolved.file) == ("file", tmp_path / f"{NAME}.xml")


def test_a_name_that_is_not_pinned():
    with pytest.raises(ModelError, match=r"no such model of the zoo; nearest: person-vehicle-bike-detection-200"):
        resolve(ModelSpec(path="omz:person-vehicle-bike-detection-200"))


def test_without_a_network_it_says_what_to_put_where(cache, monkeypatch):
    monkeypatch.setenv("VIDPIPE_MIRROR", "http://127.0.0.1:9")  # discard: refused at once
    with pytest.raises(ModelError) as raised:
        fetch(SPEC)
    assert str(raised.value).startswith(f"model {NAME}: not on this machine, and http://127.0.0.1:9/{STORE}/")
    assert str(raised.value).endswith(f"fetch {NAME}.xml and {NAME}.bin elsewhere and put both into {cache / 'models'}")


def test_what_was_put_there_by_hand_is_found(cache):
    (cache / "models").mkdir(parents=True)
    for suffix in (".xml", ".bin"):
        (cache / "models" / f"{NAME}{suffix}").touch()
    assert fetch(SPEC) == cache / "models" / f"{NAME}.xml"


def test_another_model_under_that_name_is_not_kept(mirror, cache):
    for release in RELEASES:
        folder = mirror / STORE / release / NAME / "FP16"
        folder.mkdir(parents=True)
        (folder / f"{NAME}.bin").write_bytes(b"a page that says sorry")
    with pytest.raises(ModelError, match="SHA-256"):
        fetch(SPEC)
    assert list((cache / "models").iterdir()) == []


@pytest.mark.footage
@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("year", [2000, 2001, 2002, 2003])
def test_the_pinned_files_are_fetched_from_the_release_that_has_them(assets, mirror, cache, release, year):
    name = f"person-vehicle-bike-detection-{year}"
    folder = mirror / STORE / release / name / "FP16"
    folder.mkdir(parents=True)
    for suffix in (".xml", ".bin"):
        shutil.copyfile(assets / "models" / f"{name}{suffix}", folder / f"{name}{suffix}")
    spec = ModelSpec(path=f"omz:{name}")
    assert fetch(spec) == cache / "models" / f"{name}.xml" == resolve(spec).file
    assert sorted(file.suffix for file in (cache / "models").iterdir()) == [".bin", ".xml"]


def test_yolox_comes_as_one_file_from_its_release(mirror, cache):
    spec = ModelSpec(path="yolox:yolox_tiny")
    resolved = resolve(spec)
    assert (resolved.origin, resolved.file, resolved.family, resolved.licence) == (
        "pinned",
        None,
        "yolox",
        "Apache-2.0",
    )
    assert resolved.names[:3] == ("person", "bicycle", "car")
    folder = mirror / "github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"
    folder.mkdir(parents=True)
    (folder / "yolox_tiny.onnx").write_bytes(b"another network")
    with pytest.raises(ModelError, match="SHA-256"):
        fetch(spec)
    (folder / "yolox_tiny.onnx").unlink()
    with pytest.raises(ModelError, match=r"fetch yolox_tiny.onnx elsewhere and put it into .*models"):
        fetch(spec)


def test_a_store_says_what_runs_its_files_before_they_are_there():
    assert resolve(ModelSpec(path="yolox:yolox_s", runtime="onnxruntime")).origin == "pinned"
    with pytest.raises(ModelError, match=r"runtime torch reads .pt only"):
        resolve(ModelSpec(path="yolox:yolox_s", runtime="torch"))
    with pytest.raises(ModelError, match=r"no such model of YOLOX; nearest: yolox_s"):
        resolve(ModelSpec(path="yolox:yolox_ss"))


@pytest.mark.footage
def test_a_file_of_a_store_lies_where_models_lie(assets):
    assert (
        resolve(ModelSpec(path="yolox:yolox_nano"), [assets / "models"]).file == assets / "models" / "yolox_nano.onnx"
    )
