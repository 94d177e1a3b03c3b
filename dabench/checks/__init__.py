"""Contract and leak checks on a method: what ``dabench check-method`` runs, and the tests on all methods."""

__all__: list[str] = []
