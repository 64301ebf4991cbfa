"""How deep JSON nests, before anything parses it."""

import re

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[{]|[\]}]', re.DOTALL)


def nests_deeper(body: bytes, limit: int) -> bool:
    """Whether objects and lists stand more than `limit` deep in each other; of what is no JSON any answer is right."""
    if body.count(b"{") + body.count(b"[") <= limit:  # nearly always, and a hundred times faster
        return False
    depth = 0
    for token in _TOKEN.finditer(body):
        first = body[token.start()]
        if first in b"[{":
            depth += 1
            if depth > limit:
                return True
        elif first in b"]}":
            depth -= 1
    return False
