"""What needs several workshops at once: the sample, guessing a configuration, checking one, retraining on record, the live loop."""
