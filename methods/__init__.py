"""The methods: one file each, discovered by the engine. Add one by putting a file here."""

if __name__ == "methods":
    raise ImportError("use dabench.methods: the repository root is on sys.path")
