"""Make reference.json: scores of the same arrays by pytorch-adapt, which shares no code with dabench.

Run in an environment of its own, not dabench's: Python 3.11 with ``pytorch-adapt==0.0.83 "setuptools<81"``.

    python tests/rules/make_reference.py

The arrays are made anew from numpy's seed, here and in the tests; the file keeps scores alone.
"""

import json
from pathlib import Path

import numpy as np

CASES = {"few": (0, 12, 3, 4), "wide": (1, 40, 7, 5), "more classes than images": (2, 6, 9, 4)}


def arrays(seed, images, classes, dim):
    """Logits (m, r), and clusters that any k-means finds (m, D) with logits that mostly agree with them."""
    rng = np.random.default_rng(seed)
    logits = 3 * rng.standard_normal((images, classes))
    groups = rng.integers(0, 3, 30)
    clusters = 50 * np.eye(3, dim)[groups] + rng.standard_normal((30, dim))
    predictions = 2 * np.eye(3)[groups] + 1.5 * rng.standard_normal((30, 3))
    weights = rng.lognormal(size=images)
    losses = rng.exponential(size=images)
    return {
        "logits": logits,
        "clusters": clusters,
        "predictions": predictions,
        "weights": weights,
        "losses": losses,
    }


def main():
    """Write reference.json beside this file."""
    import pytorch_adapt
    import sklearn
    import torch
    from pytorch_adapt.validators import (
        BNMValidator,
        ClassClusterValidator,
        EntropyValidator,
        IMValidator,
        SNDValidator,
    )
    from pytorch_adapt.validators.deep_embedded_validator import get_dev_risk

    scores = {}
    for name, sizes in CASES.items():
        made = {key: torch.from_numpy(value) for key, value in arrays(*sizes).items()}
        target = {"logits": made["logits"], "preds": torch.softmax(made["logits"], dim=1)}
        grouped = {"features": made["clusters"], "logits": made["predictions"]}
        grouped["preds"] = torch.softmax(made["predictions"], dim=1)
        # Its k-means draws from the global state: the answer counts only if it is always the same.
        amis = {float(ClassClusterValidator()(target_train=grouped)) for _ in range(50)}
        assert max(amis) - min(amis) < 1e-12, amis
        pair = made["weights"][:, None], made["losses"][:, None]
        scores[name] = {
            "entropy": -float(EntropyValidator()(target_train=target)),
            "infomax": float(IMValidator()(target_train=target)),
            "bnm": float(BNMValidator()(target_train=target)),
            "snd": float(SNDValidator()(target_train=target)),
            "class_ami": max(amis),
            "risk": float(get_dev_risk(*pair, None)),
            "normalised risk": float(get_dev_risk(*pair, "max")),
        }
    made_by = {
        "pytorch-adapt": pytorch_adapt.__version__,
        "torch": torch.__version__.split("+")[0],
        "scikit-learn": sklearn.__version__,
        "numpy": np.__version__,
    }
    path = Path(__file__).with_name("reference.json")
    path.write_text(json.dumps({"made_by": made_by, "scores": scores}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
