"""From records to tables, intervals and pages."""

if __name__ == "leaderboard":
    raise ImportError("use dabench.leaderboard: the repository root is on sys.path")
