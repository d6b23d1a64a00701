"""The most accuracy of all streams together that fits into budgets of CPU, network and latency."""
