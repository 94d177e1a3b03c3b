"""Importance weights and the weighted risk of deep embedded validation. No rule is registered here.

You, Wang, Long & Jordan, "Towards Accurate Model Selection in Deep Unsupervised Domain Adaptation", ICML
2019. Both rules need the same classifier, which costs most of what they do: its weights are remembered.

A change here changes the scores of ``dev`` and ``devn``: raise the ``version`` of both.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from dabench.rules.stored import canonical_order, labelled, usable
from dabench.selection import Array, Snapshot

__all__ = ["DECAY", "domain_weights", "normalised", "risk", "weighed"]

DECAY = 0.01  # one of the nine that the authors' code tries, 1e-5 to 1e-1
LARGEST_LOGIT = 30.0  # 1 - sigmoid(30) is 1e-13: a surer classifier is beyond what float64 can say
REMEMBERED = 64  # evaluations whose weights are kept for the next rule of the same run
EQUAL = 1e-9  # weights that differ by less, relatively, are one weight


_weights: dict[bytes, NDArray[np.float64]] = {}


def domain_weights(source: Array, target: Array, validation: Array) -> NDArray[np.float64]:
    """Density ratio target / source at the features of held-out source images.

    w(f) = (N_s / N_t) * P(target | f) / P(source | f), with P from a logistic regression: minimise the mean
    log loss over source and target images plus DECAY/2 times the squared norm of its weights, on features
    that are centred and scaled to unit variance over both domains together.

    Deviation: the authors' code trains a network of two hidden layers from a random start, and picks its
    weight decay on a random fifth of the images. A logistic regression has one minimum, so it needs neither a
    seed nor a split. Images are put in an order of their own, so that none changes the last digits.

    Args:
        source: features of source images, (N_s, D), finite.
        target: features of target images, (N_t, D), finite.
        validation: features of held-out source images, (n, D), finite.

    Returns:
        (n,) positive; 1 in the mean where the classifier is right. All 1 where features do not vary.
    """
    digest = hashlib.sha256()
    for part in (source, target, validation):
        digest.update(repr(part.shape).encode())
        digest.update(np.ascontiguousarray(part, np.float64).data)
    key = digest.digest()
    if key not in _weights:
        if len(_weights) == REMEMBERED:
            _weights.clear()
        _weights[key] = _fitted_weights(source, target, validation)
    return _weights[key].copy()


def _fitted_weights(source: Array, target: Array, validation: Array) -> NDArray[np.float64]:
    """What ``domain_weights`` returns, computed."""
    parts = [np.asarray(part, np.float64) for part in (source, target)]
    stacked = np.concatenate([part[canonical_order(part)] for part in parts])
    centre = stacked.mean(axis=0)
    varies = stacked.max(axis=0) > stacked.min(axis=0)
    scale = np.where(varies, stacked.std(axis=0), 1.0)
    is_source = np.repeat([1, 0], [len(source), len(target)])
    classifier = LogisticRegression(C=1 / (DECAY * len(stacked)), tol=1e-6, max_iter=1000)
    # A constant column says nothing of domains; rounding of its mean must not either.
    classifier.fit(np.where(varies, (stacked - centre) / scale, 0.0), is_source)
    held_out = np.where(varies, (np.asarray(validation, np.float64) - centre) / scale, 0.0)
    logits = np.clip(classifier.decision_function(held_out), -LARGEST_LOGIT, LARGEST_LOGIT)
    return np.asarray(len(source) / len(target) * np.exp(-logits))


def weighed(
    target: Snapshot, source: Snapshot | None, source_val: Snapshot | None
) -> tuple[NDArray[np.float64], Snapshot, NDArray[np.int64]] | None:
    """Return the weights of the held-out images, the images and their labels, all (n, ...).

    None for fewer than two of them, or where a stored value is not finite.

    Raises:
        ValueError: a source part is missing.
    """
    trained, _ = labelled(source, "source")
    held_out, labels = labelled(source_val, "source_val")
    read = (trained.features, target.features, held_out.features, held_out.logits)
    if len(labels) < 2 or not usable(*read):
        return None
    return domain_weights(trained.features, target.features, held_out.features), held_out, labels


def normalised(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights over their maximum, then shifted to a mean of 1: (n,), each below 2.

    Musgrave, Belongie & Lim 2022, "max normalization"; the shift is in their library, pytorch-adapt.
    """
    scaled = weights / weights.max()
    return np.asarray(scaled - scaled.mean() + 1)


def risk(weights: NDArray[np.float64], losses: NDArray[np.float64]) -> float:
    """Importance-weighted mean loss with a control variate.

    mean(w l) + eta (mean(w) - 1), eta = -cov(w l, w) / var(w): since E[w] = 1 the second term has mean zero,
    and this eta makes the variance of the sum least.

    Args:
        weights: (n,) importance weights, n at least 2.
        losses: (n,) losses of the same images.

    Returns:
        The estimated target risk, unbounded in either direction; mean(w l) where all weights are equal.
    """
    weighted = weights * losses
    if np.ptp(weights) <= EQUAL * np.abs(weights).max():
        return float(weighted.mean())
    covariance = np.cov(weighted, weights, ddof=1)
    eta = -covariance[0, 1] / covariance[1, 1]
    return float(weighted.mean() + eta * (weights.mean() - 1))
