"""The loader `target-warehouse`, which loads any Singer tap into a warehouse."""
