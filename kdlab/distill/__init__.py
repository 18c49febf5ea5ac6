"""Distillation: signals, objectives, cohorts and the trainer. Knows no page and no store."""
