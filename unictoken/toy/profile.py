"""What the tiny base was trained to do, for generic code (`model/profile.py`)."""

from __future__ import annotations

from unictoken.model.profile import Profile

# Its own pictures come back at 24 to 32 dB, photographs at 12 to 20 (dev/LOG.md).
PROFILE = Profile(
    world="toy",
    least_psnr=22.0,
    reads_options=True,
    tells_facts=False,
    taught_ids=400,  # LENGTH of toy/pretrain/parts.py
)
