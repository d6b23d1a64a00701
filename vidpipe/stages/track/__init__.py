"""The tracking cache: between two calls of a model, optical flow moves the known boxes on.

After Glimpse (Chen et al., SenSys 2015); identities after ByteTrack (Zhang et al., ECCV 2022).
"""
