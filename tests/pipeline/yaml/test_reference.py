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
    parts = {name: kind.find(name).Config for kind in (STAGES, TRANSFORMS, SINKS, TUNERS) for name in kind.builtin}
    schemas = [config.model_json_schema() for config in (PipelineFile, *parts.values())]
    within = [each for schema in schemas for each in schema.get("$defs", {}).items()]
    models = {name for name, schema in within if "properties" in schema}

    assert set(re.findall(r"<!-- fields: (\w+) -->", PAGE)) == {"PipelineFile", *models, *parts}


def test_links_of_the_tables_lead_to_a_heading():
    headings = {heading.lower() for heading in re.findall(r"^#+ (\w+)$", PAGE, re.MULTILINE)}

    assert set(re.findall(r"\]\(#(\w+)\)", PAGE)) <= headings
