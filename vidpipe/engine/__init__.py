"""What runs a cascade: plans, segments, links, and the two engines."""
