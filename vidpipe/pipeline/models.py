"""Which models the stages of a pipeline use.

A model that differs on a tier is another one there: what is `little` on edge has the name `little@edge`, wherever it
stands. So all that goes by models, such as hashes, costs and audits, has the right one without asking for a tier.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

from vidpipe.core.names import renamed
from vidpipe.core.settings import StageConfig
from vidpipe.pipeline.spec import Pipeline, PlacedStage, PlacedTransform, Tier

C = TypeVar("C", bound=StageConfig)


def name_on(model: str, tier: str) -> str:
    """What a model is called that differs on a tier."""
    return f"{model}@{tier}"


def with_models_on(tier: Tier, settings: C, models: Collection[str]) -> C:
    """The settings of what stands on a tier, with the names of the models that differ there.

    Args:
        models: of the pipeline.
    """
    names = {model.rpartition("@")[0]: model for model in models if model.endswith(f"@{tier}")}
    return renamed(settings, "model", names) if names else settings


def tier_of(part: PlacedStage | PlacedTransform) -> Tier:
    """Where it stands; transforms do where the source is."""
    return part.tier if isinstance(part, PlacedStage) else Tier.DEVICE


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
