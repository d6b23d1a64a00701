"""When to trust a cheap answer: what it is held against, and the thresholds that follow from that. Plain arithmetic."""
