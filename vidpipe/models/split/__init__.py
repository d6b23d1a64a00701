"""Networks that are cut in two: the head runs where the picture is, the tail where it is answered.

What crosses between them are the tensors alive at the cut (Neurosurgeon, ASPLOS 2017; DADS, INFOCOM 2019), coded to few
bits (JALAD, ICPADS 2018; Ko et al., AVSS 2018).
"""
