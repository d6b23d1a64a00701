"""Labels that people made, in the forms that they come in."""
