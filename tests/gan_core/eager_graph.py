"""A graph on a CPU: it calls the captured function again, on the same tensors."""

from collections import Counter
from contextlib import contextmanager
from unittest.mock import patch

from torch.utils._python_dispatch import TorchDispatchMode

from gan_core import trainer as of_trainer

SYNCHRONIZING = {"aten::_local_scalar_dense", "aten::nonzero", "aten::is_nonzero", "aten::equal"}


class Synchronizations(TorchDispatchMode):
    """Counts the operations for which a process waits for its GPU."""

    def __init__(self):
        super().__init__()
        self.counted = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.name().partition(".")[0]
        if name in SYNCHRONIZING:
            self.counted[name] += 1
        return func(*args, **kwargs or {})


class EagerGraph:
    """As a CUDA graph: the capture does not do the work, and a replay does it with the tensors it has."""

    def __init__(self, error=None):
        self.calls = []
        self._error = error

    def rehearse(self, function):
        self.calls.append("rehearse")
        with Synchronizations() as found:
            function()
        return [*found.counted]

    def capture(self, function):
        self.calls.append("capture")
        if self._error:
            self._error()
        self._function = function

    def replay(self):
        self.calls.append("replay")
        self._function()


@contextmanager
def eager_graphs(error=None):
    """Give every new trainer an :class:`EagerGraph`, and yield the list of all of them.

    Args:
        error: A function that raises the error of each capture.
    """
    graphs = []

    def graph_for(device, generators=()):
        graphs.append(EagerGraph(error))
        return graphs[-1]

    with patch.object(of_trainer, "graph_for", graph_for):
        yield graphs
