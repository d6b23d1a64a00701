"""Events to an MQTT broker, and devices of Home Assistant there."""
