"""docs/pipelines.md says what the code says."""

import re
from pathlib import Path

from vidpipe.core.registry import SINKS, STAGES, TRANSFORMS, TUNERS
from vidpipe.pipeline.yaml.reference import fill
from vidpipe.pipeline.yaml.spec import PipelineFile

PAGE = (Path(__file__).parents[3] / "docs" / "pipelines.md").read_text(encoding="utf-8")


def test_the_page_is_up_to_date():
    assert fill(PAGE) == PAGE, "run: python -m vidpipe.pipeline.yaml.reference docs/pipelines.md"


def test_every_type_of_the_files_has_a_table():
    kinds = (STAGES, TRANSFORMS, SINKS, TUNERS)
    parts = {name: kind.find(name).Config.model_json_schema() for kind in kinds for name in kind.builtin}
    within = [each.get("$defs", {}) for each in (PipelineFile.model_json_schema(), *parts.values())]
    models = {name for defined in within for name, schema in defined.items() if "properties" in schema}

    assert set(re.findall(r"<!-- fields: (\w+) -->", PAGE)) == {"PipelineFile", *models, *parts}


def test_links_of_the_tables_lead_to_a_heading():
    headings = {heading.lower() for heading in re.findall(r"^#+ (\w+)$", PAGE, re.MULTILINE)}

    assert set(re.findall(r"\]\(#(\w+)\)", PAGE)) <= headings
