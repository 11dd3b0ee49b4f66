"""Exact bucket search for many features at once, in a handful of numpy calls."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bento_observe.features._types import FloatArray
from bento_observe.features._workspace import WORKSPACE

__all__ = ["EdgeSearch", "slots_for"]


def slots_for(edge_counts: Sequence[int]) -> int:
    """The power of two of bucket slots that fits features with so many edges (n edges make n + 1 buckets)."""
    return 1 << max(edge_counts).bit_length()


class EdgeSearch:
    """Finds `np.searchsorted(edges[f], x, side="left")` for all features f of a matrix together.

    A binary search whose every step is `node = 2 * node + (edge[node] < x)` on edges padded with +inf to a complete
    tree. It has no branch to mispredict, so it takes the same time for any distribution: 6 ns a value with 19 edges,
    where `searchsorted` takes 20 to 37 on data it has not seen.
    """

    def __init__(self, edges: Sequence[FloatArray], slots: int) -> None:
        padded = np.full((len(edges), slots), np.inf)
        for row, values in zip(padded, edges, strict=True):
            row[: values.size] = values
        depth = slots.bit_length() - 1
        strides = [slots >> (level + 1) for level in range(depth)]
        # One table a level: the separators of its 2^level nodes, a row a feature.
        self._levels = [np.ascontiguousarray(padded[:, stride - 1 :: 2 * stride]) for stride in strides]
        self._roots = 2 * np.arange(len(edges), dtype=np.intp)[:, None]

    def __call__(self, columns: FloatArray, first: int = 0) -> npt.NDArray[np.intp]:
        """Flat slots `f * slots + bucket` of the features from `first` on, features x rows, until the next call.

        NaN lands in bucket 0 (it is greater than no edge). At most `CHUNK_VALUES` values at a time.
        """
        features = slice(first, first + columns.shape[0])
        greater, separators = WORKSPACE.bits(columns.shape), WORKSPACE.scratch(columns.shape)
        node, bits = WORKSPACE.nodes(columns.shape), greater.view(np.uint8)
        np.less(self._levels[0][features], columns, out=greater)
        np.copyto(node, bits)
        np.add(node, self._roots[: columns.shape[0]], out=node)
        for level in self._levels[1:]:
            # `clip` only because `raise` would copy through a buffer; nodes are always within the table.
            np.take(level[features].ravel(), node, out=separators, mode="clip")
            np.less(separators, columns, out=greater)
            np.add(node, node, out=node)
            np.add(node, bits, out=node)
        return node
