"""Settings that hold a floor of accuracy at the least cost: looks, replay, evidence, choice."""
