"""Maximum flow: how much can pass from one node to another of a layered network of capacities.

It knows networks and no attention.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attn_cli.types import Doubles

# What is less than this is no capacity: float64 sums of shares are not exact beyond it.
_NOTHING = 1e-12


class Network:
    """Nodes in layers of n; capacities[l][i, j] leads from node i of layer l + 1 to j of layer l.

    Maximum flow by E. Dinic's algorithm (1970): shortest ways are found by breadth, then filled by
    depth, until no way is left. A way is as long as there are layers, and fills one of the
    n_layer · n² edges at least.
    """

    def __init__(self, capacities: Sequence[Doubles]) -> None:
        self.width = len(capacities[0])
        self.n_nodes = self.width * (len(capacities) + 1)
        self.edges: list[list[int]] = [[] for _ in range(self.n_nodes)]  # of each node
        self.target: list[int] = []
        self.capacity: list[float] = []
        for layer, matrix in enumerate(capacities):
            for i, row in enumerate(matrix.tolist()):
                for j, capacity in enumerate(row):
                    if capacity > _NOTHING:
                        self._connect(
                            (layer + 1) * self.width + i, layer * self.width + j, capacity
                        )

    def _connect(self, node: int, other: int, capacity: float) -> None:
        # An edge and its reverse stand side by side: the one of edge e is e ^ 1.
        for start, end, size in ((node, other, capacity), (other, node, 0.0)):
            self.edges[start].append(len(self.target))
            self.target.append(end)
            self.capacity.append(size)

    def flow(self, source: int, sink: int) -> float:
        """The most that can pass from one node to another; nodes are numbered layer by layer."""
        rest = self.capacity.copy()
        total = 0.0
        while (level := self._levels(source, sink, rest)) is not None:
            unused = [list(edges) for edges in self.edges]
            while pushed := self._push(source, sink, rest, level, unused):
                total += pushed
        return total

    def _levels(self, source: int, sink: int, rest: list[float]) -> list[int] | None:
        """Each node's distance from the source; None where the sink cannot be reached."""
        level = [-1] * self.n_nodes
        level[source] = 0
        frontier = [source]
        while frontier and level[sink] < 0:
            reached = []
            for node in frontier:
                for edge in self.edges[node]:
                    other = self.target[edge]
                    if level[other] < 0 and rest[edge] > _NOTHING:
                        level[other] = level[node] + 1
                        reached.append(other)
            frontier = reached
        return level if level[sink] >= 0 else None

    def _push(
        self,
        source: int,
        sink: int,
        rest: list[float],
        level: list[int],
        unused: list[list[int]],
    ) -> float:
        """Send what one shortest way can still take; edges that lead nowhere are dropped."""
        way: list[int] = []
        node = source
        while node != sink:
            while unused[node]:
                edge = unused[node][-1]
                other = self.target[edge]
                if rest[edge] > _NOTHING and level[other] == level[node] + 1:
                    way.append(edge)
                    node = other
                    break
                unused[node].pop()
            else:
                if not way:
                    return 0.0
                node = self.target[way.pop() ^ 1]
                unused[node].pop()
        pushed = min(rest[edge] for edge in way)
        for edge in way:
            rest[edge] -= pushed
            rest[edge ^ 1] += pushed
        return pushed
