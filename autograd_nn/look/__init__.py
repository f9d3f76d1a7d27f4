"""What one looks at: summaries, traces, drawings, plots, and warnings of mistakes."""
