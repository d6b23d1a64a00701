"""Shadow asks: what would a stage say of a frame under other settings?

They are answered on spare capacity, by a process of low priority beside each one that has the stage, and never
published. What they cost is told apart.
"""
