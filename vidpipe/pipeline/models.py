"""Which models the stages of a pipeline use."""

from __future__ import annotations

from vidpipe.pipeline.spec import Pipeline, PlacedStage


def models_of(pipeline: Pipeline) -> tuple[str | None, str | None]:
    """The little and the big model: the big one is the last stage's, the little one the first other that a stage names.

    Either is None where there is no such model.
    """
    named = [model_of(pipeline, stage) for stage in pipeline.stages]
    big = named[-1]
    little = next((model for model in named if model not in (None, big)), None)
    return little, big


def model_of(pipeline: Pipeline, stage: PlacedStage) -> str | None:
    """The detector that a stage names in its settings, one that a user wrote included."""
    name = getattr(stage.config, "model", None)
    if not isinstance(name, str) or name not in pipeline.models or pipeline.models[name].family == "embedder":
        return None
    return name
