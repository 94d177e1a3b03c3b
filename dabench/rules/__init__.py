"""Selection rules, one a file. A file registers its rule with ``dabench.selection.register_rule``."""

__all__: list[str] = []
