"""Moving boxes on between looks: flow, identities, the active cache, and what should trigger a look."""
