"""The subcommands of `vidpipe`, one module each."""
