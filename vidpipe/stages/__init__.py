"""The stages that come with vidpipe, one file each; `base` is the contract."""
