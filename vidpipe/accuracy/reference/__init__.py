"""The reference: one model at every frame of a clip, kept once it is made."""
