"""The tracking cache: between two calls of a model, known boxes move on with the picture.

After Glimpse (Chen et al., SenSys 2015); identities after ByteTrack (Zhang et al., ECCV 2022).
"""
