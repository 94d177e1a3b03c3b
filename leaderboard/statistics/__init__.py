"""Pure functions of arrays with stated axes; numpy and scipy, no state."""
