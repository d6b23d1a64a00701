"""What runs a cascade: threads for streams and for shared stages, and the two engines."""
