"""The compiled loop of a rollout: planned from shapes, cut into tiles, spread over devices."""
