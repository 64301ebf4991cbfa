"""Where a catalogue run stands, as text in its cursor."""

import pytest

from models.codec import encode
from models.cursor import Cursor
from models.errors import PoisonError
from streams.catalogue import Position, position_of
from streams.scan import Span, left


def _cursor(position: str) -> Cursor:
    return Cursor(connection="crm", what="catalogue", due_ms=1, sweep="s", position=position)


def test_position_when_written_and_read_then_the_same() -> None:
    position = Position(began_ms=7, size=90, spans={0: Span(10, 40), 3: Span(5, 5)}, settling_ms=8)
    text = encode(position).decode()
    assert text == '{"began_ms":7,"size":90,"spans":{"0":[10,40],"3":[5,5]},"settling_ms":8}'
    assert position_of(_cursor(text)) == position
    assert position_of(_cursor("")) is None


@pytest.mark.parametrize("text", ["17", "nonsense", '{"began_ms":"x"}'])
def test_position_when_it_is_none_of_ours_then_says_how_to_begin_anew(text: str) -> None:
    with pytest.raises(PoisonError, match="stockwire reconcile --catalogue"):
        position_of(_cursor(text))


@pytest.mark.parametrize(("spans", "said"), [({}, 1.0), ({0: Span(0, 10), 1: Span(0, 10)}, 0.0), ({0: Span(10, 10), 1: Span(5, 10)}, 0.75)])
def test_said_when_some_offsets_are_left_then_the_share_of_the_others(spans: dict[int, Span], said: float) -> None:
    assert Position(began_ms=1, size=20 if spans else 0, spans=spans).said == said


def test_left_when_compaction_put_the_start_behind_the_end_then_nothing() -> None:
    assert left({0: Span(12, 10), 1: Span(0, 3)}) == 3
