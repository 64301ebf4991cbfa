"""The headers of `inbound.<connection>.v1`: what we know of an element besides its own bytes."""

import msgspec

from models.message import Headers


class Inbound(msgspec.Struct, frozen=True, kw_only=True):
    """How an element reached us. `kind`: `webhook`, `reading` (an element of an answer), `gone` (answered "no such item").

    `received_ms` is when we had it. Readings also carry when we `asked_ms` and had the answer (`answered_ms`), the
    answer's `Date` header in Unix ms (`date_ms`) and the name of the `sweep`.
    """

    kind: str
    received_ms: int
    delivery: str = ""
    asked_ms: int | None = None
    answered_ms: int | None = None
    date_ms: int | None = None
    sweep: str | None = None

    def headers(self) -> Headers:
        """As Kafka headers; what is unknown is left out."""
        headers = {"kind": self.kind.encode(), "received_ms": b"%d" % self.received_ms}
        if self.delivery:
            headers["delivery"] = self.delivery.encode()
        for name, time_ms in (("asked_ms", self.asked_ms), ("answered_ms", self.answered_ms), ("date_ms", self.date_ms)):
            if time_ms is not None:
                headers[name] = b"%d" % time_ms
        if self.sweep:
            headers["sweep"] = self.sweep.encode()
        return headers

    @classmethod
    def of(cls, headers: Headers) -> "Inbound":
        """Read the headers back; a record without them (sent by hand) raises `msgspec.ValidationError`."""
        known = {name: headers[name].decode() for name in cls.__struct_fields__ if name in headers}
        return msgspec.convert(known, cls, strict=False)
