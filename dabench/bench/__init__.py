"""Speed against the bare backbone: contenders that alternate in one process, and what is said of them."""

__all__: list[str] = []
