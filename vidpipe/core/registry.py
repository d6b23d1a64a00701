"""What users may write themselves, and what of each kind comes with vidpipe."""

from __future__ import annotations

from vidpipe.core.extensions import Kind

STAGES = Kind(
    "stage",
    "vidpipe.cascade.stage:Stage",
    {
        "difference": "vidpipe.stages.difference.difference:Difference",
        "gate": "vidpipe.stages.gate.gate:GateStage",
        "sample": "vidpipe.stages.sample:Sample",
        "track": "vidpipe.stages.track.track:Track",
        "detect": "vidpipe.stages.detect.detect:Detect",
        "select": "vidpipe.stages.detect.select:Select",
        "regions": "vidpipe.stages.detect.regions:Regions",
        "cache": "vidpipe.stages.cache.cache:Cache",
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
    "vidpipe.results.sinks.base:Sink",
    {
        "apprise": "vidpipe.results.sinks.apprise:AppriseSink",
        "events": "vidpipe.results.sinks.events:EventsFile",
        "results": "vidpipe.results.sinks.results:ResultsFile",
        "store": "vidpipe.results.store.sink:StoreSink",
        "kafka": "vidpipe.results.sinks.kafka:KafkaSink",
        "mjpeg": "vidpipe.results.sinks.mjpeg:MjpegSink",
        "mqtt": "vidpipe.results.sinks.mqtt.sink:MqttSink",
        "webhook": "vidpipe.results.sinks.webhook:WebhookSink",
    },
    "vidpipe.results.sinks",
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
    "vidpipe.runtime.driver.tuner:Tuner",
    {
        "budget": "vidpipe.tuning.budget.tuner:Budget",
        "planned": "vidpipe.tuning.planner.tuner:Planned",
        "chameleon": "vidpipe.tuning.chameleon.tuner:Chameleon",
        "floor": "vidpipe.tuning.floor.tuner:Floor",
        "static": "vidpipe.tuning.static:Static",
        "uniform": "vidpipe.tuning.uniform:Uniform",
    },
    "vidpipe.tuners",
    "tune",
    "what it changes",
)
