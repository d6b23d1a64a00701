"""One subject over several cameras: which camera leads to which, and who is looked for where.

`subjects.py` says which tracks are of one subject, `graph.py` what that tells of the ways between cameras, `clocks.py`
whether their clocks can be right, `search.py` follows one subject and describes no more tracks than it has to, and
`tracks.py` has these from a store. After ReXCam (Jain et al., SEC 2020).
"""
