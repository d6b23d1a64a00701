"""Detectors and embedders behind one small interface: files, runtimes, output decoding, slicing, accounting."""
