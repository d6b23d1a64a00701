"""From encoded packets to pictures of one kind, for files and cameras alike."""
