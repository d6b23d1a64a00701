"""What completes results after the cascade: regions, identities, events."""
