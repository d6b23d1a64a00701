"""The stages that come with vidpipe: one folder for each mechanism, with all that it needs."""
