from pathlib import Path

from vidpipe import OutboxConfig, OutboxSink


class HornConfig(OutboxConfig):
    file: str


class Horn(OutboxSink):
    Config = HornConfig

    def send(self, events):
        with Path(self.config.file).open("a") as horn:
            horn.writelines(f"{event['phase']} {event['kind']} {event['zone']}\n" for event in events)
