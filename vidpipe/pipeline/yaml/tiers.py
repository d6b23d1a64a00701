"""Models that differ on a tier, among those of the document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vidpipe.core.names import references
from vidpipe.core.nearest import did_you_mean
from vidpipe.core.settings import StageConfig
from vidpipe.models.base import ModelSpec
from vidpipe.pipeline.models import name_on
from vidpipe.pipeline.spec import Tier
from vidpipe.pipeline.yaml.diagnostics import Keys
from vidpipe.pipeline.yaml.document import Document
from vidpipe.pipeline.yaml.spec import PipelineFile


def put_models_of_tiers(document: Document) -> None:
    """Write each model as it is on a tier beside the others, so that it is checked as they are, at its lines."""
    models = dict(document.mapping(("models",)))
    for tier in Tier:
        for model, differing in document.mapping(("tiers", tier, "models")).items():
            place: Keys = ("tiers", tier, "models", model)
            if model not in models:
                document.mistake(place, f"there is no model '{model}'{did_you_mean(model, models)}")
            elif name_on(model, tier) in models:
                document.mistake(place, f"a model has the name '{name_on(model, tier)}' already: give that one another")
            elif isinstance(models[model], dict) and isinstance(differing, dict):
                _put(document, ("models", model), ("models", name_on(model, tier)), place)


def _put(document: Document, base: Keys, target: Keys, differing: Keys) -> None:
    document.put(target, {}, document.mark(differing))
    for source in (base, differing):
        for field, value in document.mapping(source).items():
            document.put((*target, field), value, document.mark((*source, field)))
    for secret in list(document.secrets):
        for source in (base, differing):
            if secret[: len(source)] == source:
                document.secrets.add((*target, *secret[len(source) :]))


def in_use(spec: PipelineFile, settings: Iterable[StageConfig | None]) -> Mapping[str, ModelSpec]:
    """The models of a pipeline without those in whose place there is another one wherever they are named.

    Args:
        settings: of all stages and transforms.
    """
    named = {name for config in settings if config for _, name in references(config, "model")}
    replaced = {model for tier in spec.tiers.values() for model in tier.models}
    return {name: model for name, model in spec.models.items() if name in named or name not in replaced}
