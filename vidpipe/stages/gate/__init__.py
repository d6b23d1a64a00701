"""The gate: a very small network, trained for one stream, that says "nothing is there" for certain.

After the specialised models of NoScope (Kang et al., VLDB 2017) and FFS-VA (Zhang et al., ICPP 2018). It learns from
the answers of the last stage, before a run or during it; here are the network, its examples, training and versions.
"""
