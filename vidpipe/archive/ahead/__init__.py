"""Looking ahead: where a recording is at hand, boxes between two looks come from both of them."""
