"""What an answer of retailCRM means: its status and its body together, for either alone may say "success"."""

import re
from collections.abc import Callable, Iterator

import msgspec

from models.errors import OperatorError, OutcomeUnknownError, PoisonError, RefusedError
from streams.http import Answer, judge
from streams.systems.retailcrm import wire

PARTLY = 460
ROW = re.compile(r"\boffers\[(\d+)\](?:\.stores\[(\d+)\](\.code\b)?)?")
SITE = "name the code of one of the account's sites in `site`"
SAYS = {
    '"apiKey" is missing.': "check api_key",
    'Wrong "apiKey" value.': "check api_key",
    "Access denied.": "give the key the scopes that `stockwire check` names, and allow editing stock (Settings, Warehouse)",
    "Account does not exist.": "check account_url",
    "Method not found": "check account_url: it is the account's address without /api",
    "API method not found": "check account_url: it is the account's address without /api",
    "Parameter 'site' is missing": SITE,
}
"""The fixed texts that are about the connection; all others may be in the account's language."""
ABOUT_DATA = frozenset(("Errors in the entity format", "Errors in the input parameters", "Validation error"))
"""The fixed texts that are about what was sent, also where no path says which part of it."""

Clean = Callable[[str], str]
"""Takes secrets out of a text."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with row `row` of a call, in the remote's words; `store`: the number of its store whose code is unknown."""

    row: int
    text: str
    store: int | None = None


def understood(answer: Answer, clean: Clean) -> wire.Envelope:
    """What the account says to a call that it understood, be it yes or no.

    Raises `TransientError` (429, 503 whatever the body), `OutcomeUnknownError` (5xx, no JSON), `RefusedError` (413) or
    `OperatorError` (key, scopes, address, site).
    """
    status = answer.status
    if status >= 500 or status in {408, 413, 425, 429} or 300 <= status < 400:  # noqa: PLR2004  # HTTP's own numbers
        judge(answer)
    said = _envelope(answer)
    hint = _connection_hint(answer, said)
    if hint is not None:
        text = clean(words(said)) if said else "something else than JSON"
        raise OperatorError(f"{_called(answer)} was answered {status} ({text}): {hint}").after(answer.exchange)
    if said is None or said.success is None:
        raise OutcomeUnknownError(f"{_called(answer)} was answered {status} with something else than its JSON").after(answer.exchange)
    return said


def judged(answer: Answer, clean: Clean) -> Answer:
    """A good answer. Raises as `understood`, and `RefusedError` for a no, which may come with status 200."""
    said = understood(answer, clean)
    if is_success(answer, said):
        return answer
    raise refusal(answer, said, clean)


def is_success(answer: Answer, said: wire.Envelope) -> bool:
    """Whether status and body both say so."""
    return said.success is True and 200 <= answer.status < 300  # noqa: PLR2004  # HTTP's own numbers


def refusal(answer: Answer, said: wire.Envelope, clean: Clean) -> RefusedError:
    """The error of a no."""
    error = RefusedError(f"{_called(answer)} was answered {answer.status}: {clean(words(said))}", status=answer.status)
    return error.after(answer.exchange)


def of_portion(answer: Answer, said: wire.Envelope, clean: Clean) -> RefusedError | OperatorError:
    """The error of a no that names no row: about some row, or (as when nobody may edit stock) about all that will ever be sent."""
    error = refusal(answer, said, clean)
    if answer.status == PARTLY or said.errors or not said.error_msg or said.error_msg in ABOUT_DATA:
        return error
    return OperatorError(f"{error}: see what the account allows (Settings, Warehouse: editing stock)").after(answer.exchange)


def words(said: wire.Envelope) -> str:
    """What a no says to a person."""
    texts = [f"{path}: {text}" if path else text for path, text in _errors(said)]
    return "; ".join([said.error_msg or "no reason given", *texts])


def faults(said: wire.Envelope) -> list[Fault]:
    """The rows that a no names, by the paths in `errors`: as keys, or in the texts of a list."""
    found = []
    for path, text in _errors(said):
        place = ROW.search(path or text)
        if place:
            store = int(place[2]) if place[3] else None
            found.append(Fault(row=int(place[1]), text=f"{path}: {text}" if path else text, store=store))
    return found


def _errors(said: wire.Envelope) -> Iterator[tuple[str, str]]:
    """Path (empty in a list) and text of each."""
    if isinstance(said.errors, dict):
        for path, text in said.errors.items():
            yield path, text if isinstance(text, str) else msgspec.json.encode(text).decode()
    elif isinstance(said.errors, list):
        yield from (("", text if isinstance(text, str) else msgspec.json.encode(text).decode()) for text in said.errors)


def _connection_hint(answer: Answer, said: wire.Envelope | None) -> str | None:
    """What a person must do, if the answer is about the connection and not about what was said."""
    if said is None:
        page = answer.body.lstrip()[:1] == b"<" or answer.status >= 400  # noqa: PLR2004  # HTTP's own number
        return "a page instead of the API: does the account exist? Check account_url" if page else None
    if said.success:
        return None
    hint = SAYS.get(said.error_msg or "")
    if hint is None and isinstance(said.errors, dict) and "site" in said.errors:
        hint = SITE
    if hint is None and answer.status in {401, 403, 405, 410}:
        hint = "check account_url, api_key and its scopes"
    return hint


def _envelope(answer: Answer) -> wire.Envelope | None:
    try:
        return wire.decode_envelope(answer.body)
    except PoisonError:
        return None


def _called(answer: Answer) -> str:
    return f"{answer.exchange.method} {answer.exchange.url}"
