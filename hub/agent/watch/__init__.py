"""What the agent keeps an eye on. It observes and tells; whether it matters is the hub's to say."""
