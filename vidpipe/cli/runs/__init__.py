"""Runs that have a name: reached from another shell by a socket in a folder that is their owner's alone."""
