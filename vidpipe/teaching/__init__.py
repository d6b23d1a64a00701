"""Teaching an event by examples: results of a run and marked moments in, an event classifier and its figures out."""
