"""The result cache: a frame that looks like an earlier one, of any stream, gets that one's answer.

After Cachier (Drolia et al., ICDCS 2017), Shadow Puppets (HotEdge 2018) and FoggyCache (Guo et al., MobiCom 2018);
entries are evicted by Greedy-Dual-Size-Frequency (Cherkasova 1998).
"""
