"""Changing a configuration file as it is written: what stands in the environment stays there, and is not looked up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from vidpipe.core.errors import ConfigError


def rewritten(text: str, changes: Mapping[str, Any]) -> str:
    """The text of a configuration with some of its values changed, mappings inside of mappings; comments are lost.

    Raises:
        ConfigError: it is not YAML, or no mapping.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader) or yaml.MappingNode("tag:yaml.org,2002:map", [])
    except yaml.YAMLError:
        raise ConfigError("the configuration is not valid YAML") from None
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError("the configuration must be a mapping: lines of the form `key: value`")
    _put(node, changes)
    written: str = yaml.serialize(node)
    return written


def _put(node: yaml.MappingNode, changes: Mapping[str, Any]) -> None:
    node.flow_style = False
    for name, value in changes.items():
        at = next((place for place, (key, _) in enumerate(node.value) if key.value == name), None)
        there = node.value[at][1] if at is not None else None
        if isinstance(value, Mapping) and isinstance(there, yaml.MappingNode):
            _put(there, value)
            continue
        key = yaml.ScalarNode("tag:yaml.org,2002:str", name)
        new = yaml.compose(yaml.safe_dump(value), Loader=yaml.SafeLoader)
        if at is None:
            node.value.append((key, new))
        else:
            node.value[at] = (node.value[at][0], new)
