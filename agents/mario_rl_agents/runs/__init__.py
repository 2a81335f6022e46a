"""A run's folder, its training, its metrics, its evaluation."""
