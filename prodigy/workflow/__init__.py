"""What the user wrote: text in, values out."""
