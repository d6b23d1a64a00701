"""Where a run is driven: what one holds, and what may be said to it."""
