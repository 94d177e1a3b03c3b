"""Which arguments a configuration may pass on to timm: those of a network's shape, none that fetch or load.

Sweep files, manifests and recipes come from strangers. ``timm.create_model`` also takes arguments that name
files to unpickle, addresses to download from and folders to write to; only dabench itself gives it those.
"""

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["check_arguments"]

# By name, because a configuration is read without timm; what else create_model calls its own is refused where
# a network is built.
REFUSED = frozenset({
    "model_name", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir",
    "pretrained_strict", "pretrained_filter_fn", "pretrained_model_args", "default_cfg", "model_cls",
    "variant", "model_cfg", "kwargs_filter", "pruned",  # where a network comes from
    "num_classes", "features_only", "feature_cls", "feature_cfg", "out_indices",  # what it gives out
    "scriptable", "exportable", "no_jit", "device", "dtype",  # how it is run
})  # fmt: skip
LONGEST_TEXT = 200
MOST_ITEMS = 64


def check_arguments(args: Mapping[str, Any], own: frozenset[str] = frozenset()) -> None:
    """Make sure that arguments say what a network is like, and not where it or its weights come from.

    Args:
        args: name to value, as in ``backbone_args``.
        own: further names that are refused.

    Raises:
        ValueError: another name, or a value that is no number, text, truth value or short list of them.

    >>> check_arguments({"drop_path_rate": 0.1, "img_size": [224, 224]})
    """
    for name, value in args.items():
        shown = str(name)[:LONGEST_TEXT]
        if name in REFUSED or name in own:
            raise ValueError(
                f"{shown} is not taken: backbone_args say what a network is like; its weights come from "
                "'weights', and the rest is dabench's own"
            )
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"'{shown}' is no name of an argument")
        items = value if isinstance(value, list | tuple) else [value]
        if len(items) > MOST_ITEMS or not all(map(_is_plain, items)):
            raise ValueError(
                f"{shown}: expected a number, text, true or false, or a list of at most {MOST_ITEMS} of them"
            )


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST_TEXT
    return value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
