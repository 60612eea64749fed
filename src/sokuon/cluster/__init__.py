"""Where one machine is not enough: batches on Ray Data, the server on Ray Serve. Thin: `batch`, `server` speak.

import ray
from sokuon.cluster import synthesize

synthesize(ray.data.read_parquet("s3://bucket/lines"), voice="hf://user/voice").write_parquet("s3://bucket/spoken")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sokuon._lazy import exports

if TYPE_CHECKING:
    from sokuon.cluster.data import synthesize

__all__ = ["synthesize"]

__getattr__ = exports(__name__, {"synthesize": "data"})
