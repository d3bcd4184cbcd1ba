"""What MLflow is missing of a sweep, item by item, and why."""

from collections.abc import Callable
from dataclasses import dataclass

from sweeps.tracking.refusals import is_refusal


@dataclass(frozen=True)
class Item:
    """Something that one request uploads.

    Args:
        owner: The trial's ID, or the sweep's name.
        what: ``parameters``, ``metrics``, ``end``, or the path of a file within the sweep's folder.
        step: The training step that it belongs to, if any.
    """

    owner: str
    what: str
    step: int | None = None

    def __str__(self) -> str:
        step = "" if self.step is None else f", step {self.step}"
        return f"{self.owner}{step}, {self.what}"


class Missing:
    """Makes requests, and keeps what MLflow did not take.

    Args:
        on_answer: Called whenever MLflow has answered.

    Attributes:
        items: Why each missing item is missing.
    """

    def __init__(self, on_answer: Callable[[], None]) -> None:
        self.on_answer = on_answer
        self.items: dict[Item, Exception] = {}
        self._are_files_down = False

    def begin_pass(self) -> None:
        """Try files again, if the artifact store did not answer in the pass before."""
        self._are_files_down = False

    def send(self, item: Item, call: Callable[..., object], *arguments: object, **options: object) -> bool:
        """Make a request, and return whether MLflow took the item; keep why if it refused.

        Raises:
            Exception: MLflow does not answer.
        """
        try:
            call(*arguments, **options)
        except Exception as error:
            if not is_refusal(error):
                raise
            self.items[item] = error
            self.on_answer()
            return False
        self._taken(item)
        return True

    def send_file(
        self, item: Item, call: Callable[..., object], *arguments: object, **options: object
    ) -> bool:
        """Make a request with a file, and return whether MLflow took it; keep why if it did not.

        Files may lie in a store of their own. If that store does not answer, the rest of the pass sends no
        files, so that metrics do not wait for it.
        """
        if self._are_files_down:
            self.items.setdefault(item, ConnectionError("the artifact store does not answer"))
            return False
        try:
            call(*arguments, **options)
        except Exception as error:  # noqa: BLE001 - each artifact store raises errors of its own
            self.items[item] = error
            self._are_files_down = not is_refusal(error)
            if not self._are_files_down:
                self.on_answer()
            return False
        self._taken(item)
        return True

    def _taken(self, item: Item) -> None:
        self.items.pop(item, None)
        self.on_answer()
