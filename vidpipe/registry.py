"""What users may write themselves, and what of each kind comes with vidpipe."""

from __future__ import annotations

from vidpipe.extensions import Kind

STAGES = Kind(
    "stage",
    "vidpipe.stages.base:Stage",
    {
        "difference": "vidpipe.stages.difference:Difference",
        "gate": "vidpipe.stages.gate:GateStage",
        "sample": "vidpipe.stages.sample:Sample",
        "track": "vidpipe.stages.track:Track",
        "detect": "vidpipe.stages.detect:Detect",
        "select": "vidpipe.stages.select:Select",
        "regions": "vidpipe.stages.regions:Regions",
        "cache": "vidpipe.stages.cache:Cache",
    },
    "vidpipe.stages",
    "answer",
    "which frames it answers",
)
TRANSFORMS = Kind(
    "transform",
    "vidpipe.transforms.base:Transform",
    {
        "region": "vidpipe.transforms.region:Region",
        "describe": "vidpipe.transforms.describe:Describe",
    },
    "vidpipe.transforms",
    "apply",
    "what it does with a result",
)
SINKS = Kind(
    "sink",
    "vidpipe.engine.sink:Sink",
    {},
    "vidpipe.sinks",
    "write",
    "what it does with results",
)
SOURCES = Kind(
    "source",
    "vidpipe.sources.own:PictureSource",
    {},
    "vidpipe.sources",
    "pictures",
    "which pictures it has",
)
TUNERS = Kind(
    "tuner",
    "vidpipe.engine.tuner:Tuner",
    {},
    "vidpipe.tuners",
    "tune",
    "what it changes",
)
