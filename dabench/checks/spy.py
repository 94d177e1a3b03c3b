"""Stand beside a method in a run: see what the engine hands to it and what it gives back."""

from typing import Any

from torch import Tensor

from dabench.method import Batch, Features, Method, Network, Optimise, Outputs, Selection

__all__ = ["Spy", "spied"]


class Spy:
    """Remembers the network and the method of a run. Subclasses look at more.

    Attributes:
        network: of the run, once it is built.
        method: of the run.
    """

    network: Any
    method: Method

    def built(self, method: Method, network: Network) -> None:
        """The method was set up."""
        self.method, self.network = method, network

    def step_begins(self, batch: Batch, optimise: Optimise) -> Optimise:
        """A step begins; return what the method is given as ``optimise``."""
        return optimise

    def step_ends(self) -> None:
        """The method has taken its step."""

    def epoch_begins(self, features: Features) -> None:
        """The method may look at all features."""

    def epoch_chose(self, selection: Selection | None) -> None:
        """The method has looked at them."""

    def prediction_begins(self, images: Tensor) -> None:
        """The method is to predict."""

    def prediction_ends(self, images: Tensor, outputs: Outputs) -> None:
        """The method has predicted."""

    def state(self) -> dict[str, Any]:
        """Weights and buffers of network and method by name, not copied."""
        return {
            f"{part}.{key}": value
            for part, module in (("network", self.network), ("method", self.method))
            for key, value in module.state_dict().items()
        }


def spied(cls: type[Method], spy: Spy) -> type[Method]:
    """Return a subclass that behaves as the method does and lets the spy look on."""

    def setup(self: Method, network: Network) -> None:
        cls.setup(self, network)
        spy.built(self, network)

    def train_step(self: Method, network: Network, batch: Batch, optimise: Optimise) -> None:
        cls.train_step(self, network, batch, spy.step_begins(batch, optimise))
        spy.step_ends()

    def predict(self: Method, network: Network, images: Tensor) -> Outputs:
        spy.prediction_begins(images)
        outputs = cls.predict(self, network, images)
        spy.prediction_ends(images, outputs)
        return outputs

    def begin_epoch(self: Method, features: Features, progress: float) -> Selection | None:
        spy.epoch_begins(features)
        selection = cls.begin_epoch(self, features, progress)
        spy.epoch_chose(selection)
        return selection

    hooks = [setup, train_step, predict]
    if cls.begin_epoch is not Method.begin_epoch:  # the engine asks whether a method has the hook
        hooks.append(begin_epoch)
    body = {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
    return type(cls.__name__, (cls,), {**body, **{hook.__name__: hook for hook in hooks}})
