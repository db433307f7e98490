"""The order tables are loaded in, and where cycles of foreign keys are cut.

Nodes are numbers 0..n-1, so that everything here is plain arithmetic on lists.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

from streamer.frozen import frozen


@frozen
class Edge:
    """A foreign key: rows of `child` refer to rows of `parent`.

    `cuttable`: it may be loaded as NULL and set later. `number` is the caller's own.
    """

    child: int
    parent: int
    cuttable: bool
    number: int = 0


@frozen
class Order:
    """How to load.

    `nodes` holds every node, parents first, the members of a staged group side by side. `cut`
    are the edges to set in a second pass; `groups` the sets of nodes that go through staging.
    Every other edge leads from a node to an earlier one.
    """

    nodes: tuple[int, ...]
    cut: frozenset[Edge]
    groups: tuple[frozenset[int], ...]


def load_order(count: int, edges: Sequence[Edge]) -> Order:
    """Order `count` nodes; ties go to the lower number.

    Where several edges could be cut, those of lower children are kept, whatever the sizes: a run
    that is resumed after an ANALYZE must find the same cuts.
    """
    groups = _staged_groups(count, edges)
    member = {node: index for index, group in enumerate(groups) for node in group}
    # A group counts as one node: the lowest of its members.
    leader = [min(groups[member[node]]) if node in member else node for node in range(count)]
    cut: set[Edge] = set()
    kept: list[set[int]] = [set() for _ in range(count)]
    soft: list[Edge] = []
    for edge in edges:
        child, parent = leader[edge.child], leader[edge.parent]
        if edge.child in member and edge.parent in member and child == parent:
            continue
        if edge.cuttable and edge.child not in member:
            soft.append(edge)
        else:
            kept[child].add(parent)
    components = _component_numbers(count, [(leader[e.child], leader[e.parent]) for e in edges])
    for edge in sorted(soft, key=lambda e: (e.child, e.parent, e.number)):
        child, parent = leader[edge.child], leader[edge.parent]
        same = components[child] == components[parent]
        if child == parent or (same and _reaches(kept, parent, child)):
            cut.add(edge)
        else:
            kept[child].add(parent)
    order: list[int] = []
    for node in _parents_first(kept):
        if node in member:
            order += sorted(groups[member[node]]) if leader[node] == node else []
        else:
            order.append(node)
    return Order(tuple(order), frozenset(cut), groups)


def strong_components(count: int, edges: Iterable[tuple[int, int]]) -> list[list[int]]:
    """The strongly connected components of a graph of child → parent pairs, parents first.

    Tarjan's algorithm with its own stack, so that a chain of 10,000 tables recurses nowhere.
    """
    successors: list[list[int]] = [[] for _ in range(count)]
    for child, parent in edges:
        successors[child].append(parent)
    index = [-1] * count
    low = [0] * count
    on_stack = [False] * count
    stack: list[int] = []
    components: list[list[int]] = []
    counter = 0
    for root in range(count):
        if index[root] >= 0:
            continue
        work = [(root, 0)]
        while work:
            node, position = work.pop()
            if position == 0:
                index[node] = low[node] = counter
                counter += 1
                stack.append(node)
                on_stack[node] = True
            else:
                low[node] = min(low[node], low[successors[node][position - 1]])
            for offset in range(position, len(successors[node])):
                successor = successors[node][offset]
                if index[successor] < 0:
                    work += [(node, offset + 1), (successor, 0)]
                    break
                if on_stack[successor]:
                    low[node] = min(low[node], index[successor])
            else:
                if low[node] == index[node]:
                    components.append(_pop_component(stack, on_stack, node))
    return components


def _pop_component(stack: list[int], on_stack: list[bool], root: int) -> list[int]:
    component: list[int] = []
    while True:
        node = stack.pop()
        on_stack[node] = False
        component.append(node)
        if node == root:
            return sorted(component)


def _component_numbers(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    numbers = [0] * count
    for number, component in enumerate(strong_components(count, pairs)):
        for node in component:
            numbers[node] = number
    return numbers


def _staged_groups(count: int, edges: Sequence[Edge]) -> tuple[frozenset[int], ...]:
    """Cycles that can't be cut. A staged table's other foreign keys can't be cut either, so the
    groups grow until they stay the same.
    """
    staged: set[int] = set()
    while True:
        hard = [(e.child, e.parent) for e in edges if not e.cuttable or e.child in staged]
        loops = {child for child, parent in hard if child == parent}
        groups = [
            frozenset(component)
            for component in strong_components(count, hard)
            if len(component) > 1 or component[0] in loops
        ]
        members = {node for group in groups for node in group}
        if members == staged:
            return tuple(sorted(groups, key=min))
        staged = members


def _reaches(kept: Sequence[set[int]], start: int, goal: int) -> bool:
    seen, work = {start}, [start]
    while work:
        node = work.pop()
        if node == goal:
            return True
        fresh = kept[node] - seen
        seen |= fresh
        work += fresh
    return False


def _parents_first(parents: Sequence[set[int]]) -> list[int]:
    """A topological order of an acyclic graph; among free nodes the lowest goes first."""
    children: list[list[int]] = [[] for _ in parents]
    missing = [len(mine) for mine in parents]
    for child, mine in enumerate(parents):
        for parent in mine:
            children[parent].append(child)
    free = [node for node, number in enumerate(missing) if number == 0]
    heapq.heapify(free)
    order: list[int] = []
    while free:
        node = heapq.heappop(free)
        order.append(node)
        for child in children[node]:
            missing[child] -= 1
            if missing[child] == 0:
                heapq.heappush(free, child)
    return order
