"""A toy Space: two rooms that repeat words, made of shared.request, room and api as a real one is."""
