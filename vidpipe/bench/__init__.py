"""What a pipeline saves and what it loses: reference, scores, costs, baselines, and the bench that runs them."""
