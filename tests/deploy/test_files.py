"""The files of deploy/: what they name exists, in the versions that the project has, and nobody in them is root."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import pytest
import yaml

from tests.deploy.commands import ROOT, commands_of, understood
from vidpipe.cli.commands.check import check
from vidpipe.pipeline.spec import Tier

DEPLOY = ROOT / "deploy"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINNED = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
IMAGE = f"vidpipe:{PROJECT['version']}"


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def instructions() -> list[tuple[str, str]]:
    """Of the Dockerfile: each with what it says, over several lines."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip()]
    return [(line.split(None, 1)[0], " ".join(line.split(None, 1)[1].split())) for line in lines]


def test_the_image_is_of_this_project_and_for_one_who_is_not_root():
    said = instructions()
    bases = [value for name, value in said if name == "FROM"]
    assert len(bases) == 2
    assert all(base.startswith("python:${PYTHON}-slim-bookworm") for base in bases)
    (python,) = [value.removeprefix("PYTHON=") for name, value in said if name == "ARG" and value.startswith("PYTHON=")]
    assert f">={python}" == PROJECT["requires-python"]
    users = [value for name, value in said if name == "USER"]
    assert users[-1] == "1000:1000"
    assert ("ENTRYPOINT", '["tini", "--", "vidpipe"]') in said
    assert "vidpipe" in PROJECT["scripts"]
    for name, value in said:
        assert name in ("ARG", "FROM", "ENV", "RUN", "WORKDIR", "COPY", "USER", "ENTRYPOINT", "CMD")
        if "apt-get install" in value:
            assert "--no-install-recommends" in value
            assert "rm -rf /var/lib/apt/lists/*" in value
        if "pip install" in value:
            assert "--constraint constraints.txt" in value
    extras = re.findall(r'"\.\[(.*?)\]"', " ".join(value for _, value in said))
    assert set(extras[0].split(",")) <= set(PROJECT["optional-dependencies"])


def test_what_is_copied_is_there_and_not_ignored():
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    last_stage = 0
    for name, value in instructions():
        last_stage += name == "FROM"
        if name == "COPY" and not value.startswith("--from"):
            for source in value.split()[:-1]:
                assert (ROOT / source).exists()
                assert f"!{source}" in ignored
    assert last_stage == 2
    assert {line[1:] for line in ignored if line.startswith("!")} >= {"vidpipe", "pipelines", "pyproject.toml"}


@pytest.mark.parametrize(
    "name", ["compose/compose.yaml", "kuberay/raycluster.yaml", "kuberay/rayjob.yaml", "Dockerfile"]
)
def test_what_its_comments_tell_to_do_can_be_done(name):
    commands = list(commands_of((DEPLOY / name).read_text(), comments=True))
    assert commands
    for command in commands:
        words = understood(command)
        for file in re.findall(r"(?:deploy|configs)/\S+", " ".join(words)):
            assert (ROOT / file).exists(), file
        assert all(word == IMAGE for word in words if word.startswith("vidpipe:"))


def test_compose(monkeypatch):
    (told,) = documents("compose/compose.yaml")
    services = told["services"]
    assert set(services) == {"scene", "camera", "broker", "vidpipe"}
    for name, service in services.items():
        image, _, tag = service["image"].partition(":")
        assert tag
        assert tag != "latest"
        assert image != "vidpipe" or service["image"] == IMAGE
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", ())), name
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (DEPLOY / "compose" / source).exists() if source.startswith(".") else source in told["volumes"]
        assert set(service.get("depends_on", ())) <= set(services)
    own = services["vidpipe"]
    words = understood(" ".join(["vidpipe", *map(str, own["command"])]))
    assert {f"127.0.0.1:{port}:{port}" for port in [words[words.index("--metrics") + 1].split(":")[1]]} == {
        *own["ports"]
    }
    assert own["healthcheck"]["test"][:1] == ["CMD"]
    assert understood(" ".join(own["healthcheck"]["test"][1:]))[-1] == words[words.index("--name") + 1]
    assert own["cap_drop"] == ["ALL"]
    for key, value in own["environment"].items():
        monkeypatch.setenv(key, value)
    check(words[2], DEPLOY / "compose" / "yard.yaml", [], [])
    sink = yaml.safe_load((DEPLOY / "compose" / "yard.yaml").read_text())["sinks"][0]
    assert sink["host"] in services


def pods(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    spec = manifest["spec"]
    if manifest["kind"] == "RayJob":
        return [spec["submitterPodTemplate"]["spec"]]
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    return [group["template"]["spec"] for group in groups]


@pytest.mark.parametrize("name", ["kuberay/raycluster.yaml", "kuberay/rayjob.yaml"])
def test_on_kubernetes_nobody_is_root_and_all_have_the_image(name):
    (manifest,) = documents(name)
    assert manifest["apiVersion"] == "ray.io/v1"
    for pod in pods(manifest):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 1000
        for container in pod["containers"]:
            assert container["image"] == IMAGE
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"requests", "limits"} == container["resources"].keys()
            mounted = {mount["name"] for mount in container.get("volumeMounts", ())}
            assert mounted <= {volume["name"] for volume in pod.get("volumes", ())}


def test_the_cluster_offers_each_tier_and_takes_a_token():
    from ray.scripts.scripts import start

    (cluster,) = documents("kuberay/raycluster.yaml")
    assert cluster["spec"]["rayVersion"] == PINNED["ray"]
    assert cluster["spec"]["authOptions"] == {"mode": "token"}
    options = {option for parameter in start.params for option in parameter.opts}
    tiers: set[str] = set()
    for group in [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]:
        assert {f"--{name}" for name in group["rayStartParams"]} <= options
        tiers |= json.loads(json.loads(group["rayStartParams"]["resources"].strip("'"))).keys()
    assert tiers == {tier.value for tier in Tier}


def test_the_job_runs_on_that_cluster():
    (cluster,), (job,) = documents("kuberay/raycluster.yaml"), documents("kuberay/rayjob.yaml")
    assert job["spec"]["clusterSelector"] == {"ray.io/cluster": cluster["metadata"]["name"]}
    words = understood(job["spec"]["entrypoint"])
    mounts = [mount["mountPath"] for mount in pods(cluster)[0]["containers"][0]["volumeMounts"]]
    for word in words:
        assert not word.startswith("/") or any(word.startswith(mount) for mount in mounts)


def test_the_page_tells_what_can_be_done():
    page = (ROOT / "docs" / "deploy.md").read_text()
    commands = list(commands_of(page, comments=False))
    assert len(commands) > 15
    for command in commands:
        understood(command)
    for file in re.findall(r"\]\(\.\./([^)#]+)\)", page):
        assert (ROOT / file).exists(), file
