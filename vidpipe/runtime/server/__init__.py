"""The lower part of a pipeline, run for others: runs on other machines call it over TLS."""
