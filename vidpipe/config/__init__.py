"""Reading pipelines and configurations: all mistakes at once, each with its place and the nearest right name."""

from vidpipe.config.load import find_pipeline, load
from vidpipe.config.mistakes import InvalidPipelineError, Mark, Mistake

__all__ = ["InvalidPipelineError", "Mark", "Mistake", "find_pipeline", "load"]
