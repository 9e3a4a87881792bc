"""From numbers to events: what turns a network's output into an EventTable."""
