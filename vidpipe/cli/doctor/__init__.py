"""What would keep vidpipe from working well on this machine, and what to do about it."""
