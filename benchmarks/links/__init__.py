"""What it costs to send pictures over a link, in bytes and in F1."""
