"""Long runs that look for crashes, hangs and lost work; short slices of them are in the tests."""
