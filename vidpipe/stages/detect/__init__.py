"""Models as stages, and which of them answers: little before big, by region, or chosen for each frame.

`detect` is big/little (Park et al., CODES+ISSS 2015): a small model answers only where it is sure enough. `regions`
looks again only at what is unsure; `select` picks the cheapest model that can be trusted (Taylor et al., LCTES 2018).
"""
