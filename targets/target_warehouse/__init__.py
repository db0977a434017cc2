"""The loader `target-warehouse`: any Singer tap into a warehouse."""
