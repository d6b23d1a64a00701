"""Reading pipelines and configurations: all mistakes at once, each with its place and the nearest right name."""

from vidpipe.pipeline.yaml.diagnostics import InvalidPipelineError, Mark, Mistake
from vidpipe.pipeline.yaml.load import find_pipeline, load

__all__ = ["InvalidPipelineError", "Mark", "Mistake", "find_pipeline", "load"]
