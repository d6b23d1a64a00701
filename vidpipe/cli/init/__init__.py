"""What `vidpipe init` asks for, and what it writes."""
