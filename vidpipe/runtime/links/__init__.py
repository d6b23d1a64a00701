"""Links between processes: what waits, what is under way, and what becomes of it when the other end is away."""
