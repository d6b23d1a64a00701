"""What the page and other programs may ask, by subject."""
