"""Learning rate and reversal weight as pure functions of the progress p in [0, 1]."""

import math

from dabench.config import ReversalConfig, ScheduleConfig

__all__ = ["learning_rate_factor", "reversal_weight"]


def learning_rate_factor(progress: float, schedule: ScheduleConfig) -> float:
    """Part of the initial learning rate, (1 + alpha p)^-power (DANN, ICML 2015, appendix C).

    >>> learning_rate_factor(0.0, ScheduleConfig())
    1.0
    """
    return float((1.0 + schedule.alpha * progress) ** -schedule.power)


def reversal_weight(progress: float, reversal: ReversalConfig) -> float:
    """Lambda of the gradient reversal: 0 at the start, close to its maximum at the end (DANN, section 4).

    >>> reversal_weight(0.0, ReversalConfig())
    0.0
    """
    return reversal.maximum * (2.0 / (1.0 + math.exp(-reversal.gamma * progress)) - 1.0)
