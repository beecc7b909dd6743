"""The compiled loop of a rollout: planned from shapes, divided into tiles, and distributed over devices."""
