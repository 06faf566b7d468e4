"""What is durable: sessions, steps, items, effects and events."""
