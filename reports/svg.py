"""The dependency graph as inline SVG, from left to right: border by origin, corners by kind, fill by verdict.

What is implied by other arrows is left out (transitive reduction). Layers and their order come from
grandalf's Sugiyama layout, heights from least squares; a node is a link to its statement's card.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any

from grandalf.graphs import Edge, Graph, Vertex
from grandalf.layouts import SugiyamaLayout, VertexViewer

from .verdicts import ORIGINS, ROUND_KINDS, Verdict, verdict

WIDTH, HEIGHT, GAP, ROW = 112, 46, 34, 9
MARGIN = 8
SIZES = {"id": 12, "id small": 15, "id tiny": 20}
"""Classes of an id, and up to how many characters, with the icon and a space, each is for: a node is so wide."""
LETTERS = max(SIZES.values()) - 2
Point = tuple[float, float]


@dataclass(frozen=True)
class GraphNode:
    """A statement in the graph; ``uses`` are ids, those of no node are left out."""

    id: str
    title: str
    href: str
    verdict: str
    origin: str
    kind: str
    uses: tuple[str, ...]


def dependency_graph(nodes: Iterable[GraphNode]) -> str:
    """The whole graph as one ``svg`` element."""
    known = {node.id: node for node in nodes}
    edges = reduced({node.id: [u for u in node.uses if u in known] for node in known.values()})
    places, paths, width, height = _arrange(list(known), edges)
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    arrow = (
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" '
        'orient="auto"><path d="M0 0.8 7.5 4 0 7.2z" class="tip"/></marker></defs>'
    )
    number = {name: k for k, name in enumerate(known)}
    curves = "".join(
        f'<path class="edge" data-from="{number[used]}" data-to="{number[user]}" d="{_curve(points)}" marker-end="url(#arrow)"/>'
        for (used, user), points in paths
    )
    drawn = "".join(_draw(known[name], number[name], x, y) for name, (x, y) in places.items())
    label = 'role="group" aria-label="Which statement builds on which"'
    return f'<svg class="graph" {size} {label}>{arrow}{curves}{drawn}</svg>'


def reduced(uses: dict[str, list[str]]) -> list[tuple[str, str]]:
    """(used, user) for each use that no chain of uses implies; uses that close a circle are dropped."""
    order: list[str] = []
    below: dict[str, set[str]] = {}
    direct: dict[str, list[str]] = {}
    active: set[str] = set()

    def visit(name: str) -> None:
        if name in below or name in active:
            return
        active.add(name)
        for used in uses[name]:
            visit(used)
        direct[name] = [used for used in dict.fromkeys(uses[name]) if used in below]
        below[name] = set(direct[name]).union(*(below[used] for used in direct[name]))
        active.discard(name)
        order.append(name)

    for name in uses:
        visit(name)
    kept = []
    for name in uses:
        implied = set().union(*(below[used] for used in direct[name]))
        kept += [(used, name) for used in direct[name] if used not in implied]
    return kept


class _Vertex(Vertex):
    """A vertex with a place in the order: grandalf keeps vertices in sets, and a page must be the same each time."""

    def __init__(self, name: str, place: int) -> None:
        super().__init__(name)
        self.place = place

    def __hash__(self) -> int:
        return self.place


class _Edge(Edge):
    def __hash__(self) -> int:
        return hash((self.v[0].place, self.v[1].place))


def _arrange(
    names: list[str], edges: list[tuple[str, str]]
) -> tuple[dict[str, Point], list[tuple[tuple[str, str], list[Point]]], float, float]:
    """Top left corners of the nodes, each edge with the points that it passes, and the size of the drawing."""
    linked = {name for edge in edges for name in edge}
    vertices = {name: _Vertex(name, k) for k, name in enumerate(names) if name in linked}
    for vertex in vertices.values():
        vertex.view = VertexViewer(WIDTH, HEIGHT)
    lines = [_Edge(vertices[used], vertices[user]) for used, user in edges]
    places: dict[str, Point] = {}
    paths: list[tuple[tuple[str, str], list[Point]]] = []
    bottom = float(MARGIN)
    for part in Graph(list(vertices.values()), lines).C if vertices else []:
        layers, chains = _layers(part)
        middle = _heights(layers, chains)
        shift = bottom - min(middle[v] - _height(v) / 2 for layer in layers for v in layer)
        at = {v: (MARGIN + k * (WIDTH + GAP), middle[v] + shift) for k, layer in enumerate(layers) for v in layer}
        places |= {v.data: (at[v][0], at[v][1] - HEIGHT / 2) for v in part.sV}
        for chain in chains:
            bends = [p for v in chain[1:-1] for p in (at[v], (at[v][0] + WIDTH, at[v][1]))]
            (x, y), end = at[chain[0]], at[chain[-1]]
            paths.append(((chain[0].data, chain[-1].data), [(x + WIDTH, y), *bends, end]))
        bottom = max(y + _height(v) / 2 for v, (_, y) in at.items()) + 2 * ROW
    right = max((x + WIDTH for x, _ in places.values()), default=8.0 * (WIDTH + GAP))
    columns = max(1, int((right - MARGIN + GAP) // (WIDTH + GAP)))
    for k, name in enumerate(name for name in names if name not in linked):
        row, column = divmod(k, columns)
        places[name] = (MARGIN + column * (WIDTH + GAP), bottom + row * (HEIGHT + ROW))
    width = max((x + WIDTH for x, _ in places.values()), default=0.0) + MARGIN
    passed = [y for _, points in paths for _, y in points]
    height = max([0.0, *passed, *(y + HEIGHT for _, y in places.values())]) + MARGIN
    return {name: places[name] for name in names}, paths, width, height


def _layers(part: Any) -> tuple[list[list[Any]], list[list[Any]]]:
    """Layers of a connected graph, in an order with few crossings, and the vertices that each edge passes."""
    sugiyama = SugiyamaLayout(part)
    sugiyama.init_all(roots=[v for v in part.sV if not v.e_in()], optimize=True)
    for _ in range(12):
        for _ in sugiyama.ordering_step():
            pass
    chains = []
    for line in part.sE:
        passed = sugiyama.ctrls.get(line) or dict(enumerate(line.v))
        chains.append([passed[rank] for rank in sorted(passed)])
    return [list(layer) for layer in sugiyama.layers], chains


def _height(vertex: Any) -> float:
    return HEIGHT if isinstance(vertex, Vertex) and vertex.data is not None else 2.0


def _heights(layers: list[list[Any]], chains: list[list[Any]]) -> dict[Any, float]:
    """Where each vertex goes in its layer: as close to its neighbours as the order and the sizes allow."""
    pulls: dict[Any, list[tuple[Any, float]]] = {v: [] for layer in layers for v in layer}
    for chain in chains:
        for left, right in pairwise(chain):
            bends = sum(_height(v) < HEIGHT for v in (left, right))
            weight = (1.0, 2.0, 8.0)[bends]
            pulls[left].append((right, weight))
            pulls[right].append((left, weight))
    middle: dict[Any, float] = {}
    for layer in layers:
        for k, vertex in enumerate(layer):
            middle[vertex] = (k - len(layer) / 2) * (HEIGHT + ROW)
    for sweep in range(40):
        for layer in layers if sweep % 2 else reversed(layers):
            wanted = [
                sum(middle[u] * w for u, w in pulls[v]) / sum(w for _, w in pulls[v]) if pulls[v] else middle[v]
                for v in layer
            ]
            sizes = [_height(v) for v in layer]
            middle |= zip(layer, spread(wanted, sizes), strict=True)
    return middle


def spread(wanted: list[float], sizes: list[float]) -> list[float]:
    """Positions nearest to ``wanted`` that keep the order and leave room (least squares, adjacent pools)."""
    offsets = [0.0]
    for above, below in pairwise(sizes):
        offsets.append(offsets[-1] + (above + below) / 2 + ROW)
    pools: list[tuple[float, int]] = []
    for want, offset in zip(wanted, offsets, strict=True):
        mean, count = want - offset, 1
        while pools and pools[-1][0] > mean:
            other, more = pools.pop()
            mean, count = (mean * count + other * more) / (count + more), count + more
        pools.append((mean, count))
    means = [mean for mean, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _curve(points: list[Point]) -> str:
    """Horizontal at every point, so that lines leave and enter nodes straight."""
    text = f"M{points[0][0]:.0f} {points[0][1]:.0f}"
    for (x0, y0), (x1, y1) in pairwise(points):
        if abs(y1 - y0) < 1:
            text += f"L{x1:.0f} {y1:.0f}"
            continue
        middle = (x0 + x1) / 2
        text += f"C{middle:.0f} {y0:.0f} {middle:.0f} {y1:.0f} {x1:.0f} {y1:.0f}"
    return text


def _draw(node: GraphNode, number: int, x: float, y: float) -> str:
    face = verdict(node.verdict)
    name = f"{node.id}: {node.title} ({face.label})"
    lines = textwrap.wrap(node.title, 19, max_lines=2, placeholder="…")
    words = "".join(
        f'<text class="title" x="{x + 10:.0f}" y="{y + 28 + 11 * k:.0f}">{escape(line)}</text>'
        for k, line in enumerate(lines)
    )
    short = node.id if len(node.id) <= LETTERS else f"{node.id[: LETTERS - 1]}…"
    size = next(name for name, most in SIZES.items() if len(short) + 2 <= most)
    head = f'<text class="{size}" x="{x + 10:.0f}" y="{y + 15:.0f}">{face.icon} {escape(short)}</text>'
    shape = _shape(x, y, WIDTH, HEIGHT, node.origin, node.kind)
    inside = f"<title>{escape(name)}</title>{shape}{head}{words}"
    return f'<a href="{escape(node.href)}" data-node="{number}" class="node v-{face.key}">{inside}</a>'


def _shape(x: float, y: float, width: float, height: float, origin: str, kind: str) -> str:
    outline = ORIGINS.get(origin, ORIGINS["own"])
    corner = height / 3 if kind in ROUND_KINDS else 4
    dash = f' stroke-dasharray="{outline.dash}"' if outline.dash else ""
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height:.0f}" rx="{corner:.0f}" '
        f'stroke-width="{outline.width}"{dash}/>'
    )


def legend(shown: Iterable[str], origins: Iterable[str] = tuple(ORIGINS)) -> list[tuple[str, str]]:
    """(sample drawing, words) for each verdict and origin that is shown, and for round corners."""

    def sample(face: Verdict | None, origin: str, kind: str) -> str:
        shape = _shape(2, 2, 34, 20, origin, kind)
        icon = f'<text class="id" x="19" y="16" text-anchor="middle">{face.icon}</text>' if face else ""
        group = f'<g class="node v-{face.key if face else "open"}">{shape}{icon}</g>'
        return f'<svg width="38" height="24" aria-hidden="true">{group}</svg>'

    faces = [verdict(key) for key in shown]
    rows = [(sample(face, "published", "identity"), f"{face.label}: {face.meaning}") for face in faces]
    rows += [(sample(None, key, "identity"), ORIGINS[key].label) for key in origins]
    return [*rows, (sample(None, "published", ROUND_KINDS[0]), " or ".join(ROUND_KINDS))]
