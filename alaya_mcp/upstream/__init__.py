"""Talking to Alaya's two planes: keys, time, what is sent again, and what failures mean."""
