"""LightningModules that own the step, the logging, the decoding and the metric of one task."""
