"""Search of hyperparameters by a selection rule, without target labels, with one budget for every method."""

__all__: list[str] = []
