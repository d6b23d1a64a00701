"""What may be said from another shell to a run, and to a session of several queries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vidpipe.cli.runs.server import Orders
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.spec import Pipeline
from vidpipe.runtime.driver.queries import Queries
from vidpipe.runtime.driver.session import Run
from vidpipe.runtime.driver.status import as_json
from vidpipe.runtime.driver.versions import Versions


class RunOrders:
    """Of a run with one pipeline.

    Args:
        versions: that run one after another.
    """

    def __init__(self, versions: Versions) -> None:
        self._versions = versions

    def all(self) -> Orders:
        """By name."""
        orders = {"status": self._status, "stop": self._stop, "apply": self._apply, "replace": self._replace}
        return {**orders, "add": self._change_queries, "remove": self._change_queries}

    def _status(self, _: dict[str, Any]) -> dict[str, Any]:
        run = self._versions.current
        return {"pipeline": run.pipeline.name, **as_json(run.status())}

    def _stop(self, _: dict[str, Any]) -> dict[str, Any]:
        self._versions.stop()
        return {"stopping": True}

    def _apply(self, question: dict[str, Any]) -> dict[str, Any]:
        if question.get("query") is not None:
            raise ConfigError("--query: this run has one pipeline alone; leave it out")
        return applied(self._versions.current, question)

    def _replace(self, question: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(pipeline := question.get("pipeline"), str):
            raise ConfigError("pipeline: must be a file or a name")
        self._versions.replace(pipeline)
        return {"pipeline": self._versions.current.pipeline.name}

    def _change_queries(self, _: dict[str, Any]) -> dict[str, Any]:
        raise ConfigError(
            "this run was begun with one pipeline alone: begin one with several, and queries can join and leave it"
        )


class QueriesOrders:
    """Of several queries.

    Args:
        load: the name of a query, and its pipeline, from what a user calls that.
    """

    def __init__(self, queries: Queries, load: Callable[[str], tuple[str, Pipeline]]) -> None:
        self._queries = queries
        self._load = load

    def all(self) -> Orders:
        """By name."""
        orders = {"status": self._status, "stop": self._stop, "apply": self._apply, "replace": self._replace}
        return {**orders, "add": self._add, "remove": self._remove}

    def _status(self, _: dict[str, Any]) -> dict[str, Any]:
        told = {query: as_json(run.status()) for query, run in self._queries.runs.items()}
        streams = {f"{query}/{name}": now for query, each in told.items() for name, now in each["streams"].items()}
        states = {query: each["state"] for query, each in told.items()}
        going = [state for state in states.values() if state not in ("ended", "failed")]
        at = max(each["at"] for each in told.values())
        state = going[0] if going else "ended"
        return {"pipeline": ", ".join(told), "state": state, "at": at, "queries": states, "streams": streams}

    def _stop(self, _: dict[str, Any]) -> dict[str, Any]:
        self._queries.stop()
        return {"stopping": True}

    def _apply(self, question: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(query := question.get("query"), str):
            raise ConfigError(f"this run has several queries: say which by --query: {', '.join(self._queries.runs)}")
        return applied(self._queries[query], question)

    def _replace(self, _: dict[str, Any]) -> dict[str, Any]:
        raise ConfigError("--pipeline: a query is replaced by --remove QUERY, then --add FILE.yaml")

    def _add(self, question: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(pipeline := question.get("pipeline"), str):
            raise ConfigError("pipeline: must be a file or a name")
        query, loaded = self._load(pipeline)
        self._queries.add(query, loaded)
        return {"query": query}

    def _remove(self, question: dict[str, Any]) -> dict[str, Any]:
        query = str(question.get("query"))
        self._queries.remove(query)
        return {"query": query}


def applied(run: Run, question: dict[str, Any]) -> dict[str, Any]:
    """The epoch that a change of settings has made."""
    stages, streams, reason = question.get("stages"), question.get("streams"), question.get("reason")
    if not isinstance(stages, dict) or not all(isinstance(fields, dict) for fields in stages.values()):
        raise ConfigError("stages: must be settings by stage and field")
    if streams is not None and not (isinstance(streams, list) and all(isinstance(each, str) for each in streams)):
        raise ConfigError("streams: must be a list of names")
    epoch = run.apply(stages=stages, streams=streams, reason=str(reason or ""))
    return {"epoch": epoch.number, "streams": list(epoch.streams)}
