"""Where answers go: files of results, drawn video, metrics."""
