"""What makes Stable-Baselines3's algorithms fit both environments."""
