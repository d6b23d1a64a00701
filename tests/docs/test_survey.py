"""What docs/survey.md says lies somewhere, lies there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SURVEY = (ROOT / "docs" / "survey.md").read_text()


def test_every_place_in_the_code_and_every_test_is_there():
    code = set(re.findall(r"`((?:across|models|pipeline|runtime|sources|stages|transforms|tuning)/[\w/.]*)`", SURVEY))
    tests = set(re.findall(r"\btests/[\w/.]*\w", SURVEY))
    assert len(code) > 15
    assert len(tests) > 15
    missing = [place for place in code if not (ROOT / "vidpipe" / place).exists()]
    missing += [place for place in tests if not (ROOT / place).exists()]
    assert not missing
