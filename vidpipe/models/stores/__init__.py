"""Where weights come from: folders, Ultralytics, PyPI, the Open Model Zoo."""
