"""What a host is beyond its figures and packages; each module reads one kind of fact."""
