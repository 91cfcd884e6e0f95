"""Maximum flow against its dual: the least capacity that cuts the source off, over all cuts."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from attn_cli.maximum_flow import Network


def least_cut(capacities: list[np.ndarray], source: int, sink: int) -> float:
    """Ford & Fulkerson 1956: it equals the maximum flow. Every set of nodes is tried."""
    n, least = len(capacities[0]), np.inf
    for sides in product((False, True), repeat=n * (len(capacities) + 1)):
        if sides[source] and not sides[sink]:
            near = np.array(sides).reshape(-1, n)
            crossing = [
                (capacity * (near[i + 1][:, None] & ~near[i])).sum()
                for i, capacity in enumerate(capacities)
            ]
            least = min(least, sum(crossing))
    return float(least)


@pytest.mark.parametrize(("n", "n_layer", "seed"), [(2, 4, 0), (3, 2, 1), (3, 2, 2), (3, 3, 3)])
def test_it_is_the_least_cut(n: int, n_layer: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    capacities = [
        0.5 * generator.dirichlet(np.full(n, 0.5), n) + 0.5 * np.eye(n) for _ in range(n_layer)
    ]
    network = Network(capacities)
    for source, sink in ((n_layer * n, 0), (n_layer * n + n - 1, n - 2)):
        flow = network.flow(source, sink)
        assert flow == pytest.approx(least_cut(capacities, source, sink), abs=1e-11)


def test_a_flow_has_to_turn_back_where_the_first_way_was_wrong() -> None:
    """Textbook: the shortest way first takes the edge that two flows need apart."""
    down = np.array([[1.0, 1.0], [0.0, 0.0]])
    through = np.array([[1.0, 0.0], [1.0, 1.0]])
    last = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert Network([last, through, down]).flow(6, 0) == 2.0


def test_what_is_not_reached_gets_nothing() -> None:
    network = Network([np.eye(2), np.eye(2)])
    assert (network.flow(4, 0), network.flow(4, 1)) == (1.0, 0.0)


def test_a_network_can_be_asked_again() -> None:
    network = Network([np.full((2, 2), 0.5)] * 3)
    assert network.flow(6, 1) == network.flow(6, 1) == 1.0
