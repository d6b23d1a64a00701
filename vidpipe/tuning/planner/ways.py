"""Ways to pack pictures for a link that plans choose from, each measured for every model that may stand behind it."""

from __future__ import annotations

from vidpipe.pipeline.spec import LinkSpec, SplitSpec

_BITS = (8, 6, 5, 4, 3)  # 2 are good for nothing (`python -m benchmarks links split`)

PICTURES = (
    *(LinkSpec(codec="jpeg", quality=quality) for quality in (95, 85, 75, 50)),
    *(LinkSpec(codec="webp", quality=quality) for quality in (85, 75, 50)),
)
"""As pictures. Less width is none of them: fewer bytes of the same F1 come from less quality (`pace.LADDER`)."""

FEATURES = tuple(LinkSpec(codec="jpeg", split=SplitSpec(bits=bits)) for bits in _BITS)
"""As features of the model that alone looks at what crosses."""
