"""The difference detector: a frame that looks like one whose answer is known needs no model.

The idea is that of NoScope (Kang et al., VLDB 2017): compare with an earlier picture, or with the empty scene.
`difference` compares block by block with the last measured picture; `scene_difference` uses a scene that was learnt by
`vidpipe specialize`.
"""
