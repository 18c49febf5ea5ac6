"""KD Lab: knowledge distillation, done rather than described."""
