"""Edge. The second act: a channel, a refusal that protects, a recall, a clock, a total."""
