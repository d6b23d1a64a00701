"""Stages that stand in for a tier that is away: what `vidpipe check` says of them, and where they mean nothing."""

from __future__ import annotations

import pytest

from tests.pipeline.conftest import GOOD, Write
from vidpipe.cli.commands.check import check
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.yaml.load import load


def test_check_says_for_whom_it_stands_in(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    check(write(GOOD), None, {}, ["stages.little.only_when_away=true"])
    told = (
        "little: asked only while cloud cannot be reached from edge, on a cluster; answers in place of big, unaudited"
    )
    assert told in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("sets", "why"),
    [
        (["stages.big.only_when_away=true"], "the last stage is the one that others stand in for"),
        (["stages.little.only_when_away=true", "stages.little.on=cloud"], "the next stage stands on 'cloud', too"),
    ],
)
def test_where_nobody_could_be_away_it_is_refused(write: Write, sets: list[str], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        load(write(GOOD), sets=sets)
