"""What is known of a model without loading it."""
