"""An evaluation round: from collecting the data to the issued result and its corrections."""
