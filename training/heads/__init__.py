"""What a network learns last, from features alone: rows of its last layer, while everything else stays as it is."""
