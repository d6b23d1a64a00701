"""Figures that vidpipe promises, measured as ratios within one run: `make bench`."""
