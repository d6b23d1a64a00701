"""Intervals, bounds and draws that several stages decide by. Plain arithmetic."""
