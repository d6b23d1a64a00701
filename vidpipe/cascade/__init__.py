"""The contract of a stage, and the one algorithm that asks stages in order and lets them learn."""
