from hypothesis import given
from hypothesis import strategies as st

from streamer.translate.graph import Edge, load_order, strong_components


@st.composite
def graphs(draw: st.DrawFn) -> tuple[int, list[Edge]]:
    count = draw(st.integers(1, 12))
    nodes = st.integers(0, count - 1)
    pairs = draw(st.lists(st.tuples(nodes, nodes, st.booleans()), max_size=30))
    return count, [
        Edge(child, parent, cuttable=cuttable, number=number)
        for number, (child, parent, cuttable) in enumerate(pairs)
    ]


@given(graphs())
def test_every_foreign_key_is_satisfied_deferred_or_staged(graph: tuple[int, list[Edge]]):
    count, edges = graph

    order = load_order(count, edges)

    assert sorted(order.nodes) == list(range(count))
    place = {node: at for at, node in enumerate(order.nodes)}
    group = {node: number for number, nodes in enumerate(order.groups) for node in nodes}
    for edge in edges:
        satisfied = place[edge.parent] < place[edge.child]
        deferred = edge in order.cut and edge.cuttable and edge.child not in group
        staged = edge.child in group and group[edge.child] == group.get(edge.parent)
        assert satisfied or deferred or staged
    assert all(edge.child not in group for edge in order.cut)


@given(graphs())
def test_the_members_of_a_staged_group_stand_side_by_side(graph: tuple[int, list[Edge]]):
    order = load_order(*graph)

    for group in order.groups:
        places = sorted(order.nodes.index(node) for node in group)
        assert places == list(range(places[0], places[0] + len(group)))


@given(graphs())
def test_nothing_is_staged_or_cut_without_a_cycle(graph: tuple[int, list[Edge]]):
    count, edges = graph
    forward = [edge for edge in edges if edge.parent < edge.child]

    order = load_order(count, forward)

    assert not order.cut
    assert not order.groups


def test_independent_tables_keep_their_order():
    assert load_order(4, []).nodes == (0, 1, 2, 3)


def test_of_two_cuttable_edges_the_lower_child_s_is_kept_in_whatever_order_they_come():
    kept, cut = Edge(0, 1, cuttable=True), Edge(1, 0, cuttable=True)

    order = load_order(2, [cut, kept])

    assert order.cut == {cut}
    assert order.nodes == (1, 0)


def test_a_nullable_self_reference_is_cut_and_a_strict_one_staged():
    assert load_order(1, [Edge(0, 0, cuttable=True)]).cut
    assert load_order(1, [Edge(0, 0, cuttable=False)]).groups == (frozenset({0}),)


def test_a_staged_table_s_other_edges_are_not_cut_so_the_group_grows():
    cycle = [Edge(0, 1, cuttable=False), Edge(1, 0, cuttable=False)]
    through_another = [Edge(1, 2, cuttable=True), Edge(2, 1, cuttable=False)]

    order = load_order(3, cycle + through_another)

    assert order.groups == (frozenset({0, 1, 2}),)


def test_a_chain_of_ten_thousand_tables_is_ordered():
    edges = [Edge(node, node + 1, cuttable=False) for node in range(9_999)]

    assert load_order(10_000, edges).nodes == tuple(reversed(range(10_000)))


@given(graphs())
def test_two_nodes_share_a_component_if_each_reaches_the_other(graph: tuple[int, list[Edge]]):
    count, edges = graph
    reach = [{node} for node in range(count)]
    for _ in range(count):
        for edge in edges:
            reach[edge.child] |= reach[edge.parent]

    components = strong_components(count, [(edge.child, edge.parent) for edge in edges])

    number = {node: at for at, nodes in enumerate(components) for node in nodes}
    for left in range(count):
        for right in range(count):
            both = right in reach[left] and left in reach[right]
            assert (number[left] == number[right]) == both
    assert all(number[edge.parent] <= number[edge.child] for edge in edges)
