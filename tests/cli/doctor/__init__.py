"""`vidpipe doctor`."""
