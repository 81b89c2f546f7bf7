"""How databases of every age become today's; run when a store is opened."""
