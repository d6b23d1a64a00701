"""Files as streams of frames: decoding, time, damage, and what of the picture may be seen."""
