"""Speed and endurance; run by hand, apart from the tests."""
