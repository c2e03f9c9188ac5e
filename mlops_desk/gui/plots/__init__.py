"""One module for each kind of plot. They draw what they are given and compute nothing but places on the screen."""
