"""Tables over grids of shapes, larger than memory or one machine."""
