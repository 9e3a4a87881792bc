"""From media files to what networks see."""
