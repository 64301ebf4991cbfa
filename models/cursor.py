"""Where a list reading stands: the value of `poll.v1`, keyed `<connection>/<list>`; a register (newest wins)."""

from models.message import Message


class Cursor(Message, frozen=True):
    """The next page of list `what` is to be asked for at `due_ms` from row `position`.

    `sweep` names the run through the whole list; empty between runs. `rows` counts the elements read, or the records written, in this run.
    """

    connection: str
    what: str
    due_ms: int
    sweep: str = ""
    position: str = ""
    rows: int = 0
