"""What both functions share: how they are started and served, and when a fresh process is ready."""
