"""dabench: benchmark suite and leaderboard for unsupervised domain adaptation of image classifiers."""

__version__ = "0.1.0"
