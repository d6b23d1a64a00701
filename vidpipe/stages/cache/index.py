"""Nearest neighbours of unit vectors, by FAISS: a flat index while that is quick enough, then HNSW.

A flat search of 10,000 vectors of 256 numbers takes a quarter of a millisecond, of 100,000 seven; HNSW (Malkov and
Yashunin 2016) a tenth. HNSW cannot remove: what is removed is only marked, and left out by the search. When a quarter
is marked, or a flat index has grown too large, the next one is built beside the one that serves, some vectors with
each change: a graph of 100,000 takes ten seconds, which no stream may wait for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.extras import extra

FLAT_NUMBERS = 10_000 * 256  # in all vectors together, up to which a flat search is used
_LINKS, _BREADTH = 16, 64  # of HNSW: neighbours of a node; candidates kept while searching, recall 0.99
_DEAD_SHARE = 0.25
_STEP = 8  # vectors that move to the next index with each change


class Index:
    """Vectors by number. Belongs to the thread that made it: the number of FAISS's threads is the thread's own.

    Args:
        length: of the vectors.
        flat_numbers: how many numbers a flat index holds at most.
    """

    def __init__(self, length: int, flat_numbers: int = FLAT_NUMBERS) -> None:
        faiss = extra("faiss", "faiss", "a stage of type cache")
        faiss.omp_set_num_threads(1)  # of one query there is nothing to share out
        self._length = length
        self._flat = max(1, flat_numbers // length)
        self._serving = _Part(length, graph=False)
        self._coming: _Part | None = None
        self._moved = 0

    def __len__(self) -> int:
        return len(self._serving)

    @property
    def is_graph(self) -> bool:
        return self._serving.graph

    def add(self, number: int, vector: NDArray[np.float32]) -> None:
        """Add a vector [length] of length 1 under a new number."""
        self._serving.add(number, vector)
        if self._coming is not None:
            self._coming.add(number, vector)
        self._advance()

    def remove(self, numbers: Iterable[int]) -> None:
        """Forget these; one that is not there is no error."""
        for number in numbers:
            self._serving.remove(number)
            if self._coming is not None:
                self._coming.remove(number)
            self._advance()

    def search(self, vector: NDArray[np.float32], count: int) -> list[tuple[int, float]]:
        """The nearest, nearest first: (number, cosine distance 0..2); at most `count`, fewer where there are not."""
        return self._serving.search(vector, count)

    def _advance(self) -> None:
        serving = self._serving
        if self._coming is None:
            if serving.dead <= max(64, _DEAD_SHARE * serving.rows) and (serving.graph or serving.rows <= self._flat):
                return
            self._coming, self._moved = _Part(self._length, graph=len(serving) > self._flat), 0
        end = min(self._moved + _STEP, serving.rows)
        for row in range(self._moved, end):
            number = serving.numbers[row]
            if serving.holds(number, row) and number not in self._coming:
                self._coming.add(number, serving.vector(row))
        self._moved = end
        if self._moved == serving.rows:
            self._serving, self._coming = self._coming, None


class _Part:
    """One FAISS index, what number each of its rows has, and which rows count."""

    def __init__(self, length: int, *, graph: bool) -> None:
        import faiss

        self.graph = graph
        self.numbers: list[int] = []
        self._row_of: dict[int, int] = {}
        if graph:
            self._index: Any = faiss.IndexHNSWFlat(length, _LINKS, faiss.METRIC_INNER_PRODUCT)
        else:
            self._index = faiss.IndexFlatIP(length)
        self._only: Any = None  # FAISS's selector of the rows that count; None: it must be made anew

    def __len__(self) -> int:
        return len(self._row_of)

    def __contains__(self, number: int) -> bool:
        return number in self._row_of

    @property
    def rows(self) -> int:
        return len(self.numbers)

    @property
    def dead(self) -> int:
        return self.rows - len(self)

    def holds(self, number: int, row: int) -> bool:
        return self._row_of.get(number) == row

    def vector(self, row: int) -> NDArray[np.float32]:
        return np.asarray(self._index.reconstruct(row), np.float32)

    def add(self, number: int, vector: NDArray[np.float32]) -> None:
        self._row_of[number] = self.rows
        self.numbers.append(number)
        self._index.add(np.ascontiguousarray(vector, np.float32)[None])
        self._only = None

    def remove(self, number: int) -> None:
        if self._row_of.pop(number, None) is not None:
            self._only = None

    def search(self, vector: NDArray[np.float32], count: int) -> list[tuple[int, float]]:
        if not len(self):
            return []
        query = np.ascontiguousarray(vector, np.float32)[None]
        products, rows = self._index.search(query, min(count, len(self)), params=self._parameters())
        found = zip(rows[0].tolist(), products[0].tolist(), strict=True)
        return [(self.numbers[row], max(0.0, 1.0 - product)) for row, product in found if row >= 0]

    def _parameters(self) -> Any:
        import faiss

        library: Any = faiss  # its stubs know the C++ signatures, not those of the Python wrapper
        if self.dead and self._only is None:
            live = np.zeros(self.rows, bool)
            live[list(self._row_of.values())] = True
            self._only = library.IDSelectorBitmap(np.packbits(live, bitorder="little"))
        only = {"sel": self._only} if self.dead else {}
        if self.graph:
            return library.SearchParametersHNSW(efSearch=_BREADTH, **only)
        return library.SearchParameters(**only)
