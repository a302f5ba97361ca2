"""Who is here, in order, against a plain list."""

from hypothesis import given
from hypothesis import strategies as st

from server.players.online_index import OnlineIndex, Place, Standing

ids = st.sampled_from("abcdef")
standings = st.builds(
    lambda level, exp, player_id: Standing(level, exp, player_id, player_id.upper()),
    st.integers(1, 3),
    st.integers(0, 2),
    ids,
)
steps = st.lists(st.one_of(standings, ids), max_size=30)
places = st.builds(Place, st.integers(0, 4), st.integers(0, 3), st.sampled_from("abcdefg"))


@given(steps, places, st.integers(1, 8))
def test_a_page_is_what_comes_after_a_place(
    plan: list[Standing | str], place: Place, count: int
) -> None:
    here, expected = OnlineIndex(), dict[str, Standing]()
    for step in plan:
        if isinstance(step, Standing):
            here.put(step)
            expected[step.player_id] = step
        else:
            here.drop(step)
            expected.pop(step, None)
    after = sorted((s for s in expected.values() if s[:3] < place), reverse=True)
    assert here.below(place, count) == after[:count]
    assert len(here) == len(expected)
    for ident in "abcdef":
        assert here.get(ident) == expected.get(ident)
        assert (ident in here) == (ident in expected)
