"""How deep JSON nests."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.receiver.depth import nests_deeper


@pytest.mark.parametrize(
    ("body", "depth"),
    [
        (b"", 0),
        (b"17", 0),
        (b"{}", 1),
        (b'{"a":[{}]}', 3),
        (b'["[[[[[[", "\\"[[[["]', 1),
        (b'["\\\\", [2]]', 2),
        (b"[]" * 50, 1),
        (b"[" * 1000, 1000),
    ],
)
def test_nests_deeper_when_asked_then_depth_is_that_of_the_brackets_outside_texts(body: bytes, depth: int) -> None:
    assert not nests_deeper(body, depth)
    assert depth == 0 or nests_deeper(body, depth - 1)


def _depth(value: object) -> int:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inside is None else 1 + max(map(_depth, inside), default=0)


JSON = st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@given(JSON)
def test_nests_deeper_when_json_is_any_then_agrees_with_its_structure(value: object) -> None:
    depth = _depth(value)
    body = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    assert not nests_deeper(body, depth)
    assert depth == 0 or nests_deeper(body, depth - 1)
